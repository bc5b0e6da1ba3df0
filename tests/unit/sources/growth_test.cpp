#include "sources/growth.hpp"

#include <gtest/gtest.h>

namespace levee::sources {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kWindow{30};

MonoTime at(double s) { return MonoTime{} + milliseconds(static_cast<int>(s * 1000)); }

TEST(GrowthMarks, KnowNothingBeforeASecondReading) {
  GrowthMarks marks;
  EXPECT_FALSE(marks.until(at(1), mib(5), kWindow));
  marks.add(at(1), mib(5), kWindow);
  EXPECT_FALSE(marks.until(at(1), mib(6), kWindow));
  EXPECT_FALSE(marks.until(at(0), mib(6), kWindow));
}

TEST(GrowthMarks, MeasureFromTheOldestMark) {
  GrowthMarks marks;
  for (int i = 0; i <= 10; ++i) {
    marks.add(at(i), mib(static_cast<std::uint64_t>(i)), kWindow);
  }
  const auto growth = marks.until(at(20), mib(40), kWindow);
  ASSERT_TRUE(growth);
  EXPECT_DOUBLE_EQ(growth->bytes_per_second, 2.0 * kMiB);
  EXPECT_EQ(growth->window, seconds(20));
}

TEST(GrowthMarks, CoverTheWindowAndNoMore) {
  GrowthMarks marks;
  for (int i = 0; i <= 300; ++i) {
    const auto growth = marks.until(at(i), mib(static_cast<std::uint64_t>(i)), kWindow);
    if (growth) {
      EXPECT_LE(growth->window, kWindow) << i;
      EXPECT_NEAR(growth->bytes_per_second, kMiB, 1) << i;
    }
    if (i > 40) {
      EXPECT_GE(growth->window, seconds(20)) << i;
    }
    marks.add(at(i), mib(static_cast<std::uint64_t>(i)), kWindow);
  }
}

TEST(GrowthMarks, MeasureSinceTheLastReadingOfWhoIsReadSeldom) {
  GrowthMarks marks;
  marks.add(at(0), mib(10), kWindow);
  marks.add(at(100), mib(20), kWindow);
  const auto growth = marks.until(at(200), mib(20), kWindow);
  ASSERT_TRUE(growth);
  marks.add(at(200), mib(20), kWindow);
  const auto later = marks.until(at(300), mib(70), kWindow);
  ASSERT_TRUE(later);
  EXPECT_EQ(later->window, seconds(100));
  EXPECT_DOUBLE_EQ(later->bytes_per_second, 0.5 * kMiB);
}

TEST(GrowthMarks, TellShrinkingAsNegativeGrowth) {
  GrowthMarks marks;
  marks.add(at(0), mib(10), kWindow);
  EXPECT_DOUBLE_EQ(marks.until(at(2), mib(4), kWindow)->bytes_per_second, -3.0 * kMiB);
}

}  // namespace
}  // namespace levee::sources
