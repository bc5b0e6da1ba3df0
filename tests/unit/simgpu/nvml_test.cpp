// The NVML library as its callers meet it: loaded by path, functions found by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "abi/nvml.hpp"
#include "levee/bytes.hpp"
#include "unit/simgpu/nvml.hpp"

namespace levee::test {
namespace {

using namespace std::chrono_literals;
using namespace levee::nvml;

TEST(NvmlSession, CountsItsUsers) {
  const Nvml nvml;
  EXPECT_EQ(nvml.call<fn::Init>("nvmlInit"), Return::success);
  EXPECT_EQ(nvml.call<fn::Shutdown>("nvmlShutdown"), Return::success);
  unsigned count = 0;
  EXPECT_EQ(nvml.call<fn::DeviceGetCount>("nvmlDeviceGetCount_v2", &count), Return::success);
  EXPECT_EQ(count, 1U);
}

TEST(NvmlSession, KnowsNothingBeforeInitAndAfterShutdown) {
  const SimulatedMachine machine("gpu 0");
  const ScopedEnvironment environment(machine.environment());
  const DriverLibrary library(machine.libraries() / "libnvidia-ml.so.1");
  unsigned count = 0;
  const auto& get_count = library.get<fn::DeviceGetCount>("nvmlDeviceGetCount_v2");
  EXPECT_EQ(get_count(&count), Return::uninitialized);
  EXPECT_EQ(library.get<fn::Init>("nvmlInit_v2")(), Return::success);
  EXPECT_EQ(get_count(&count), Return::success);
  EXPECT_EQ(library.get<fn::Shutdown>("nvmlShutdown")(), Return::success);
  EXPECT_EQ(get_count(&count), Return::uninitialized);
}

class NvmlInitFailure : public testing::TestWithParam<unsigned> {};

TEST_P(NvmlInitFailure, IsWhatTheScenarioSays) {
  const SimulatedMachine machine("gpu 0\ndriver init " + std::to_string(GetParam()));
  const ScopedEnvironment environment(machine.environment());
  const DriverLibrary library(machine.libraries() / "libnvidia-ml.so.1");
  EXPECT_EQ(library.get<fn::Init>("nvmlInit_v2")(), Return{GetParam()});
  unsigned count = 0;
  EXPECT_EQ(library.get<fn::DeviceGetCount>("nvmlDeviceGetCount_v2")(&count),
            Return::uninitialized);
}

INSTANTIATE_TEST_SUITE_P(Results, NvmlInitFailure, testing::Values(9U, 17U, 18U, 999U));

TEST(NvmlDevices, SayWhatTheyAre) {
  const Nvml nvml("gpu 0 name=\"Sim L4\" cc=8.9 pci-bus=1B\ngpu 1");
  std::array<char, kNameBuffer> name{};
  EXPECT_EQ(nvml.call<fn::DeviceGetText>("nvmlDeviceGetName", nvml.device(), name.data(), 96U),
            Return::success);
  EXPECT_STREQ(name.data(), "Sim L4");
  EXPECT_EQ(nvml.call<fn::DeviceGetText>("nvmlDeviceGetName", nvml.device(), name.data(), 6U),
            Return::insufficient_size);
  PciInfo pci{};
  EXPECT_EQ(nvml.call<fn::DeviceGetPciInfo>("nvmlDeviceGetPciInfo_v3", nvml.device(), &pci),
            Return::success);
  EXPECT_STREQ(pci.legacy_bus_id.data(), "0000:1B:00.0");
  EXPECT_STREQ(pci.bus_id.data(), "00000000:1B:00.0");
  EXPECT_EQ(nvml.number("nvmlDeviceGetMinorNumber", nvml.device(1)), 1U);
}

TEST(NvmlDevices, AreFoundByUuidAndBusId) {
  const Nvml nvml("gpu 0\ngpu 1 pci-bus=3C");
  std::array<char, kUuidBuffer> uuid{};
  ASSERT_EQ(nvml.call<fn::DeviceGetText>("nvmlDeviceGetUUID", nvml.device(1), uuid.data(), 96U),
            Return::success);
  Device found = nullptr;
  const char* text = uuid.data();
  EXPECT_EQ(nvml.call<fn::DeviceGetHandleByText>("nvmlDeviceGetHandleByUUID", text, &found),
            Return::success);
  EXPECT_EQ(found, nvml.device(1));
  for (const char* bus : {"0000:3C:00.0", "00000000:3c:00.0"}) {
    EXPECT_EQ(nvml.call<fn::DeviceGetHandleByText>("nvmlDeviceGetHandleByPciBusId_v2", bus, &found),
              Return::success);
    EXPECT_EQ(found, nvml.device(1));
  }
  EXPECT_EQ(nvml.call<fn::DeviceGetHandleByText>("nvmlDeviceGetHandleByUUID", "GPU-0", &found),
            Return::not_found);
}

TEST(NvmlDevices, RefuseHandlesThatAreNone) {
  const Nvml nvml;
  int local = 0;
  for (Device bad : {Device{nullptr}, reinterpret_cast<Device>(&local)}) {
    EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", bad), Return::invalid_argument);
  }
  Device device = nullptr;
  EXPECT_EQ(nvml.call<fn::DeviceGetHandleByIndex>("nvmlDeviceGetHandleByIndex_v2", 1U, &device),
            Return::invalid_argument);
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device()), Return::success);
  EXPECT_EQ(nvml.call<fn::DeviceGetUnsigned>("nvmlDeviceGetPowerUsage", nvml.device(),
                                             static_cast<unsigned*>(nullptr)),
            Return::invalid_argument);
}

