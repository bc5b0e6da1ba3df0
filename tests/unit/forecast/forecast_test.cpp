#include "levee/forecast.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

namespace levee {
namespace {

constexpr double kGib = 1024.0 * 1024 * 1024;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
const Bytes kLimit = gib(24);

/// One sample a second; `gigabytes(t)` says how much.
std::vector<MemoryPoint> series(int count, const std::function<double(double)>& gigabytes) {
  std::vector<MemoryPoint> points;
  for (int t = 0; t < count; ++t) {
    points.push_back({static_cast<double>(t), gigabytes(t) * kGib});
  }
  return points;
}

Forecast ask(const std::vector<MemoryPoint>& points, std::optional<Bytes> limit = kLimit) {
  return forecast_memory(points,
                         {.now = points.empty() ? 0 : points.back().seconds, .limit = limit});
}

TEST(Forecast, ASteadyRiseIsFullWhenTheLineSaysSo) {
  const Forecast found = ask(series(120, [](double t) { return 4 + t / 60; }));  // 1 GB a minute.
  EXPECT_EQ(found.pattern, Pattern::rising);
  ASSERT_TRUE(found.full);
  EXPECT_NEAR(found.full->in, (20 - 119 / 60.0) * 60, 2);
  EXPECT_LE(found.full->soonest, found.full->in);
  ASSERT_TRUE(found.full->latest);
  EXPECT_GE(*found.full->latest, found.full->in);
  EXPECT_EQ(found.why_none, std::nullopt);
  ASSERT_TRUE(found.projected);
  EXPECT_NEAR(found.projected->bytes, (4 + 179 / 60.0) * kGib, 0.01 * kGib);
}

TEST(Forecast, WhatDoesNotGrowIsNeverFull) {
  const Forecast flat = ask(series(120, [](double) { return 23.0; }));
  EXPECT_EQ(flat.pattern, Pattern::flat);
  EXPECT_EQ(flat.why_none, NoEstimate::not_growing);
  EXPECT_EQ(flat.bytes_per_second, 0);
  EXPECT_NEAR(flat.projected->bytes, 23 * kGib, 1);
  const Forecast falling = ask(series(120, [](double t) { return 20 - t / 20; }));
  EXPECT_EQ(falling.pattern, Pattern::falling);
  EXPECT_EQ(falling.why_none, NoEstimate::not_growing);
}

TEST(Forecast, AModelLoadIsAStepAndNoTrend) {
  const auto load = [](double t) { return t < 150 ? 2.0 : 16.0; };
  EXPECT_EQ(ask(series(152, load)).why_none, NoEstimate::just_changed);
  const Forecast later = ask(series(200, load));
  EXPECT_EQ(later.pattern, Pattern::flat);
  EXPECT_EQ(later.why_none, NoEstimate::not_growing);
  EXPECT_NEAR(later.regime_seconds, 49, 3) << "since the step";
}

TEST(Forecast, ACacheThatIsClearedIsASawTooth) {
  const auto tooth = [](double t) { return 4 + 12 * std::fmod(t, 50) / 50; };
  for (int count = 120; count < 300; count += 7) {
    const Forecast found = ask(series(count, tooth));
    EXPECT_EQ(found.full, std::nullopt) << count;
    EXPECT_EQ(found.why_none, NoEstimate::saw_tooth) << count;
  }
}

TEST(Forecast, ASawWhosePeaksRiseFillsTheMemoryAtAPeak) {
  const auto rising = [](double t) { return 4 + t / 60 + 4 * std::fmod(t, 20) / 20; };
  const Forecast found = ask(series(300, rising));
  EXPECT_EQ(found.pattern, Pattern::saw_tooth);
  ASSERT_TRUE(found.full);
  const double true_seconds = (24 - 8) * 60 - 299;
  EXPECT_NEAR(found.full->in, true_seconds, 0.15 * true_seconds);
}

TEST(Forecast, ARiseThatLevelsOffIsNotFull) {
  const Forecast found =
      ask(series(200, [](double t) { return 4 + 12 * (1 - std::exp(-t / 80)); }));
  EXPECT_EQ(found.full, std::nullopt);
  EXPECT_EQ(found.pattern, Pattern::slowing);
  EXPECT_EQ(found.why_none, NoEstimate::levels_off);
}

TEST(Forecast, GrowthThatFeedsOnItselfIsSoonerThanALine) {
  const auto doubling = [](double t) { return 2 * std::exp2(t / 100); };  // 24 GB after 358 s.
  const Forecast found = ask(series(250, doubling));
  EXPECT_EQ(found.pattern, Pattern::accelerating);
  ASSERT_TRUE(found.full);
  const double along_the_last_slope = (24 - doubling(249)) / (doubling(249) * std::log(2) / 100);
  EXPECT_LT(found.full->in, along_the_last_slope);
  EXPECT_NEAR(found.full->in, 358.5 - 249, 45);
}

TEST(Forecast, StairsAreARise) {
  const auto stairs = [](double t) { return 4 + 0.5 * std::floor(t / 20); };
  const Forecast found = ask(series(290, stairs));
  EXPECT_EQ(found.pattern, Pattern::rising);
  ASSERT_TRUE(found.full);
  EXPECT_NEAR(found.full->in, 800 - 289, 80);
}

TEST(Forecast, AfterARecoveryOnlyWhatCameSinceCounts) {
  const auto recovered = [](double t) { return t < 150 ? 4 + t / 10 : 5.0; };
  const Forecast found = ask(series(200, recovered));
  EXPECT_EQ(found.full, std::nullopt);
  EXPECT_NEAR(found.projected->bytes, 5 * kGib, 0.1 * kGib);
}

TEST(Forecast, SingleWildReadingsTurnNothing) {
  auto points = series(120, [](double t) { return 4 + t / 60; });
  const double expected = ask(points).full->in;
  points[60].bytes = 0;
  points[90].bytes = 23 * kGib;
  ASSERT_TRUE(ask(points).full);
  EXPECT_NEAR(ask(points).full->in, expected, 0.03 * expected);
}

TEST(Forecast, ASeriesThatIsTooShortOrOverSaysNothing) {
  EXPECT_EQ(ask({}).why_none, NoEstimate::too_few_samples);
  EXPECT_EQ(ask(series(4, [](double t) { return t; })).why_none, NoEstimate::too_few_samples);
  const std::vector<MemoryPoint> instant(10, {5, kGib});
  EXPECT_EQ(ask(instant).why_none, NoEstimate::too_few_samples);
  const auto points = series(120, [](double t) { return 4 + t / 60; });
  const auto later = [&](double now) {
    return forecast_memory(points, {.now = now, .limit = kLimit});
  };
  EXPECT_TRUE(later(119 + 60).full);
  EXPECT_EQ(later(119 + 61).why_none, NoEstimate::stale);
  EXPECT_EQ(later(119 + 400).why_none, NoEstimate::too_few_samples) << "none is in the window";
  EXPECT_EQ(later(119 + 61).projected, std::nullopt);
}

TEST(Forecast, WithoutALimitThereIsAProjectionAndNoTimeToFull) {
  const Forecast found = ask(series(120, [](double t) { return 4 + t / 60; }), std::nullopt);
  EXPECT_EQ(found.why_none, NoEstimate::no_limit);
  EXPECT_TRUE(found.projected);
}

TEST(Forecast, SlowAndYoungGrowthSaysNothingOfWhatIsFarAway) {
  EXPECT_EQ(ask(series(300, [](double t) { return 4 + t / 3600; })).why_none, NoEstimate::too_far);
  EXPECT_EQ(ask(series(20, [](double t) { return 4 + t / 60; })).why_none, NoEstimate::too_far);
}

TEST(Forecast, WhatIsFullIsFullNow) {
  const Forecast found = ask(series(120, [](double t) { return 20 + t / 20; }));
  ASSERT_TRUE(found.full);
  EXPECT_EQ(found.full->in, 0);
}

// --- what holds for every series

/// Series of many kinds, with noise.
std::vector<std::vector<MemoryPoint>> many_series() {
  std::mt19937 random(42);
  std::uniform_real_distribution<double> any(0, 1);
  std::vector<std::vector<MemoryPoint>> all;
  for (int i = 0; i < 150; ++i) {
    const double base = 20 * any(random);
    const double rate = 0.05 * (any(random) - 0.3);
    const double size = i % 3 == 0 ? 8 * any(random) : 0;
    const double period = 10 + 90 * any(random);
    const double step = i % 4 == 0 ? 6 * any(random) : 0;
    const double noise = 0.2 * any(random) * static_cast<double>(i % 2);
    all.push_back(series(30 + i * 2, [&](double t) {
      return std::max(0.0, base + rate * t + size * std::fmod(t, period) / period +
                               (t > 60 ? step : 0) + noise * (any(random) - 0.5));
    }));
  }
  return all;
}

void expect_same(const Forecast& a, const Forecast& b, double scale, std::size_t i) {
  EXPECT_EQ(a.pattern, b.pattern) << i;
  EXPECT_EQ(a.why_none, b.why_none) << i;
  ASSERT_EQ(a.full.has_value(), b.full.has_value()) << i;
  if (a.full) {
    EXPECT_NEAR(a.full->in * scale, b.full->in, 1e-6 * scale * (1 + a.full->in)) << i;
    EXPECT_EQ(a.full->latest.has_value(), b.full->latest.has_value()) << i;
  }
}

TEST(ForecastProperties, ShiftOfTimeChangesNothing) {
  const auto all = many_series();
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto shifted = all[i];
    for (MemoryPoint& point : shifted) {
      point.seconds += 4096;  // Exact in binary, as are whole seconds.
    }
    expect_same(ask(all[i]), ask(shifted), 1, i);
  }
}

TEST(ForecastProperties, ScaleOfTimeScalesTheAnswer) {
  const auto all = many_series();
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto slow = all[i];
    for (MemoryPoint& point : slow) {
      point.seconds *= 8;
    }
    const Forecast scaled =
        forecast_memory(slow, {.now = slow.back().seconds,
                               .limit = kLimit,
                               .window = std::chrono::duration<double>(8 * 300)});
    expect_same(ask(all[i]), scaled, 8, i);
  }
}

