// Profiles: which names each exports; and what both libraries do without a machine.
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "abi/cuda.hpp"
#include "abi/nvml.hpp"
#include "support/simulated_machine.hpp"

namespace levee::test {
namespace {

DriverLibrary nvml_of(const std::string& profile) {
  return DriverLibrary(std::filesystem::path(LEVEE_SIMGPU) / profile / "libnvidia-ml.so.1");
}

class EveryProfile : public testing::TestWithParam<std::string> {};

TEST_P(EveryProfile, HasBothNamesOfBothLibraries) {
  for (const char* name : {"libnvidia-ml.so.1", "libnvidia-ml.so", "libcuda.so.1", "libcuda.so"}) {
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(LEVEE_SIMGPU) / GetParam() / name));
  }
}

TEST_P(EveryProfile, ExportsWhatLeveeCalls) {
  const DriverLibrary nvml = nvml_of(GetParam());
  for (const char* name : {"nvmlInit_v2",
                           "nvmlShutdown",
                           "nvmlErrorString",
                           "nvmlSystemGetDriverVersion",
                           "nvmlSystemGetCudaDriverVersion_v2",
                           "nvmlDeviceGetCount_v2",
                           "nvmlDeviceGetHandleByIndex_v2",
                           "nvmlDeviceGetHandleByUUID",
                           "nvmlDeviceGetName",
                           "nvmlDeviceGetUUID",
                           "nvmlDeviceGetPciInfo_v3",
                           "nvmlDeviceGetMinorNumber",
                           "nvmlDeviceGetCudaComputeCapability",
                           "nvmlDeviceGetComputeMode",
                           "nvmlDeviceGetMemoryInfo_v2",
                           "nvmlDeviceGetMemoryInfo",
                           "nvmlDeviceGetComputeRunningProcesses_v3",
                           "nvmlDeviceGetGraphicsRunningProcesses_v2",
                           "nvmlDeviceGetMPSComputeRunningProcesses",
                           "nvmlDeviceGetProcessUtilization",
                           "nvmlDeviceGetUtilizationRates",
                           "nvmlDeviceGetTemperature",
                           "nvmlDeviceGetTemperatureThreshold",
                           "nvmlDeviceGetPowerUsage",
                           "nvmlDeviceGetEnforcedPowerLimit",
                           "nvmlDeviceGetFanSpeed",
                           "nvmlDeviceGetClockInfo",
                           "nvmlDeviceGetMaxClockInfo",
                           "nvmlDeviceGetCurrentClocksEventReasons",
                           "nvmlDeviceGetCurrentClocksThrottleReasons",
                           "nvmlDeviceGetPcieThroughput",
                           "nvmlDeviceGetEccMode",
                           "nvmlDeviceGetTotalEccErrors",
                           "nvmlDeviceGetRemappedRows",
                           "nvmlDeviceGetRetiredPages",
                           "nvmlDeviceGetRetiredPagesPendingStatus",
                           "nvmlDeviceGetFieldValues",
                           "nvmlDeviceGetNvLinkState",
                           "nvmlEventSetCreate",
                           "nvmlEventSetWait_v2",
                           "nvmlEventSetFree",
                           "nvmlDeviceRegisterEvents",
                           "nvmlDeviceGetSupportedEventTypes",
                           "nvmlDeviceGetMigMode",
                           "nvmlDeviceGetMaxMigDeviceCount",
                           "nvmlDeviceGetMigDeviceHandleByIndex",
                           "nvmlDeviceIsMigDeviceHandle",
                           "nvmlDeviceGetGpuInstanceId",
                           "nvmlInternalGetExportTable",
                           "nvmlDeviceGetNvLinkRemotePciInfo_v2"}) {
    EXPECT_TRUE(nvml.has(name)) << name;
  }
}

TEST_P(EveryProfile, ExportsBothOrNeitherOfThePairThatTellsOfWideRecords) {
  const DriverLibrary nvml = nvml_of(GetParam());
  EXPECT_EQ(nvml.has("nvmlDeviceGetConfComputeMemSizeInfo"),
            nvml.has("nvmlDeviceGetRunningProcessDetailList"));
}

TEST_P(EveryProfile, ExportsNothingOfItsOwn) {
  const DriverLibrary nvml = nvml_of(GetParam());
  const DriverLibrary cuda(std::filesystem::path(LEVEE_SIMGPU) / GetParam() / "libcuda.so.1");
  EXPECT_FALSE(nvml.has("levee_sim_not_supported"));
  EXPECT_FALSE(cuda.has("levee_sim_not_supported"));
  EXPECT_FALSE(cuda.has("levee_sim_stubs"));
}

INSTANTIATE_TEST_SUITE_P(Profiles, EveryProfile, testing::Values("r535", "r550", "latest"));

TEST(Profiles, DifferByWhatTheirDriversBrought) {
  const DriverLibrary r535 = nvml_of("r535");
  const DriverLibrary r550 = nvml_of("r550");
  const DriverLibrary latest = nvml_of("latest");
  for (const char* name : {"nvmlDeviceGetTemperatureV", "nvmlDeviceSetMemoryLimits_v1",
                           "nvmlDeviceGetMemoryLimits_v1", "nvmlDeviceGetDriverModel_v2"}) {
    EXPECT_FALSE(r535.has(name)) << name;
    EXPECT_FALSE(r550.has(name)) << name;
    EXPECT_TRUE(latest.has(name)) << name;
  }
  EXPECT_FALSE(r535.has("nvmlDeviceGetRunningProcessDetailList"));
  EXPECT_TRUE(r550.has("nvmlDeviceGetRunningProcessDetailList"));
}

