// What NVML answers when something is wrong: lost GPUs, faults of functions, events; and the trace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "unit/simgpu/nvml.hpp"

namespace levee::test {
namespace {

using namespace std::chrono_literals;
using namespace levee::nvml;
using testing::HasSubstr;

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

TEST(NvmlFaults, MaySpareTheFirstCalls) {
  Nvml nvml("gpu 0");
  nvml.machine.fault("gpu 0 return 999 from nvmlDeviceGetPowerUsage after 2 calls for 1 call");
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device()), Return::success);
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device()), Return::success);
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device()), Return::unknown);
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device()), Return::success);
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
  nvml.machine.fault("gpu 0 hang nvmlDeviceGetPowerUsage after 1 call");
  EXPECT_EQ(nvml.asking("nvmlDeviceGetPowerUsage", nvml.device()), Return::success);
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
