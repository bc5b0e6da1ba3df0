#include "forecast/trend.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/values.hpp"

namespace levee::forecast {
namespace {

using namespace std::chrono_literals;

/// One value per second, made by `value(i)`.
template <class Value>
Trend trend_over(int count, Value value) {
  std::vector<Reading> readings;
  for (int i = 0; i < count; ++i) {
    readings.push_back({test::at(i * 1s).mono, static_cast<double>(value(i))});
  }
  return trend_of(readings);
}

TEST(Trend, OfTooFewReadingsIsUnknownButShowsThem) {
  EXPECT_EQ(trend_over(0, [](int) { return 0; }).current, std::nullopt);
  const Trend four = trend_over(4, [](int i) { return 50 + 10 * i; });
  EXPECT_EQ(four.direction, Direction::unknown);
  EXPECT_EQ(four.current, 80);
  EXPECT_EQ(four.average, 65);
  EXPECT_EQ(four.per_minute, std::nullopt);
}

TEST(Trend, RisingAndFallingAreTold) {
  const Trend rising = trend_over(300, [](int i) { return 50 + i / 30.0; });
  EXPECT_EQ(rising.direction, Direction::rising);
  EXPECT_NEAR(*rising.per_minute, 2.0, 1e-9);
  EXPECT_EQ(trend_over(300, [](int i) { return 90 - i / 30.0; }).direction, Direction::falling);
}

TEST(Trend, SensorNoiseIsStable) {
  EXPECT_EQ(trend_over(300, [](int i) { return 60 + i % 2; }).direction, Direction::stable);
  EXPECT_EQ(trend_over(300, [](int) { return 60; }).direction, Direction::stable);
}

TEST(Trend, AQuarterOfWildReadingsChangesNothing) {
  const Trend trend = trend_over(300, [](int i) { return i % 4 == 3 ? 0.0 : 60 + i / 30.0; });
  EXPECT_EQ(trend.direction, Direction::rising);
  const Trend flat = trend_over(300, [](int i) { return i > 290 ? 200 : 60; });
  EXPECT_EQ(flat.direction, Direction::stable);
}

TEST(Trend, ReadingsOfOneInstantHaveNone) {
  const std::vector<Reading> readings(10, {test::at(0s).mono, 60});
  EXPECT_EQ(trend_of(readings).direction, Direction::unknown);
}

TEST(Trend, LongSeriesAreThinnedYetKeepTheNewest) {
  const Trend trend = trend_over(86'400, [](int i) { return i / 3600.0; });
  EXPECT_EQ(trend.samples, 86'400U);
  EXPECT_EQ(trend.current, 86'399 / 3600.0);
  EXPECT_NEAR(*trend.per_minute, 1 / 60.0, 1e-9);
}

}  // namespace
}  // namespace levee::forecast
