#include "policy/projection.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "support/values.hpp"

namespace levee::policy {
namespace {

using namespace std::chrono_literals;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// One value per second, made by `value(i)`.
template <class Value>
std::vector<Reading> series(int count, Value value) {
  std::vector<Reading> readings;
  for (int i = 0; i < count; ++i) {
    readings.push_back({test::at(i * 1s).mono, static_cast<double>(value(i))});
  }
  return readings;
}

std::optional<Projection> project(const std::vector<Reading>& readings, Seconds ahead = 60s) {
  return project_memory_usage(readings, readings.empty() ? MonoTime{} : readings.back().at, ahead);
}

TEST(Projection, FollowsASteadyRise) {
  const auto readings = series(101, [](int i) { return 50 + i / 5.0; });  // 70 % now, 12 a minute.
  const auto found = project(readings);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->percent, 82, 1e-6);
  EXPECT_NEAR(found->per_minute, 12, 1e-6);
  ASSERT_TRUE(found->full_in);
  EXPECT_NEAR(found->full_in->count(), 150, 1e-6);
  EXPECT_NEAR(project(readings, 0s)->percent, 70, 1e-6);
  EXPECT_NEAR(project(readings, 120s)->percent, 94, 1e-6);
}

TEST(Projection, StaysBetweenEmptyAndFull) {
  EXPECT_EQ(project(series(101, [](int i) { return 50 + i / 5.0; }), 600s)->percent, 100);
  const auto falling = project(series(101, [](int i) { return 50 - i / 5.0; }), 600s);
  EXPECT_EQ(falling->percent, 0);
  EXPECT_EQ(falling->full_in, std::nullopt) << "it does not fill";
  EXPECT_EQ(project(series(10, [](int) { return 140; }))->percent, 100);
  EXPECT_EQ(project(series(10, [](int) { return 140; }))->full_in, Seconds{0});
  EXPECT_EQ(project(series(10, [](int) { return -3; }))->percent, 0);
}

TEST(Projection, IsUnknownWithoutEnoughReadings) {
  EXPECT_FALSE(project({}));
  EXPECT_FALSE(project(series(4, [](int i) { return 50 + i; })));
  EXPECT_TRUE(project(series(5, [](int i) { return 50 + i; })));
  EXPECT_FALSE(project(std::vector<Reading>(10, {test::at(0s).mono, 60}))) << "of one instant";
}

TEST(Projection, TakesNoReadingThatIsNoNumber) {
  EXPECT_FALSE(project(series(9, [](int i) { return i < 5 ? kNan : 50.0; })));
  EXPECT_FALSE(project(series(9, [](int i) { return i < 5 ? kInfinity : 50.0; })));
  const auto found = project(series(50, [](int i) { return i % 3 == 0 ? kNan : 50.0; }));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->percent, 50);
}

TEST(Projection, LooksAtTheLastFiveMinutesOnly) {
  const auto readings =
      series(1'000, [](int i) { return i < 699 ? i / 10.0 : 69.9; });  // Level for 301 s.
  const auto found = project(readings);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->percent, 69.9, 1e-6);
  EXPECT_EQ(found->full_in, std::nullopt);
  const MonoTime now = readings.back().at;
  EXPECT_FALSE(project_memory_usage(readings, now + 298s, 60s)) << "three are left";
}

TEST(Projection, SaysNothingOfASeriesThatEnded) {
  const auto readings = series(100, [](int i) { return 50 + i / 5.0; });
  const MonoTime end = readings.back().at;
  EXPECT_TRUE(project_memory_usage(readings, end + 60s, 60s));
  EXPECT_FALSE(project_memory_usage(readings, end + 61s, 60s));
  EXPECT_FALSE(project_memory_usage(readings, end + 24h, 60s));
}

TEST(Projection, CountsFromNowNotFromTheNewestReading) {
  const auto readings = series(101, [](int i) { return 50 + i / 5.0; });
  const auto found = project_memory_usage(readings, readings.back().at + 10s, 60s);
  EXPECT_NEAR(found->percent, 84, 1e-6);
  EXPECT_NEAR(found->full_in->count(), 140, 1e-6);
}

TEST(Projection, IgnoresReadingsOfTheFuture) {
  const auto readings = series(101, [](int i) { return i <= 50 ? 40 : 90; });
  EXPECT_EQ(project_memory_usage(readings, test::at(50s).mono, 60s)->percent, 40);
  EXPECT_FALSE(project_memory_usage(readings, test::at(3s).mono, 60s));
}

TEST(Projection, IsNotTurnedByWildReadings) {
  const auto a_quarter = [](int i) { return i % 4 == 3 ? 0.0 : 50 + i / 10.0; };
  EXPECT_NEAR(project(series(300, a_quarter))->percent, 50 + 29.9 + 6, 0.5);
  const auto the_newest = [](int i) { return i >= 298 ? 0.0 : 50 + i / 10.0; };
  EXPECT_NEAR(project(series(300, the_newest))->percent, 50 + 29.9 + 6, 0.5);
}

TEST(Projection, FollowsAStepAtOnce) {
  const auto step = [](int i) { return i < 297 ? 20 : 80; };
  EXPECT_NEAR(project(series(300, step))->percent, 80, 0.5) << "the third reading decides";
  const auto before = [](int i) { return i < 298 ? 20 : 80; };
  EXPECT_NEAR(project(series(300, before))->percent, 20, 0.5);
}

TEST(Projection, DoesNotPredictWhatIsHoursAway) {
  const auto in_a_minute = [](double points) {
    return project(series(300, [&](int i) { return 50 + (i - 299) * points / 60; }))->full_in;
  };
  EXPECT_EQ(in_a_minute(0.8), std::nullopt);
  ASSERT_TRUE(in_a_minute(0.84));
  EXPECT_NEAR(in_a_minute(0.84)->count(), 50 / 0.84 * 60, 1);
  EXPECT_EQ(in_a_minute(0), std::nullopt);
}

TEST(Projection, RefusesSpansThatAreNone) {
  const auto readings = series(100, [](int i) { return 50 + i / 5.0; });
  for (const double bad : {-1.0, kNan, kInfinity, -kInfinity}) {
    EXPECT_FALSE(project(readings, Seconds{bad})) << bad;
  }
  EXPECT_EQ(project(readings, Seconds{1e300})->percent, 100);
}

}  // namespace
}  // namespace levee::policy