TEST(ForecastProperties, OrderDoesNotMatter) {
  std::mt19937 random(7);
  const auto all = many_series();
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto mixed = all[i];
    std::shuffle(mixed.begin(), mixed.end(), random);
    const Forecast found = forecast_memory(mixed, {.now = all[i].back().seconds, .limit = kLimit});
    expect_same(ask(all[i]), found, 1, i);
  }
}

TEST(ForecastProperties, OfOneInstantTheLastCounts) {
  for (const auto& points : many_series()) {
    std::vector<MemoryPoint> doubled;
    for (const MemoryPoint& point : points) {
      doubled.push_back({point.seconds, 0});
      doubled.push_back(point);
    }
    expect_same(ask(points), ask(doubled), 1, points.size());
  }
}

TEST(ForecastProperties, AHigherLimitIsNeverFullSooner) {
  std::size_t pairs = 0;
  for (const auto& points : many_series()) {
    std::optional<double> before;
    for (const std::uint64_t limit : {22U, 23U, 24U, 26U, 30U, 40U}) {
      const Forecast found = ask(points, gib(limit));
      if (found.full && before) {
        EXPECT_GE(found.full->in, *before * (1 - 1e-9)) << limit << " " << points.size();
        ++pairs;
      }
      before = found.full ? std::optional(found.full->in) : before;
    }
  }
  EXPECT_GT(pairs, 30U) << "else nothing was compared";
}

