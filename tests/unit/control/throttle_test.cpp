#include "control/throttle.hpp"

#include <gtest/gtest.h>

#include "support/values.hpp"

namespace levee::control {
namespace {

using test::at;
using namespace std::chrono_literals;

class ThrottleTest : public testing::Test {
 protected:
  Advice step_at(std::chrono::milliseconds when, Level level, std::chrono::seconds cooldown = 30s) {
    return step(throttle_, level, cooldown, at(when).mono);
  }
  Throttle throttle_;
};

TEST_F(ThrottleTest, EachStateGivesItsDocumentedAdvice) {
  const struct {
    Level level;
    double multiplier;
    bool is_throttled;
  } cases[] = {{Level::optimal, 1.0, false},
               {Level::normal, 0.8, false},
               {Level::throttled, 0.5, true},
               {Level::critical, 0.0, true},
               {Level::unavailable, 1.0, false}};
  for (const auto& [level, multiplier, is_throttled] : cases) {
    Throttle fresh;
    const Advice advice = step(fresh, level, 30s, at(0s).mono);
    EXPECT_EQ(advice.level, level);
    EXPECT_DOUBLE_EQ(advice.speed_multiplier, multiplier) << to_string(level);
    EXPECT_DOUBLE_EQ(multiplier_of(level), multiplier);
    EXPECT_EQ(advice.is_throttled, is_throttled) << to_string(level);
    EXPECT_EQ(advice.should_throttle, is_throttled) << to_string(level);
  }
}

TEST_F(ThrottleTest, ShouldThrottleLastsForTheCooldownAfterLeaving) {
  step_at(0s, Level::throttled);
  const Advice left = step_at(10s, Level::normal);
  EXPECT_FALSE(left.is_throttled);
  EXPECT_TRUE(left.should_throttle);
  EXPECT_DOUBLE_EQ(left.speed_multiplier, 0.8) << "both documented texts hold";
  EXPECT_TRUE(step_at(39'999ms, Level::optimal).should_throttle);
  EXPECT_FALSE(step_at(40s, Level::optimal).should_throttle);
}

TEST_F(ThrottleTest, CooldownBeginsAgainWithEveryReturn) {
  step_at(0s, Level::critical);
  step_at(1s, Level::normal);
  step_at(20s, Level::throttled);
  step_at(21s, Level::normal);
  EXPECT_TRUE(step_at(50s, Level::normal).should_throttle);
  EXPECT_FALSE(step_at(51s, Level::normal).should_throttle);
}

TEST_F(ThrottleTest, GoingFromCriticalToThrottledIsNotLeaving) {
  step_at(0s, Level::critical);
  step_at(1s, Level::throttled);
  const Advice advice = step_at(100s, Level::throttled);
  EXPECT_TRUE(advice.is_throttled);
  step_at(101s, Level::normal);
  EXPECT_TRUE(step_at(130s, Level::normal).should_throttle);
  EXPECT_FALSE(step_at(131s, Level::normal).should_throttle);
}

TEST_F(ThrottleTest, WithoutCooldownItEndsAtOnce) {
  step_at(0s, Level::critical, 0s);
  EXPECT_FALSE(step_at(1s, Level::optimal, 0s).should_throttle);
}

TEST_F(ThrottleTest, CooldownChangedOnTheWayCountsFromTheSameMoment) {
  step_at(0s, Level::throttled);
  step_at(1s, Level::optimal);
  EXPECT_FALSE(step_at(6s, Level::optimal, 5s).should_throttle);
  EXPECT_TRUE(step_at(7s, Level::optimal, 60s).should_throttle);
}

TEST_F(ThrottleTest, MachineThatNeverHadAReadingRunsAtFullSpeed) {
  step_at(0s, Level::unavailable);
  const Advice advice = step_at(100s, Level::unavailable);
  EXPECT_DOUBLE_EQ(advice.speed_multiplier, 1.0);
  EXPECT_FALSE(advice.is_throttled);
  EXPECT_FALSE(advice.should_throttle);
}

TEST_F(ThrottleTest, LostReadingKeepsTheLastMultiplierAtMostOneHalf) {
  const struct {
    Level before;
    double multiplier;
  } cases[] = {
      {Level::optimal, 0.5}, {Level::normal, 0.5}, {Level::throttled, 0.5}, {Level::critical, 0.0}};
  for (const auto& [before, multiplier] : cases) {
    throttle_ = {};
    step_at(0s, before);
    for (const auto when : {1s, 100s, 10'000s}) {
      const Advice lost = step_at(when, Level::unavailable);
      EXPECT_DOUBLE_EQ(lost.speed_multiplier, multiplier) << to_string(before);
      EXPECT_TRUE(lost.is_throttled);
      EXPECT_TRUE(lost.should_throttle);
    }
  }
}

TEST_F(ThrottleTest, ReadingThatComesBackEndsTheLossAfterTheCooldown) {
  step_at(0s, Level::critical);
  step_at(1s, Level::unavailable);
  const Advice back = step_at(100s, Level::optimal);
  EXPECT_DOUBLE_EQ(back.speed_multiplier, 1.0);
  EXPECT_FALSE(back.is_throttled);
  EXPECT_TRUE(back.should_throttle);
  EXPECT_FALSE(step_at(130s, Level::optimal).should_throttle);
}

TEST_F(ThrottleTest, AMonotonicGapEndsTheCooldown) {
  step_at(0s, Level::throttled);
  step_at(1s, Level::optimal);
  EXPECT_FALSE(step_at(8h, Level::optimal).should_throttle);
}

}  // namespace
}  // namespace levee::control