TEST(NvmlMemory, TheFirstVersionCountsReservedMemoryAsUsedAndTheSecondDoesNot) {
  const Nvml nvml("gpu 0 mem=80GiB reserved=600MiB\ngpu 0 foreign pid=5 mem=3GiB");
  const MemoryV2 second = nvml.memory(nvml.device());
  MemoryV1 first{};
  ASSERT_EQ(nvml.call<fn::DeviceGetMemoryInfo>("nvmlDeviceGetMemoryInfo", nvml.device(), &first),
            Return::success);
  EXPECT_EQ(second.used, 3 * kGiB);
  EXPECT_EQ(second.reserved, 600 * kMiB);
  EXPECT_EQ(first.used, second.used + second.reserved);
  EXPECT_EQ(first.free, second.free);
  EXPECT_EQ(second.total, second.reserved + second.used + second.free);
}

TEST(NvmlMemory, RefusesAnotherVersionOfTheStruct) {
  const Nvml nvml;
  for (const std::uint32_t version : {0U, 2U, version_tag<MemoryV2>(3)}) {
    MemoryV2 info{};
    info.version = version;
    EXPECT_EQ(
        nvml.call<fn::DeviceGetMemoryInfoV2>("nvmlDeviceGetMemoryInfo_v2", nvml.device(), &info),
        Return::argument_version_mismatch);
  }
}

TEST(NvmlMemory, UnifiedMemoryIsNotSupportedOrHasNoTotal) {
  Nvml nvml("gpu 0 memory=not-supported");
  MemoryV1 info{};
  EXPECT_EQ(nvml.call<fn::DeviceGetMemoryInfo>("nvmlDeviceGetMemoryInfo", nvml.device(), &info),
            Return::not_supported);
  nvml.machine.set("gpu 0 memory zero-total");
  EXPECT_EQ(nvml.memory(nvml.device()).total, 0U);
}

TEST(NvmlMemory, MayJumpRightAfterAQuery) {
  Nvml nvml("gpu 0 mem=80GiB reserved=600MiB");
  nvml.machine.set("gpu 0 free-jump -2GiB");
  const std::uint64_t before = nvml.memory(nvml.device()).free;
  EXPECT_EQ(nvml.memory(nvml.device()).free, before - 2 * kGiB);
  EXPECT_EQ(nvml.memory(nvml.device()).free, before - 2 * kGiB) << "only once";
  nvml.machine.set("gpu 0 free-jump 1GiB");
  EXPECT_EQ(nvml.memory(nvml.device()).free, before - 2 * kGiB);
  EXPECT_EQ(nvml.memory(nvml.device()).free, before - 1 * kGiB);
}

