#include "control/guard.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace levee::control {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr double kGiBps = static_cast<double>(kGiB);

GuardLook look_at(Bytes available, std::optional<double> fall = {}, Bytes line = gib(2)) {
  return {.available = available, .line = line, .fall_bytes_per_second = fall};
}

TEST(NextLook, WaitsAsLongAsTheFastestFillNeedsForTheHeadroom) {
  const GuardRhythm rhythm{.fill_bytes_per_second = 10 * kGiBps};
  const struct {
    Bytes available;
    nanoseconds wait;
  } cases[] = {
      {gib(200), 1s},             // far away: resting
      {gib(12), 1s},              // exactly one second of headroom
      {gib(7), 500ms},            // 5 GiB at 10 GiB/s
      {gib(3), 100ms},            //
      {gib(2) + mib(512), 50ms},  //
      {gib(2) + mib(1), 5ms},     // the floor
      {gib(2) + Bytes{1}, 5ms},   //
      {gib(2), 5ms},              // no headroom at all
      {gib(1), 100ms},            // below the line the distance to zero counts
      {Bytes{0}, 5ms},            //
  };
  for (const auto& [available, wait] : cases) {
    const auto got = next_look(look_at(available), rhythm);
    EXPECT_NEAR(static_cast<double>(got.count()), static_cast<double>(wait.count()), 1e3)
        << format_bytes(available);
  }
}

TEST(NextLook, AFasterFallThanAssumedShortensTheWait) {
  const GuardRhythm rhythm{.fill_bytes_per_second = 10 * kGiBps};
  EXPECT_EQ(next_look(look_at(gib(7), 20 * kGiBps), rhythm), 250ms);
  EXPECT_EQ(next_look(look_at(gib(7), 1 * kGiBps), rhythm), 500ms) << "a slower one does not";
  EXPECT_EQ(next_look(look_at(gib(7), -50 * kGiBps), rhythm), 500ms) << "nor does a rise";
  EXPECT_EQ(next_look(look_at(gib(7), 1e30), rhythm), 5ms);
  EXPECT_EQ(next_look(look_at(gib(7), HUGE_VAL), rhythm), 5ms);
}

TEST(NextLook, OnlyTheDistanceToTheLineCountsNeverAPercentage) {
  // 100 GiB of 512 left: 80.5 % used, just above the alert threshold, and a quiet second to wait.
  const GuardRhythm rhythm{.fill_bytes_per_second = plausible_fill_rate(8)};
  EXPECT_EQ(next_look(look_at(gib(100)), rhythm), 1s);
  EXPECT_EQ(next_look(look_at(gib(102)), rhythm), 1s);
}

TEST(NextLook, MoreHeadroomNeverMeansAShorterWait) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) {
    const Bytes line{random() % (8 * kGiB)};
    const GuardRhythm rhythm{.resting = std::chrono::milliseconds{1 + random() % 2000},
                             .floor = std::chrono::milliseconds{1 + random() % 20},
                             .fill_bytes_per_second = static_cast<double>(random() % (64 * kGiB))};
    const std::optional<double> fall =
        random() % 2 == 0 ? std::nullopt
                          : std::optional{static_cast<double>(random() % (64 * kGiB)) - 8 * kGiBps};
    const Bytes less = line + Bytes{random() % (32 * kGiB)};
    const Bytes more = less + Bytes{random() % (32 * kGiB)};
    const auto shorter = next_look(look_at(less, fall, line), rhythm);
    const auto longer = next_look(look_at(more, fall, line), rhythm);
    ASSERT_LE(shorter, longer) << less.count << " " << more.count << " line " << line.count;
    for (const auto wait : {shorter, longer, next_look(look_at(line - less, fall, line), rhythm)}) {
      ASSERT_GE(wait, std::min(rhythm.floor, rhythm.resting));
      ASSERT_LE(wait, rhythm.resting);
    }
  }
}

TEST(NextLook, ComesBeforeTheAssumedFillerReachesTheLine) {
  std::mt19937_64 random(12);
  for (int i = 0; i < 20'000; ++i) {
    const GuardRhythm rhythm{.fill_bytes_per_second = 12 * kGiBps};
    const Bytes available = gib(2) + Bytes{random() % (20 * kGiB)};
    const auto wait = next_look(look_at(available), rhythm);
    const double filled =
        rhythm.fill_bytes_per_second * std::chrono::duration<double>(wait).count();
    if (wait > rhythm.floor) {
      ASSERT_LE(filled, static_cast<double>((available - gib(2)).count) + 1);
    }
  }
}