TEST(ForecastProperties, NoFigureIsEverNanOrInfinite) {
  auto all = many_series();
  std::mt19937 random(3);
  const std::vector<double> wild{kNan, kInfinity, -kInfinity, -1, 0, 1e308, 1e-308, 1e19};
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (int k = 0; k < 8; ++k) {
      MemoryPoint& victim = all[i][random() % all[i].size()];
      (k % 2 == 0 ? victim.bytes : victim.seconds) = wild[random() % wild.size()];
    }
    for (const double now : {0.0, 100.0, 1e308, kNan, kInfinity, -1e308}) {
      for (const double ahead : {0.0, 60.0, 1e308, kInfinity, kNan, -5.0}) {
        const Forecast found =
            forecast_memory(all[i], {.now = now,
                                     .limit = i % 2 == 0 ? std::optional(kLimit) : std::nullopt,
                                     .ahead = std::chrono::duration<double>(ahead)});
        EXPECT_EQ(found.full.has_value(), !found.why_none.has_value());
        const auto finite = [&](std::optional<double> value) {
          EXPECT_TRUE(!value || std::isfinite(*value)) << i << " " << now << " " << ahead;
        };
        finite(found.level);
        finite(found.bytes_per_second);
        finite(found.covered_seconds);
        finite(found.regime_seconds);
        if (found.projected) {
          finite(found.projected->bytes);
          finite(found.projected->low);
          finite(found.projected->high);
        }
        if (found.full) {
          finite(found.full->in);
          finite(found.full->soonest);
          finite(found.full->latest);
        }
      }
    }
  }
}