TEST(NvmlProcesses, SayHowManyRecordsTheyNeed) {
  const Nvml nvml("gpu 0\ngpu 0 foreign pid=5 mem=1GiB foreign pid=6 mem=2GiB");
  std::array<ProcessV2, 4> records{};
  const auto list = [&](const char* name, unsigned& count, ProcessV2* into) {
    return nvml.call<fn::DeviceGetRunningProcessesV2>(name, nvml.device(), &count, into);
  };
  unsigned count = 0;
  EXPECT_EQ(list("nvmlDeviceGetComputeRunningProcesses_v3", count, nullptr),
            Return::insufficient_size);
  EXPECT_EQ(count, 2U);
  count = 1;
  EXPECT_EQ(list("nvmlDeviceGetComputeRunningProcesses_v3", count, records.data()),
            Return::insufficient_size);
  EXPECT_EQ(count, 2U);
  count = 4;
  EXPECT_EQ(list("nvmlDeviceGetComputeRunningProcesses_v3", count, records.data()),
            Return::success);
  EXPECT_EQ(count, 2U);
  EXPECT_EQ(records[1].pid, 6U);
  EXPECT_EQ(records[1].used, 2 * kGiB);
  EXPECT_EQ(records[1].gpu_instance, kNoInstance);
  count = 0;
  EXPECT_EQ(list("nvmlDeviceGetGraphicsRunningProcesses_v3", count, nullptr), Return::success)
      << "nobody draws";
}

TEST(NvmlProcesses, EveryVersionListsTheSameInItsOwnLayout) {
  const Nvml nvml("gpu 0\ngpu 0 foreign pid=5 mem=1GiB kind=mps foreign pid=6 mem=2GiB kind=mps");
  std::array<ProcessV1, 2> first{};
  unsigned count = 2;
  EXPECT_EQ(nvml.call<fn::DeviceGetRunningProcesses>("nvmlDeviceGetMPSComputeRunningProcesses",
                                                     nvml.device(), &count, first.data()),
            Return::success);
  EXPECT_EQ(first[1].pid, 6U);
  EXPECT_EQ(first[1].used, 2 * kGiB);
  std::array<ProcessV2, 2> second{};
  EXPECT_EQ(nvml.call<fn::DeviceGetRunningProcessesV2>("nvmlDeviceGetMPSComputeRunningProcesses_v2",
                                                       nvml.device(), &count, second.data()),
            Return::success);
  EXPECT_EQ(second[1].used, 2 * kGiB);
  std::array<ProcessDetail, 2> details{};
  ProcessDetailList list{kProcessDetailListTag, 2, 2, details.data()};
  EXPECT_EQ(nvml.call<fn::DeviceGetRunningProcessDetailList>(
                "nvmlDeviceGetRunningProcessDetailList", nvml.device(), &list),
            Return::success);
  EXPECT_EQ(details[1].used, 2 * kGiB);
}

TEST(NvmlProcesses, EarlyDriversWriteWideRecords) {
  const Nvml nvml(
      "gpu 0 process-records=wide\ngpu 0 foreign pid=5 mem=1GiB foreign pid=6 mem=2GiB");
  std::array<ProcessDetail, 2> records{};
  unsigned count = 2;
  EXPECT_EQ(nvml.call<fn::DeviceGetRunningProcessesV2>(
                "nvmlDeviceGetComputeRunningProcesses_v3", nvml.device(), &count,
                reinterpret_cast<ProcessV2*>(records.data())),
            Return::success);
  EXPECT_EQ(records[1].pid, 6U);
  EXPECT_EQ(records[1].used, 2 * kGiB);
}

TEST(NvmlProcesses, MayHaveUnknownMemoryAndForeignPids) {
  Nvml nvml("gpu 0 process-memory=unknown\ngpu 0 foreign pid=5 mem=1GiB\ndriver pid-offset 1000");
  std::array<ProcessV2, 1> records{};
  unsigned count = 1;
  EXPECT_EQ(nvml.call<fn::DeviceGetRunningProcessesV2>("nvmlDeviceGetComputeRunningProcesses_v3",
                                                       nvml.device(), &count, records.data()),
            Return::success);
  EXPECT_EQ(records[0].used, kMemoryUnknown);
  EXPECT_EQ(records[0].pid, 1005U);
}

class NvmlSamples : public testing::Test {
 protected:
  Return ask(std::uint64_t newer_than, unsigned room = 200) {
    samples_.resize(room);
    count_ = room;
    return nvml_.call<fn::DeviceGetProcessUtilization>(
        "nvmlDeviceGetProcessUtilization", nvml_.device(), room == 0 ? nullptr : samples_.data(),
        &count_, static_cast<unsigned long long>(newer_than));
  }

  Nvml nvml_{"gpu 0\ngpu 0 foreign pid=5 mem=1GiB sm=40"};
  std::vector<ProcessUtilization> samples_;
  unsigned count_ = 0;
};

