#include "levee/leak.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

namespace levee {
namespace {

constexpr double kMb = 1024.0 * 1024;
constexpr double kHour = 3600;

/// A sample every 10 s for `hours`; `megabytes(t)` says how much.
LeakDetector watched(double hours, const std::function<double(double)>& megabytes) {
  LeakDetector detector;
  for (double t = 0; t <= hours * kHour; t += 10) {
    detector.add({t, megabytes(t) * kMb});
  }
  return detector;
}

LeakReport report_of(double hours, const std::function<double(double)>& megabytes,
                     std::optional<Bytes> limit = std::nullopt) {
  return watched(hours, megabytes).verdict(hours * kHour, limit);
}

/// Noise that is the same at every run.
double noise(double t) { return 4 * std::sin(t * 12.9898) * std::cos(t * 78.233); }

TEST(LeakDetector, ASteadyLeakIsFoundWithItsRateAndTheTimeLeft) {
  const auto report =
      report_of(4, [](double t) { return 1000 + 200 * t / kHour + noise(t); }, gib(2));
  ASSERT_EQ(report.verdict, LeakVerdict::leaking);
  EXPECT_NEAR(report.bytes_per_hour->likely / kMb, 200, 10);
  EXPECT_LE(report.bytes_per_hour->low, report.bytes_per_hour->likely);
  EXPECT_GE(report.bytes_per_hour->high, report.bytes_per_hour->likely);
  ASSERT_TRUE(report.seconds_to_limit);
  EXPECT_NEAR(*report.seconds_to_limit, (2048 - 1800) / 200.0 * kHour, 0.1 * kHour);
  EXPECT_GT(report.evidence_seconds, kHour);
}

TEST(LeakDetector, GarbageCollectionAndLoadHideNoLeak) {
  const auto leaking = [](double t) {
    return 1000 + 100 * t / kHour + 300 * std::fmod(t, 300) / 300 + noise(t);
  };
  const auto report = report_of(8, leaking);
  ASSERT_EQ(report.verdict, LeakVerdict::leaking);
  EXPECT_NEAR(report.bytes_per_hour->likely / kMb, 100, 15);
}

TEST(LeakDetector, AccusesNobodyWhoDoesNotLeak) {
  struct Case {
    const char* name;
    std::function<double(double)> megabytes;
  };
  const std::vector<Case> healthy{
      {"flat", [](double) { return 1000; }},
      {"noise", [](double t) { return 1000 + noise(t); }},
      {"warming up", [](double t) { return 1000 + 500 * (1 - std::exp(-t / 1200)) + noise(t); }},
      {"saw-tooth", [](double t) { return 1000 + 400 * std::fmod(t, 600) / 600 + noise(t); }},
      {"a step", [](double t) { return (t < 9000 ? 1000 : 1500) + noise(t); }},
      {"two steps", [](double t) { return 1000 + 200 * std::floor(t / 7000) + noise(t); }},
      {"shrinking", [](double t) { return 2000 - 50 * t / kHour + noise(t); }},
  };
  for (const Case& each : healthy) {
    LeakDetector detector;
    for (double t = 0; t <= 5 * kHour; t += 10) {
      detector.add({t, each.megabytes(t) * kMb});
      if (std::fmod(t, 300) == 0) {
        EXPECT_NE(detector.verdict(t).verdict, LeakVerdict::leaking) << each.name << " at " << t;
      }
    }
  }
}

TEST(LeakDetector, SaysNothingBeforeItHasSeenEnough) {
  const auto leak = [](double t) { return 100 + 500 * t / kHour; };
  EXPECT_EQ(LeakDetector().verdict(0).verdict, LeakVerdict::unknown);
  EXPECT_EQ(report_of(0.5, leak).verdict, LeakVerdict::unknown) << "warming up";
  EXPECT_EQ(report_of(0.8, leak).verdict, LeakVerdict::unknown) << "too short";
  EXPECT_EQ(report_of(1.0, leak).verdict, LeakVerdict::leaking);
}

TEST(LeakDetector, SaysNothingOfAProcessThatIsNoLongerWatched) {
  const LeakDetector detector =
      watched(4, [](double t) { return 1000 + 200 * t / kHour + noise(t); });
  EXPECT_EQ(detector.verdict(100 * kHour).verdict, LeakVerdict::unknown);
  EXPECT_EQ(detector.verdict(100 * kHour).bytes_per_hour, std::nullopt);
}

TEST(LeakDetector, ALeakThatEndedIsForgotten) {
  const auto mended = [](double t) {
    return 1000 + 300 * std::min(t, 3 * kHour) / kHour + noise(t);
  };
  EXPECT_EQ(report_of(3, mended).verdict, LeakVerdict::leaking);
  EXPECT_EQ(report_of(8, mended).verdict, LeakVerdict::none);
}

TEST(LeakDetector, SamplesThatAreNoneAreLeftOut) {
  LeakDetector detector;
  LeakDetector plain;
  for (double t = 0; t <= 4 * kHour; t += 10) {
    const MemoryPoint point{t, (1000 + 200 * t / kHour + noise(t)) * kMb};
    plain.add(point);
    detector.add(point);
    detector.add({t - 5000, 0});
    detector.add({t, -1});
    detector.add({t, std::numeric_limits<double>::quiet_NaN()});
    detector.add({std::numeric_limits<double>::infinity(), 0});
  }
  const auto report = detector.verdict(4 * kHour);
  EXPECT_EQ(report.verdict, LeakVerdict::leaking);
  EXPECT_EQ(report.bytes_per_hour->likely, plain.verdict(4 * kHour).bytes_per_hour->likely);
}

TEST(LeakDetector, AHigherLimitIsNeverReachedSooner) {
  const LeakDetector detector =
      watched(4, [](double t) { return 1000 + 200 * t / kHour + noise(t); });
  double before = -1;
  for (const std::uint64_t limit : {0U, 1U, 2U, 8U, 1024U}) {
    const auto left = detector.verdict(4 * kHour, gib(limit)).seconds_to_limit;
    ASSERT_TRUE(left);
    EXPECT_TRUE(std::isfinite(*left));
    EXPECT_GE(*left, before);
    before = *left;
  }
}

TEST(LeakDetector, TheClocksOriginDoesNotMatter) {
  LeakDetector early;
  LeakDetector late;
  constexpr double kShift = 1048576;
  for (double t = 0; t <= 4 * kHour; t += 10) {
    const double bytes = (1000 + 150 * t / kHour + noise(t)) * kMb;
    early.add({t, bytes});
    late.add({t + kShift, bytes});
  }
  EXPECT_EQ(early.verdict(4 * kHour).bytes_per_hour->likely,
            late.verdict(4 * kHour + kShift).bytes_per_hour->likely);
}

TEST(LeakDetector, AVerdictIsNeverNanOrInfinite) {
  for (const double bytes : {0.0, 1.0, 1e300}) {
    LeakDetector detector;
    for (double t = 0; t < 3 * kHour; t += 10) {
      detector.add({t, bytes * (1 + t)});
    }
    const auto report = detector.verdict(3 * kHour, Bytes{});
    if (report.bytes_per_hour) {
      EXPECT_TRUE(std::isfinite(report.bytes_per_hour->likely));
      EXPECT_TRUE(std::isfinite(report.bytes_per_hour->low));
      EXPECT_TRUE(std::isfinite(report.bytes_per_hour->high));
      EXPECT_TRUE(std::isfinite(*report.seconds_to_limit));
    }
    EXPECT_EQ(detector.verdict(std::numeric_limits<double>::quiet_NaN()).verdict,
              LeakVerdict::unknown);
  }
}

}  // namespace
}  // namespace levee
