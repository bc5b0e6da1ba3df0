#include "store/prune_clock.hpp"

#include <gtest/gtest.h>

namespace levee::store {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kStart{1'769'846'700'000ms};

/// A wall clock that the test may set, and a monotonic one that only runs.
class TwoClocks {
 public:
  [[nodiscard]] Now now() const { return now_; }
  void run(std::chrono::milliseconds time) {
    now_.wall += time;
    now_.mono += time;
  }
  void set_ahead(std::chrono::milliseconds time) { now_.wall += time; }

 private:
  Now now_{kStart, MonoTime{1h}};
};

TEST(PruneClock, GoesWithAClockThatRuns) {
  TwoClocks clocks;
  PruneClock clock(kStart - 10min, clocks.now());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(clock.at(clocks.now()), clocks.now().wall);
    clocks.run(10min);
  }
}

TEST(PruneClock, FollowsSmallCorrections) {
  TwoClocks clocks;
  PruneClock clock(kStart, clocks.now());
  clocks.set_ahead(1h);
  EXPECT_EQ(clock.at(clocks.now()), clocks.now().wall);
  clocks.set_ahead(-1h);
  EXPECT_EQ(clock.at(clocks.now()), clocks.now().wall);
}

TEST(PruneClock, DoesNotBelieveAJumpAheadForAnHour) {
  TwoClocks clocks;
  PruneClock clock(kStart, clocks.now());
  clocks.run(10min);
  ASSERT_EQ(clock.at(clocks.now()), kStart + 10min);
  clocks.set_ahead(24h * 365);
  for (int minutes = 10; minutes < 70; minutes += 10) {
    EXPECT_EQ(clock.at(clocks.now()), kStart + std::chrono::minutes{minutes});
    clocks.run(10min);
  }
  EXPECT_EQ(clock.at(clocks.now()), clocks.now().wall) << "steady for an hour";
}

TEST(PruneClock, BeginsTheHourAnewWithEachJump) {
  TwoClocks clocks;
  PruneClock clock(kStart, clocks.now());
  for (int i = 0; i < 10; ++i) {
    clocks.set_ahead(24h);
    EXPECT_LT(clock.at(clocks.now()), kStart + 24h) << i;
    clocks.run(50min);
    EXPECT_LT(clock.at(clocks.now()), kStart + 24h) << i;
  }
}

TEST(PruneClock, ForgetsAJumpThatWasPutRight) {
  TwoClocks clocks;
  PruneClock clock(kStart, clocks.now());
  clocks.set_ahead(24h * 365);
  (void)clock.at(clocks.now());
  clocks.run(5min);
  clocks.set_ahead(-24h * 365);
  EXPECT_EQ(clock.at(clocks.now()), clocks.now().wall);
}

TEST(PruneClock, NeverGoesBeyondAClockThatWasSetBack) {
  TwoClocks clocks;
  PruneClock clock(kStart, clocks.now());
  clocks.set_ahead(-24h);
  EXPECT_EQ(clock.at(clocks.now()), kStart - 24h);
}

TEST(PruneClock, StartsFromTheNewestDataAfterALongPause) {
  TwoClocks clocks;
  PruneClock clock(kStart - 24h * 30, clocks.now());
  EXPECT_EQ(clock.at(clocks.now()), kStart - 24h * 30);
  clocks.run(59min);
  EXPECT_EQ(clock.at(clocks.now()), kStart - 24h * 30 + 59min);
  clocks.run(1min);
  EXPECT_EQ(clock.at(clocks.now()), clocks.now().wall);
}

TEST(PruneClock, BelievesTheClockWhereThereIsNothingToLose) {
  TwoClocks clocks;
  PruneClock clock(std::nullopt, clocks.now());
  EXPECT_EQ(clock.at(clocks.now()), kStart);
}

TEST(PruneClock, DoesNotWaitForDataFromTheFuture) {
  TwoClocks clocks;
  PruneClock clock(kStart + 24h * 365, clocks.now());
  EXPECT_EQ(clock.at(clocks.now()), kStart);
}

}  // namespace
}  // namespace levee::store
