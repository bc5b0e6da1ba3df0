// The NVML library as its callers meet it: loaded by path, functions found by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "abi/nvml.hpp"
#include "levee/bytes.hpp"
#include "support/simulated_machine.hpp"

namespace levee::test {
namespace {

using namespace std::chrono_literals;
using namespace levee::nvml;
using testing::HasSubstr;

/// A machine, and NVML over it, initialised.
class Nvml {
 public:
  explicit Nvml(const std::string& scenario = "gpu 0 mem=80GiB reserved=600MiB")
      : machine(scenario),
        environment_(machine.environment()),
        library(machine.libraries() / "libnvidia-ml.so.1") {
    EXPECT_EQ(library.get<fn::Init>("nvmlInit_v2")(), Return::success);
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;
  ~Nvml() { library.get<fn::Shutdown>("nvmlShutdown")(); }

  template <class Function, class... Arguments>
  Return call(const char* name, Arguments... arguments) const {
    return library.get<Function>(name)(arguments...);
  }

  [[nodiscard]] Device device(unsigned index = 0) const {
    Device device = nullptr;
    EXPECT_EQ(call<fn::DeviceGetHandleByIndex>("nvmlDeviceGetHandleByIndex_v2", index, &device),
              Return::success);
    return device;
  }

  [[nodiscard]] MemoryV2 memory(Device of) const {
    MemoryV2 info{};
    info.version = kMemoryV2Tag;
    EXPECT_EQ(call<fn::DeviceGetMemoryInfoV2>("nvmlDeviceGetMemoryInfo_v2", of, &info),
              Return::success);
    return info;
  }

  [[nodiscard]] unsigned number(const char* name, Device of) const {
    unsigned value = 0;
    EXPECT_EQ(call<fn::DeviceGetUnsigned>(name, of, &value), Return::success) << name;
    return value;
  }

  [[nodiscard]] Return asking(const char* name, Device of) const {
    unsigned value = 0;
    return call<fn::DeviceGetUnsigned>(name, of, &value);
  }

  SimulatedMachine machine;

 private:
  ScopedEnvironment environment_;

 public:
  DriverLibrary library;
};

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

TEST(NvmlLost, ALostGpuKeepsItsIndexAndAnswers15) {
  Nvml nvml("gpu 0\ngpu 1");
  const Device device = nvml.device(0);
  nvml.machine.fault("for 5s gpu 0 lost");
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", device), Return::gpu_is_lost);
  EXPECT_EQ(nvml.device(0), device) << "look-ups still work";
  unsigned count = 0;
  EXPECT_EQ(nvml.call<fn::DeviceGetCount>("nvmlDeviceGetCount_v2", &count), Return::success);
  EXPECT_EQ(count, 2U);
  nvml.machine.advance(5s);
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", device), Return::success);
}

TEST(NvmlLost, LookUpsMayFailAsWell) {
  Nvml nvml("gpu 0");
  nvml.machine.fault("gpu 0 lost lookup");
  Device device = nullptr;
  EXPECT_EQ(nvml.call<fn::DeviceGetHandleByIndex>("nvmlDeviceGetHandleByIndex_v2", 0U, &device),
            Return::gpu_is_lost);
}

TEST(NvmlLost, AGpuThatWantsAResetAnswers16) {
  Nvml nvml("gpu 0");
  nvml.machine.fault("gpu 0 reset-required");
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device()), Return::reset_required);
  nvml.machine.fault("gpu 0 recover");
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device()), Return::success);
}

TEST(NvmlLost, UnpluggingShiftsIndicesAndOldHandlesStayDead) {
  Nvml nvml("gpu 0\ngpu 1");
  const Device first = nvml.device(0);
  const Device second = nvml.device(1);
  nvml.machine.fault("gpu 0 unplug");
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", first), Return::gpu_is_lost);
  EXPECT_EQ(nvml.device(0), second);
  nvml.machine.fault("gpu 0 replug");
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", first), Return::gpu_is_lost);
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device(0)), Return::success);
}

TEST(NvmlFaults, ReturnWhatTheScenarioSaysForSoManyCalls) {
  Nvml nvml("gpu 0\ngpu 1");
  nvml.machine.fault("gpu 1 return 999 from nvmlDeviceGetPower* for 2 calls");
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device(0)), Return::success);
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device(1)), Return::unknown);
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device(1)), Return::unknown);
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device(1)), Return::success);
}