TEST_F(NvmlSamples, AreNotFoundUntilThereAreNewerOnes) {
  ASSERT_EQ(ask(0), Return::success);
  ASSERT_EQ(count_, 1U);
  EXPECT_EQ(samples_[0].pid, 5U);
  EXPECT_EQ(samples_[0].sm, 40U);
  const std::uint64_t seen = samples_[0].timestamp_us;
  EXPECT_EQ(ask(seen), Return::not_found);
  nvml_.machine.advance(1s);
  ASSERT_EQ(ask(seen), Return::success);
  EXPECT_EQ(samples_[0].timestamp_us, seen + 1'000'000);
}

TEST_F(NvmlSamples, SayHowMuchRoomTheyNeed) {
  EXPECT_EQ(ask(0, 0), Return::insufficient_size);
  EXPECT_EQ(count_, 1U);
}

TEST_F(NvmlSamples, MayBeMissingStaleOrGarbage) {
  nvml_.machine.set("gpu 0 samples none");
  EXPECT_EQ(ask(0), Return::not_found);
  nvml_.machine.set("gpu 0 samples stale");
  nvml_.machine.advance(5s);
  ASSERT_EQ(ask(~0ULL), Return::success) << "stale ones come again and again";
  EXPECT_EQ(count_, 2U);
  nvml_.machine.set("gpu 0 samples garbage");
  ASSERT_EQ(ask(0), Return::success);
  EXPECT_EQ(count_, 100U);
  EXPECT_GT(samples_[50].sm, 100U);
}

