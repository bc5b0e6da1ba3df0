#include "engine/guard_thread.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "support/machine.hpp"
#include "support/patience.hpp"

namespace levee::engine {
namespace {

using test::eventually;
using namespace std::chrono_literals;

class GuardThreadTest : public testing::Test {
 protected:
  /// A guard over `machine_`. Without learning to hurry, it looks every 20 ms.
  std::unique_ptr<GuardThread> start(control::GuardRhythm rhythm = {.resting = 20ms}) {
    auto counters = sources::FastCounters::open(machine_.root());
    EXPECT_TRUE(counters) << counters.error().message;
    return std::make_unique<GuardThread>(std::move(*counters), rhythm, policy::Thresholds{},
                                         [this] { ++alarms_; });
  }

  test::Machine machine_{gib(64), gib(40)};
  std::atomic<int> alarms_ = 0;
};

TEST_F(GuardThreadTest, QuietMachineIsLookedAtAndNothingIsSaid) {
  const auto guard = start();
  ASSERT_TRUE(eventually([&] { return guard->collect().looks >= 3; }));
  const api::GuardView view = guard->collect();
  EXPECT_FALSE(view.at_line);
  EXPECT_EQ(view.available, gib(40));
  EXPECT_EQ(view.line, gib(2));
  EXPECT_EQ(view.interval, 20ms);
  EXPECT_EQ(view.victims, 0U);
  EXPECT_EQ(alarms_, 0);
}

TEST_F(GuardThreadTest, CrossingTheLineRaisesOneAlarmAndLeavingItAnother) {
  const auto guard = start();
  ASSERT_TRUE(eventually([&] { return guard->collect().looks >= 1; }));
  machine_.set_available(gib(1));
  ASSERT_TRUE(eventually([&] { return alarms_ == 1; }));
  EXPECT_TRUE(guard->collect().at_line);
  const auto looks = guard->collect().looks;
  ASSERT_TRUE(eventually([&] { return guard->collect().looks > looks + 5; }));
  EXPECT_EQ(alarms_, 1) << "said once while it lasts";
  machine_.set_available(gib(40));
  ASSERT_TRUE(eventually([&] { return alarms_ >= 2; }));
  // The line may have been reached since the last word: then once more it counts, and is over.
  static_cast<void>(guard->collect());
  EXPECT_FALSE(guard->collect().at_line);
}

TEST_F(GuardThreadTest, LineReachedAndLeftBetweenTwoWordsIsNotForgotten) {
  const auto guard = start();
  ASSERT_TRUE(eventually([&] { return guard->collect().looks >= 1; }));
  machine_.set_available(gib(1));
  ASSERT_TRUE(eventually([&] { return alarms_ == 1; }));
  machine_.set_available(gib(40));
  ASSERT_TRUE(eventually([&] { return alarms_ == 2; }));
  EXPECT_TRUE(guard->collect().at_line);
  EXPECT_EQ(alarms_, 3) << "so that somebody looks again";
  EXPECT_FALSE(guard->collect().at_line);
  EXPECT_EQ(alarms_, 3);
}

TEST_F(GuardThreadTest, ADropFasterThanAnyMemoryIsNotLearnt) {
  const auto guard = start();
  ASSERT_TRUE(eventually([&] { return guard->collect().looks >= 2; }));
  machine_.set_available(gib(30));  // 10 GiB within 20 ms
  ASSERT_TRUE(eventually([&] { return guard->collect().available == gib(30); }));
  EXPECT_GT(guard->collect().fill_bytes_per_second, 12.0 * static_cast<double>(kGiB));
  EXPECT_LE(guard->collect().fill_bytes_per_second, control::kFastestFill);
}

TEST_F(GuardThreadTest, OtherLimitsCountAtOnceEvenWhileItRests) {
  const auto guard = start({.resting = 1h});
  ASSERT_TRUE(eventually([&] { return guard->collect().looks == 1; }));
  policy::Thresholds thresholds;
  thresholds.host_available_emergency = gib(50);
  thresholds.host_available_warning = gib(60);
  guard->configure({.resting = 1h}, thresholds);
  EXPECT_TRUE(eventually([&] { return alarms_ == 1; }));
  EXPECT_EQ(guard->collect().line, gib(50));
}

TEST_F(GuardThreadTest, EndsAtOnceWhileItRests) {
  auto guard = start({.resting = 1h});
  ASSERT_TRUE(eventually([&] { return guard->collect().looks == 1; }));
  const auto began = std::chrono::steady_clock::now();
  guard.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, test::kPatience);
}

TEST_F(GuardThreadTest, BlindGuardSaysNothingAboutTheLineAndRecovers) {
  const auto guard = start();
  machine_.break_meminfo();
  ASSERT_TRUE(eventually([&] { return !guard->collect().available; }));
  EXPECT_FALSE(guard->collect().at_line);
  EXPECT_EQ(alarms_, 0);
  machine_.set_available(gib(1));
  EXPECT_TRUE(eventually([&] { return guard->collect().at_line; }));
}

TEST_F(GuardThreadTest, CountsTheVictimsItWasHanded) {
  const auto guard = start();
  guard->prepare(std::make_shared<const VictimTable>(3));
  EXPECT_EQ(guard->collect().victims, 3U);
  guard->prepare(std::make_shared<const VictimTable>());
  EXPECT_EQ(guard->collect().victims, 0U);
}

}  // namespace
}  // namespace levee::engine