TEST(Profiles, TellTheirDriversVersion) {
  const SimulatedMachine machine("gpu 0 profile=r535");
  const ScopedEnvironment environment(machine.environment());
  const DriverLibrary library(machine.libraries() / "libnvidia-ml.so.1");
  ASSERT_EQ(library.get<nvml::fn::Init>("nvmlInit_v2")(), nvml::Return::success);
  std::array<char, nvml::kVersionBuffer> version{};
  EXPECT_EQ(
      library.get<nvml::fn::SystemGetVersion>("nvmlSystemGetDriverVersion")(version.data(), 80),
      nvml::Return::success);
  EXPECT_TRUE(std::string_view(version.data()).starts_with("535."));
}

TEST(Profiles, TheTemperatureCallOfTheLatestOneWantsItsTag) {
  const SimulatedMachine machine("gpu 0 profile=latest temp=66");
  const ScopedEnvironment environment(machine.environment());
  const DriverLibrary library(machine.libraries() / "libnvidia-ml.so.1");
  ASSERT_EQ(library.get<nvml::fn::Init>("nvmlInit_v2")(), nvml::Return::success);
  nvml::Device device = nullptr;
  ASSERT_EQ(
      library.get<nvml::fn::DeviceGetHandleByIndex>("nvmlDeviceGetHandleByIndex_v2")(0, &device),
      nvml::Return::success);
  const auto& ask = library.get<nvml::fn::DeviceGetTemperatureV>("nvmlDeviceGetTemperatureV");
  nvml::TemperatureV1 temperature{2, nvml::Sensor::gpu, 0};
  EXPECT_EQ(ask(device, &temperature), nvml::Return::argument_version_mismatch);
  temperature.version = nvml::kTemperatureTag;
  EXPECT_EQ(ask(device, &temperature), nvml::Return::success);
  EXPECT_EQ(temperature.celsius, 66);
}

class WithoutAMachine : public testing::TestWithParam<std::string> {};

TEST_P(WithoutAMachine, ThereIsNoDriver) {
  const ScopedEnvironment environment({{"LEVEE_SIM", GetParam()}});
  const DriverLibrary library = nvml_of("r550");
  EXPECT_EQ(library.get<nvml::fn::Init>("nvmlInit_v2")(), nvml::Return::driver_not_loaded);
  unsigned count = 0;
  EXPECT_EQ(library.get<nvml::fn::DeviceGetCount>("nvmlDeviceGetCount_v2")(&count),
            nvml::Return::uninitialized);
  std::array<char, nvml::kVersionBuffer> version{};
  EXPECT_EQ(library.get<nvml::fn::SystemGetVersion>("nvmlSystemGetNVMLVersion")(version.data(), 80),
            nvml::Return::success);
  EXPECT_EQ(library.get<nvml::fn::Shutdown>("nvmlShutdown")(), nvml::Return::success);
  EXPECT_STREQ(library.get<nvml::fn::ErrorString>("nvmlErrorString")(nvml::Return::gpu_is_lost),
               "GPU is lost");
  const DriverLibrary cuda(std::filesystem::path(LEVEE_SIMGPU) / "r550" / "libcuda.so.1");
  EXPECT_EQ(cuda.get<cuda::fn::DeviceGetCount>("cuDeviceGetCount")(nullptr),
            cuda::Result::not_initialized);
  EXPECT_EQ(cuda.get<cuda::fn::Init>("cuInit")(0), cuda::Result::no_device);
}

INSTANTIATE_TEST_SUITE_P(Names, WithoutAMachine,
                         testing::Values("", "/nonexistent/machine", "/dev/null", "/etc/passwd"));

TEST(Segment, IsItsOwnersAlone) {
  const SimulatedMachine machine("gpu 0");
  const auto mode = std::filesystem::status(machine.path()).permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(Segment, RefusesToTakeTheNameOfAnother) {
  const SimulatedMachine machine("gpu 0");
  const auto second = simgpu::Segment::create(machine.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
}

TEST(Segment, RefusesAnotherLayoutOrBoot) {
  const SimulatedMachine machine("gpu 0");
  const auto damaged = [&](std::size_t offset) {
    std::fstream file(machine.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const int before = file.get();
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(before ^ 1));
    file.flush();
    const auto opened = simgpu::Segment::open(machine.path());
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(before));
    file.flush();
    return opened ? std::string("opened") : opened.error().message;
  };
  EXPECT_NE(damaged(offsetof(simgpu::Machine, magic)).find("begin"), std::string::npos);
  EXPECT_NE(damaged(offsetof(simgpu::Machine, layout_version)).find("version"), std::string::npos);
  EXPECT_NE(damaged(offsetof(simgpu::Machine, boot_id)).find("started"), std::string::npos);
  EXPECT_TRUE(simgpu::Segment::open(machine.path()));
}

}  // namespace
}  // namespace levee::test