TEST(NvmlValues, FollowTheScenario) {
  Nvml nvml("gpu 0\nat 0s gpu 0 temp 41 util 7 power 78W\nramp 10s 20s gpu 0 temp 40 80");
  unsigned celsius = 0;
  const auto temperature = [&] {
    EXPECT_EQ(nvml.call<fn::DeviceGetTemperature>("nvmlDeviceGetTemperature", nvml.device(),
                                                  Sensor::gpu, &celsius),
              Return::success);
    return celsius;
  };
  EXPECT_EQ(temperature(), 41U);
  EXPECT_EQ(nvml.number("nvmlDeviceGetPowerUsage", nvml.device()), 78'000U);
  nvml.machine.advance(15s);
  EXPECT_EQ(temperature(), 60U);
  nvml.machine.advance(10s);
  EXPECT_EQ(temperature(), 80U);
}

TEST(NvmlValues, ThatLastReturnToWhatTheyWere) {
  Nvml nvml("gpu 0 fan=33");
  nvml.machine.set("for 5s gpu 0 fan 90");
  EXPECT_EQ(nvml.number("nvmlDeviceGetFanSpeed", nvml.device()), 90U);
  nvml.machine.advance(5s);
  EXPECT_EQ(nvml.number("nvmlDeviceGetFanSpeed", nvml.device()), 33U);
  nvml.machine.set("gpu 0 fan not-supported");
  EXPECT_EQ(nvml.asking("nvmlDeviceGetFanSpeed", nvml.device()), Return::not_supported);
}

TEST(NvmlValues, ThrottleReasonsAreNvmlsBits) {
  const Nvml nvml("gpu 0 throttle=hw-thermal,power-brake");
  unsigned long long reasons = 0;
  EXPECT_EQ(nvml.call<fn::DeviceGetReasons>("nvmlDeviceGetCurrentClocksEventReasons", nvml.device(),
                                            &reasons),
            Return::success);
  EXPECT_EQ(reasons, reason::kHardwareThermal | reason::kPowerBrake);
}

TEST(NvmlHealth, CountsErrorsRowsAndPages) {
  const Nvml nvml(R"(gpu 0 ecc-uncorrected=3 remapped-uncorrected=2 remapped-pending=on
gpu 1 cc=7.0 retired-double=2 retired-pending=on)");
  unsigned long long errors = 0;
  EXPECT_EQ(nvml.call<fn::DeviceGetTotalEccErrors>("nvmlDeviceGetTotalEccErrors", nvml.device(),
                                                   MemoryErrorType::uncorrected,
                                                   EccCounter::since_boot, &errors),
            Return::success);
  EXPECT_EQ(errors, 3U);
  std::array<unsigned, 4> rows{};
  const auto remapped = [&](Device device) {
    return nvml.call<fn::DeviceGetRemappedRows>("nvmlDeviceGetRemappedRows", device, &rows[0],
                                                &rows[1], &rows[2], &rows[3]);
  };
  EXPECT_EQ(remapped(nvml.device(0)), Return::success);
  EXPECT_THAT(rows, testing::ElementsAre(0, 2, 1, 0));
  EXPECT_EQ(remapped(nvml.device(1)), Return::not_supported) << "before Ampere";
  unsigned pages = 0;
  EXPECT_EQ(nvml.call<fn::DeviceGetRetiredPages>("nvmlDeviceGetRetiredPages", nvml.device(1),
                                                 RetirementCause::double_bit_error, &pages,
                                                 static_cast<unsigned long long*>(nullptr)),
            Return::insufficient_size);
  EXPECT_EQ(pages, 2U);
}

TEST(NvmlHealth, FieldValuesAnswerEachForItself) {
  Nvml nvml("gpu 0 mem-temp=77 nvlinks=2 nvlink-tx=1GiB");
  nvml.machine.set("gpu 0 nvlink 1 down");
  std::array<FieldValue, 4> values{};
  values[0].id = field::kMemoryTemperature;
  values[1].id = field::kNvLinkDataTx;
  values[2].id = field::kNvLinkDataTx;
  values[2].scope = field::kScopeAllLinks;
  values[3].id = 9999;
  EXPECT_EQ(nvml.call<fn::DeviceGetFieldValues>("nvmlDeviceGetFieldValues", nvml.device(), 4,
                                                values.data()),
            Return::success);
  EXPECT_EQ(values[0].value.unsigned_int, 77U);
  EXPECT_EQ(values[1].value.unsigned_long_long, kGiB / kKiB);
  EXPECT_EQ(values[2].value.unsigned_long_long, 2 * kGiB / kKiB);
  EXPECT_EQ(values[3].result, Return::not_supported);
  Feature is_active = Feature::enabled;
  EXPECT_EQ(nvml.call<fn::DeviceGetNvLinkState>("nvmlDeviceGetNvLinkState", nvml.device(), 1U,
                                                &is_active),
            Return::success);
  EXPECT_EQ(is_active, Feature::disabled);
}

TEST(NvmlMig, InstancesHaveMemoryOfTheirOwnAndNoUtilisation) {
  const Nvml nvml(R"(gpu 0 mem=80GiB mig=3g.40gb,2g.20gb
gpu 0 foreign pid=5 mem=1GiB mig=1)");
  unsigned current = 0;
  unsigned pending = 0;
  EXPECT_EQ(
      nvml.call<fn::DeviceGetMigMode>("nvmlDeviceGetMigMode", nvml.device(), &current, &pending),
      Return::success);
  EXPECT_EQ(current, kMigEnabled);
  Device mig = nullptr;
  const auto instance = [&](unsigned index) {
    return nvml.call<fn::DeviceGetMigDeviceHandleByIndex>("nvmlDeviceGetMigDeviceHandleByIndex",
                                                          nvml.device(), index, &mig);
  };
  EXPECT_EQ(instance(2), Return::not_found);
  ASSERT_EQ(instance(1), Return::success);
  EXPECT_EQ(nvml.number("nvmlDeviceIsMigDeviceHandle", mig), 1U);
  EXPECT_EQ(nvml.memory(mig).total, 20 * kGiB);
  EXPECT_EQ(nvml.memory(mig).used, 1 * kGiB);
  Utilization rates{};
  EXPECT_EQ(nvml.call<fn::DeviceGetUtilizationRates>("nvmlDeviceGetUtilizationRates", mig, &rates),
            Return::not_supported);
  std::array<ProcessV2, 2> records{};
  unsigned count = 2;
  EXPECT_EQ(nvml.call<fn::DeviceGetRunningProcessesV2>("nvmlDeviceGetComputeRunningProcesses_v3",
                                                       mig, &count, records.data()),
            Return::success);
  ASSERT_EQ(count, 1U);
  EXPECT_EQ(records[0].gpu_instance, nvml.number("nvmlDeviceGetGpuInstanceId", mig));
  Device parent = nullptr;
  EXPECT_EQ(nvml.call<fn::DeviceGetDeviceHandleFromMigDeviceHandle>(
                "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", mig, &parent),
            Return::success);
  EXPECT_EQ(parent, nvml.device());
}

}  // namespace
}  // namespace levee::test
