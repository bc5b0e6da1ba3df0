#include "history/rollup.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "support/values.hpp"

namespace levee::history {
namespace {

using namespace std::chrono_literals;

WallTime wall(std::chrono::milliseconds since_epoch) { return WallTime{since_epoch}; }

TEST(RollUp, OfNothingIsNothing) { EXPECT_TRUE(roll_up({}, 10s).empty()); }

TEST(RollUp, OnePointIsABucketOfItself) {
  const std::vector<Point> points{{"a", wall(12'345ms), -7.5}};
  EXPECT_EQ(roll_up(points, 10s), (std::vector<Bucket>{{"a", wall(10s), -7.5, -7.5, -7.5, 1}}));
}

TEST(RollUp, BucketsAreHalfOpenAndOrderedBySeriesAndTime) {
  const std::vector<Point> points{{"b", wall(10s), 1},
                                  {"a", wall(20s), 5},
                                  {"a", wall(9'999ms), 3},
                                  {"a", wall(0s), 1},
                                  {"a", wall(10s), 4}};
  EXPECT_EQ(roll_up(points, 10s), (std::vector<Bucket>{{"a", wall(0s), 1, 3, 4, 2},
                                                       {"a", wall(10s), 4, 4, 4, 1},
                                                       {"a", wall(20s), 5, 5, 5, 1},
                                                       {"b", wall(10s), 1, 1, 1, 1}}));
}

TEST(RollUp, TimesBefore1970FallIntoTheBucketThatContainsThem) {
  const std::vector<Point> points{
      {"a", wall(-1ms), 1}, {"a", wall(-10s), 2}, {"a", wall(-10'001ms), 3}};
  EXPECT_EQ(roll_up(points, 10s),
            (std::vector<Bucket>{{"a", wall(-20s), 3, 3, 3, 1}, {"a", wall(-10s), 1, 2, 3, 2}}));
}

TEST(Bucket, MeanOfNothingIsZero) {
  EXPECT_DOUBLE_EQ(Bucket{}.mean(), 0.0);
  EXPECT_DOUBLE_EQ((Bucket{"a", {}, 1, 3, 4, 2}.mean()), 2.0);
}

/// Merges what the store merges: buckets of one series and start.
std::vector<Bucket> merged(std::vector<Bucket> first, const std::vector<Bucket>& second) {
  std::map<std::pair<std::string, WallTime>, Bucket> all;
  first.insert(first.end(), second.begin(), second.end());
  for (const Bucket& bucket : first) {
    auto [entry, is_new] = all.try_emplace({bucket.series, bucket.start}, bucket);
    if (!is_new) {
      Bucket& into = entry->second;
      into.min = std::min(into.min, bucket.min);
      into.max = std::max(into.max, bucket.max);
      into.sum += bucket.sum;
      into.count += bucket.count;
    }
  }
  std::vector<Bucket> result;
  for (auto& [key, bucket] : all) {
    result.push_back(bucket);
  }
  return result;
}

TEST(RollUp, MergingTheRollUpsOfTwoPartsEqualsRollingUpTheWhole) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Point> points;
    const auto count = random() % 60;
    for (unsigned i = 0; i < count; ++i) {
      // Whole numbers, so that sums are exact in any order.
      const auto when = static_cast<std::int64_t>(random() % 200'000) - 100'000;
      const auto value = static_cast<double>(static_cast<int>(random() % 2001) - 1000);
      points.push_back(
          {random() % 2 == 0 ? "a" : "b", wall(std::chrono::milliseconds{when}), value});
    }
    const auto cut = points.empty() ? 0 : random() % (points.size() + 1);
    const auto whole = std::span<const Point>(points);
    for (const std::chrono::seconds width : kResolutions) {
      ASSERT_EQ(merged(roll_up(whole.first(cut), width), roll_up(whole.subspan(cut), width)),
                roll_up(whole, width));
    }
  }
}

TEST(RollUp, BucketsOfAFinerResolutionNestInTheCoarser) {
  for (std::size_t i = 0; i + 1 < kResolutions.size(); ++i) {
    EXPECT_EQ(kResolutions.at(i + 1) % kResolutions.at(i), 0s);
  }
}

TEST(PointsOf, LeavesOutWhatIsUnknown) {
  const Now now = test::at(5s);
  HostReading host = test::host_with(gib(16), gib(4));
  const auto few = points_of(host_sample(host, now));
  ASSERT_EQ(few.size(), 2U);
  EXPECT_EQ(few[0].series, "host/memory_total_bytes");
  EXPECT_EQ(few[0].value, static_cast<double>(gib(16).count));
  EXPECT_EQ(few[1].series, "host/memory_available_bytes");
  EXPECT_EQ(few[1].at, now.wall);

  host.swap_total = gib(1);
  host.swap_free = gib(1);
  host.cpu_percent = 0.0;
  host.pressure = Pressure{.some = PressureLine{}, .full = {}};
  std::vector<std::string> series;
  for (const Point& point : points_of(host_sample(host, now))) {
    series.push_back(point.series);
  }
  EXPECT_EQ(series, (std::vector<std::string>{"host/memory_total_bytes",
                                              "host/memory_available_bytes", "host/swap_used_bytes",
                                              "host/cpu_percent", "host/memory_pressure_percent"}))
      << "a known zero is a value";
}

TEST(ResolutionFor, IsTheFinestThatIsKeptLongEnough) {
  const std::array<std::chrono::seconds, 4> kept{1h, 24h, std::chrono::days{30},
                                                 std::chrono::days{730}};
  EXPECT_EQ(resolution_for(0s, kept), 1s);
  EXPECT_EQ(resolution_for(1h, kept), 1s);
  EXPECT_EQ(resolution_for(1h + 1s, kept), 10s);
  EXPECT_EQ(resolution_for(24h + 1s, kept), 1min);
  EXPECT_EQ(resolution_for(std::chrono::days{31}, kept), 1h);
  EXPECT_EQ(resolution_for(std::chrono::days{10'000}, kept), 1h) << "the best there is";
}

}  // namespace
}  // namespace levee::history