TEST(NvmlFaults, SlowCallsTakeRealTimeAndHoldNobodyUp) {
  Nvml nvml("gpu 0");
  nvml.machine.fault("gpu 0 slow nvmlDeviceGetPowerUsage 300ms");
  const auto began = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration other{};
  {
    const Device device = nvml.device();
    const std::jthread slow(
        [&] { EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", device), Return::success); });
    std::this_thread::sleep_for(50ms);  // Until the slow call is under way; late does no harm.
    const auto asked = std::chrono::steady_clock::now();
    EXPECT_EQ(nvml.asking("nvmlDeviceGetFanSpeed", device), Return::success);
    other = std::chrono::steady_clock::now() - asked;
  }
  EXPECT_GE(std::chrono::steady_clock::now() - began, 300ms);
  EXPECT_LT(other, 200ms);
}

TEST(NvmlFaults, AHangEndsWhenItIsCleared) {
  Nvml nvml("gpu 0");
  nvml.machine.fault("gpu 0 hang nvmlDeviceGetPowerUsage");
  std::atomic<bool> is_back = false;
  const std::jthread hanging([&, device = nvml.device()] {
    EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", device), Return::success);
    is_back = true;
  });
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(is_back);
  nvml.machine.fault("gpu 0 clear");
}

TEST(NvmlEvents, AnXidReachesWhoAskedForIt) {
  Nvml nvml("gpu 0\ngpu 1\nat 5s gpu 0 xid 31\nat 5s gpu 1 xid 79");
  EventSet set = nullptr;
  ASSERT_EQ(nvml.call<fn::EventSetCreate>("nvmlEventSetCreate", &set), Return::success);
  ASSERT_EQ(
      nvml.call<fn::DeviceRegisterEvents>("nvmlDeviceRegisterEvents", nvml.device(1), 8ULL, set),
      Return::success);
  EventData data{};
  const auto wait = [&](const char* name, unsigned timeout) {
    return nvml.call<fn::EventSetWait>(name, set, &data, timeout);
  };
  EXPECT_EQ(wait("nvmlEventSetWait_v2", 1), Return::timeout);
  nvml.machine.advance(5s);
  data.gpu_instance = 7;
  EXPECT_EQ(wait("nvmlEventSetWait", 1), Return::success);
  EXPECT_EQ(data.data, 79U);
  EXPECT_EQ(data.type, event::kXidCriticalError);
  EXPECT_EQ(data.device, nvml.device(1));
  EXPECT_EQ(data.gpu_instance, 7U) << "the old call writes 24 bytes";
  EXPECT_EQ(wait("nvmlEventSetWait_v2", 1), Return::timeout) << "each event comes once";
  EXPECT_EQ(nvml.call<fn::EventSetFree>("nvmlEventSetFree", set), Return::success);
  EXPECT_EQ(nvml.call<fn::EventSetFree>("nvmlEventSetFree", set), Return::invalid_argument);
}

TEST(NvmlEvents, WaitingTakesItsWholeTimeout) {
  const Nvml nvml("gpu 0");
  EventSet set = nullptr;
  ASSERT_EQ(nvml.call<fn::EventSetCreate>("nvmlEventSetCreate", &set), Return::success);
  EventData data{};
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(nvml.call<fn::EventSetWait>("nvmlEventSetWait_v2", set, &data, 60U), Return::timeout);
  EXPECT_GE(std::chrono::steady_clock::now() - began, 60ms);
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

TEST(NvmlTrace, WritesALineForEachCall) {
  const TempDir folder;
  const ScopedEnvironment traced({{"LEVEE_SIM_TRACE", (folder / "trace").string()}});
  const Nvml nvml("gpu 0");
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device()), Return::success);
  EXPECT_EQ(nvml.asking("nvmlDeviceGetBoardId", nvml.device()), Return::not_supported);
  std::ifstream file(folder / "trace");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_THAT(text, HasSubstr(" nvmlInit_v2 => 0\n"));
  EXPECT_THAT(text, HasSubstr(" nvmlDeviceGetPowerUsage gpu0 => 0\n"));
  EXPECT_THAT(text, HasSubstr(" nvmlDeviceGetBoardId => 3\n"));
}

}  // namespace
}  // namespace levee::test
