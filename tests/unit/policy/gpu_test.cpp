#include "policy/gpu.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/values.hpp"

namespace levee::policy {
namespace {

using test::at;
using test::gpu_with;
using testing::ElementsAre;
using namespace std::chrono_literals;

const Now kNow = at(0s);

/// The state of a device that had none before.
Level level_at(std::optional<double> celsius, std::optional<double> percent) {
  return gpu_levels(gpu_with(0, celsius, percent, kNow.mono), {}, {}, kNow.mono).device;
}

GpuProcess process(pid_t pid, std::optional<Bytes> memory, std::string user = {}) {
  GpuProcess result;
  result.pid = pid;
  result.memory = memory;
  if (!user.empty()) {
    ProcessIdentity who;
    who.id.pid = pid;
    who.user = std::move(user);
    who.comm = "python";
    result.identity = std::make_shared<const ProcessIdentity>(std::move(who));
  }
  return result;
}

// The bounds of contract G2, each from both sides.
struct Bound {
  std::optional<double> celsius;
  std::optional<double> percent;
  Level level;
};

class GpuState : public testing::TestWithParam<Bound> {};

TEST_P(GpuState, IsThatOfTheTable) {
  EXPECT_EQ(level_at(GetParam().celsius, GetParam().percent), GetParam().level);
}

INSTANTIATE_TEST_SUITE_P(
    Temperature, GpuState,
    testing::Values(Bound{64.9, 10, Level::optimal}, Bound{65.0, 10, Level::normal},
                    Bound{74.9, 10, Level::normal}, Bound{75.0, 10, Level::throttled},
                    Bound{85.0, 10, Level::throttled}, Bound{85.1, 10, Level::critical}));
INSTANTIATE_TEST_SUITE_P(
    Memory, GpuState,
    testing::Values(Bound{40, 69.9, Level::optimal}, Bound{40, 70.0, Level::normal},
                    Bound{40, 84.9, Level::normal}, Bound{40, 85.0, Level::throttled},
                    Bound{40, 95.0, Level::throttled}, Bound{40, 95.1, Level::critical}));
INSTANTIATE_TEST_SUITE_P(TheWorseOfBoth, GpuState,
                         testing::Values(Bound{90, 10, Level::critical},
                                         Bound{40, 99, Level::critical},
                                         Bound{70, 90, Level::throttled},
                                         Bound{80, 75, Level::throttled}));
INSTANTIATE_TEST_SUITE_P(OneUnknown, GpuState,
                         testing::Values(Bound{80, {}, Level::throttled},
                                         Bound{{}, 90, Level::throttled},
                                         Bound{{}, {}, Level::unavailable}));

TEST(GpuLevels, TheDocumentedExampleIsNormal) { EXPECT_EQ(level_at(68.0, 37.5), Level::normal); }

TEST(GpuLevels, AStaleOrLostReadingIsUnavailable) {
  GpuReading gpu = gpu_with(0, 40, 10, kNow.mono - 6s);
  EXPECT_EQ(gpu_levels(gpu, {}, {}, kNow.mono).device, Level::unavailable);
  gpu.read_at = kNow.mono;
  EXPECT_EQ(gpu_levels(gpu, {}, {}, kNow.mono).device, Level::optimal);
  for (const auto condition :
       {GpuCondition::lost, GpuCondition::reset_required, GpuCondition::unreadable}) {
    gpu.condition = condition;
    EXPECT_EQ(gpu_levels(gpu, {}, {}, kNow.mono).device, Level::unavailable);
  }
}

TEST(GpuLevels, HysteresisDelaysOnlyTheWayDown) {
  Thresholds t;
  t.hysteresis = 3;
  const auto step = [&](const GpuLevels& previous, double celsius) {
    return gpu_levels(gpu_with(0, celsius, 10, kNow.mono), previous, t, kNow.mono);
  };
  const GpuLevels hot = step({}, 75);
  EXPECT_EQ(hot.device, Level::throttled);
  EXPECT_EQ(step(hot, 72.5).device, Level::throttled);
  EXPECT_EQ(step(hot, 71.9).device, Level::normal);
  EXPECT_EQ(step(step({}, 64), 65).device, Level::normal);
}

TEST(UnattributedMemory, IsWhatNoProcessExplains) {
  GpuReading gpu = gpu_with(0, 40, 51, kNow.mono);  // 50 GiB used, 1 GiB the driver's own
  gpu.processes = {process(1, gib(20)), process(2, gib(25))};
  EXPECT_EQ(unattributed_memory(gpu), gib(5));
  gpu.processes = {process(1, gib(60))};  // Readings of two moments may disagree.
  EXPECT_EQ(unattributed_memory(gpu), Bytes{});
}

TEST(UnattributedMemory, IsUnknownWhenAnythingItNeedsIs) {
  GpuReading gpu = gpu_with(0, 40, 51, kNow.mono);
  gpu.processes = {process(1, gib(20)), process(2, std::nullopt)};
  EXPECT_EQ(unattributed_memory(gpu), std::nullopt);
  gpu.processes.reset();
  EXPECT_EQ(unattributed_memory(gpu), std::nullopt);
  EXPECT_EQ(unattributed_memory(gpu_with(0, 40, {}, kNow.mono)), std::nullopt);
}

TEST(GrantableMemory, CountsTheFreeAndNeverTheDriversReserve) {
  const GpuReading gpu = gpu_with(0, 40, 51, kNow.mono);
  EXPECT_EQ(grantable_memory(gpu, mib(512)), gib(49) - mib(512));
  EXPECT_EQ(grantable_memory(gpu, gib(80)), Bytes{});
  EXPECT_EQ(grantable_memory(gpu_with(0, 40, {}, kNow.mono), mib(512)), std::nullopt);
}

TEST(MemoryByUser, AddsUpPerUserLargestFirst) {
  GpuReading gpu = gpu_with(0, 40, 51, kNow.mono);
  gpu.processes = {process(1, gib(2), "ada"), process(2, gib(9), "bob"), process(3, gib(3), "ada"),
                   process(4, std::nullopt)};
  const std::vector<UserMemory> users = memory_by_user(gpu);
  ASSERT_EQ(users.size(), 3U);
  EXPECT_EQ(users[0].user, "bob");
  EXPECT_EQ(users[1].user, "ada");
  EXPECT_EQ(users[1].memory, gib(5));
  EXPECT_EQ(users[1].processes, 2U);
  EXPECT_EQ(users[2].user, "?");
  EXPECT_FALSE(users[2].complete);
}

TEST(GpuCulprit, IsWhoGrowsElseTheLargest) {
  GpuReading gpu = gpu_with(0, 40, 51, kNow.mono);
  EXPECT_FALSE(find_gpu_culprit(gpu));
  gpu.processes = {process(1, gib(20), "ada"), process(2, gib(2), "bob")};
  EXPECT_EQ(find_gpu_culprit(gpu)->id.pid, 1);
  EXPECT_FALSE(find_gpu_culprit(gpu)->growth_per_second);
  gpu.processes->at(1).growth_per_second = 1e6;
  EXPECT_EQ(find_gpu_culprit(gpu)->user, "bob");
  EXPECT_EQ(find_gpu_culprit(gpu)->growth_per_second, 1e6);
  gpu.processes = {process(7, std::nullopt)};
  EXPECT_EQ(find_gpu_culprit(gpu)->id.pid, 7);
}

}  // namespace
}  // namespace levee::policy