TEST(ForecastProperties, TheIntervalHoldsTheEstimate) {
  for (const auto& points : many_series()) {
    const Forecast found = ask(points);
    if (found.full) {
      EXPECT_LE(found.full->soonest, found.full->in);
      EXPECT_GE(found.full->latest.value_or(found.full->in), found.full->in);
    }
    if (found.projected) {
      EXPECT_LE(found.projected->low, found.projected->bytes);
      EXPECT_GE(found.projected->high, found.projected->bytes);
    }
  }
}

TEST(ForecastProperties, AHundredThousandSamplesAreFast) {
  const auto points = series(100'000, [](double t) { return 4 + t / 10'000; });
  const auto begin = std::chrono::steady_clock::now();
  const Forecast found = forecast_memory(
      points, {.now = 99'999, .limit = kLimit, .window = std::chrono::duration<double>(1e5)});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(found.samples, 100'000U);
  ASSERT_TRUE(found.full);
  EXPECT_NEAR(found.full->in, 100'000, 2'000);
}

// --- project_memory_usage

TEST(ProjectMemoryUsage, IsThePercentageAMinuteAhead) {
  const auto points = series(120, [](double t) { return 6 + t / 60; });
  const auto percent = project_memory_usage(points, kLimit, 119);
  ASSERT_TRUE(percent);
  EXPECT_NEAR(*percent, 100 * (6 + 179 / 60.0) / 24, 0.1);
  EXPECT_NEAR(*project_memory_usage(points, kLimit, 119, std::chrono::seconds(0)),
              100 * (6 + 119 / 60.0) / 24, 0.1);
}

TEST(ProjectMemoryUsage, StaysBetweenEmptyAndFull) {
  EXPECT_EQ(project_memory_usage(series(120, [](double t) { return 12 + t / 10; }), kLimit, 119,
                                 std::chrono::hours(1)),
            100);
  EXPECT_EQ(project_memory_usage(series(120, [](double t) { return 23 - t / 10; }), kLimit, 119,
                                 std::chrono::hours(1)),
            0);
}

TEST(ProjectMemoryUsage, IsUnknownWhereNothingCanBeProjected) {
  const auto points = series(120, [](double) { return 6; });
  EXPECT_EQ(project_memory_usage({}, kLimit, 0), std::nullopt);
  EXPECT_EQ(project_memory_usage(series(4, [](double) { return 6; }), kLimit, 3), std::nullopt);
  EXPECT_EQ(project_memory_usage(points, Bytes{}, 119), std::nullopt);
  EXPECT_EQ(project_memory_usage(points, kLimit, 500), std::nullopt);
  for (const double ahead : {-1.0, kNan, kInfinity}) {
    EXPECT_EQ(project_memory_usage(points, kLimit, 119, std::chrono::duration<double>(ahead)),
              std::nullopt)
        << ahead;
  }
}

TEST(ProjectMemoryUsage, LooksAtTheLastFiveMinutesOnly) {
  const auto points = series(1000, [](double t) { return t < 690 ? t / 40 : 5.0; });
  EXPECT_NEAR(*project_memory_usage(points, kLimit, 999), 100 * 5.0 / 24, 0.01);
}

}  // namespace
}  // namespace levee