TEST(NextLook, SurvivesAbsurdRhythms) {
  EXPECT_EQ(next_look(look_at(gib(4)), {.fill_bytes_per_second = 0}), 1s);
  EXPECT_EQ(next_look(look_at(gib(4)), {.fill_bytes_per_second = -1}), 1s);
  EXPECT_EQ(next_look(look_at(gib(2)), {.resting = 1ms, .floor = 5ms}), 1ms)
      << "a floor above the resting interval gives way";
  EXPECT_EQ(next_look(look_at(Bytes{std::numeric_limits<std::uint64_t>::max()}), {}), 1s);
}

TEST(AtBrakeLine, IsBelowTheLineStrictly) {
  EXPECT_FALSE(at_brake_line(look_at(gib(2)), {}));
  EXPECT_TRUE(at_brake_line(look_at(gib(2) - Bytes{1024}), {}));
  EXPECT_TRUE(at_brake_line(look_at(Bytes{0}), {}));
  EXPECT_FALSE(at_brake_line(look_at(Bytes{0}, {}, Bytes{0}), {})) << "no line, no brake";
}

TEST(AtBrakeLine, LooksAheadByTheMeasuredFall) {
  const GuardRhythm rhythm{.look_ahead = 10ms};
  const Bytes near = gib(2) + mib(50);
  EXPECT_FALSE(at_brake_line(look_at(near), rhythm));
  EXPECT_FALSE(at_brake_line(look_at(near, 4 * kGiBps), rhythm)) << "41 MiB in 10 ms";
  EXPECT_TRUE(at_brake_line(look_at(near, 6 * kGiBps), rhythm)) << "61 MiB in 10 ms";
  EXPECT_FALSE(at_brake_line(look_at(near, 6 * kGiBps), {.look_ahead = 0ms}));
}

TEST(AtBrakeLine, ARiseIsNoExcuse) {
  EXPECT_TRUE(at_brake_line(look_at(gib(2) - mib(1), -100 * kGiBps), {.look_ahead = 10ms}));
}

TEST(PlausibleFillRate, GrowsWithTheCoresBetweenItsBounds) {
  EXPECT_DOUBLE_EQ(plausible_fill_rate(0), 12 * kGiBps);
  EXPECT_DOUBLE_EQ(plausible_fill_rate(1), 12 * kGiBps);
  EXPECT_DOUBLE_EQ(plausible_fill_rate(2), 12 * kGiBps);
  EXPECT_DOUBLE_EQ(plausible_fill_rate(8), 48 * kGiBps);
  EXPECT_DOUBLE_EQ(plausible_fill_rate(64), 200 * kGiBps);
  EXPECT_DOUBLE_EQ(plausible_fill_rate(std::numeric_limits<unsigned>::max()), 200 * kGiBps);
}

TEST(LearnFillRate, OnlyEverRaisesTheRateAndNeverBeyondAnyMachine) {
  GuardRhythm rhythm{.fill_bytes_per_second = 12 * kGiBps};
  learn_fill_rate(rhythm, 5 * kGiBps);
  EXPECT_DOUBLE_EQ(rhythm.fill_bytes_per_second, 12 * kGiBps);
  learn_fill_rate(rhythm, -5 * kGiBps);
  EXPECT_DOUBLE_EQ(rhythm.fill_bytes_per_second, 12 * kGiBps);
  learn_fill_rate(rhythm, 30 * kGiBps);
  EXPECT_DOUBLE_EQ(rhythm.fill_bytes_per_second, 30 * kGiBps);
  // A container's limit lowered by 100 GiB between two looks is no memory access.
  learn_fill_rate(rhythm, 20'000 * kGiBps);
  EXPECT_DOUBLE_EQ(rhythm.fill_bytes_per_second, kFastestFill);
  EXPECT_GT(next_look(look_at(gib(60)), rhythm), 200ms) << "a roomy machine goes on resting";
}

}  // namespace
}  // namespace levee::control
