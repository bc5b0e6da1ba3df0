// Forecast: what a memory's use comes to, and when the memory is full. Start with
// forecast_memory().
//
//   std::vector<levee::MemoryPoint> use = …;                       // {seconds, bytes}, any origin
//   const auto forecast = levee::forecast_memory(use, {.now = 300, .limit = levee::gib(24)});
//   if (forecast.full) { …forecast.full->in, ->soonest, ->latest… }
//   else { …to_string(*forecast.why_none)… }
//
// It is for series as machines make them: steps (a model is loaded), saw-teeth (a cache is cleared
// again and again), plateaus, stairs and noise. It says "no estimate", and why, rather than guess.
// docs/forecast.md says how good it is. Pure: no clock, no state; thread-safe; never throws but for
// want of memory. No figure in an answer is ever NaN or infinite.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "levee/bytes.hpp"

namespace levee {

/// How much was used at one instant.
struct MemoryPoint {
  double seconds = 0;  ///< Of any clock that runs evenly.
  double bytes = 0;    ///< 0 or more.
};

/// What the newest part of a series does.
enum class Pattern {
  unknown,       ///< Too little is known, or it changed a moment ago.
  flat,          ///< No growth that could be told from noise.
  rising,        ///< In a line, or in even stairs.
  accelerating,  ///< Faster and faster.
  slowing,       ///< Still rising, but less and less.
  falling,
  saw_tooth,  ///< Up and down, again and again.
};

/// Why there is no time to full.
enum class NoEstimate {
  too_few_samples,  ///< Fewer than kForecastLeastSamples in the window, or all of one instant.
  stale,            ///< The newest sample is older than a fifth of the window.
  no_limit,         ///< Nobody said what full means.
  just_changed,     ///< A step or a bend: a few samples from now there will be an answer.
  not_growing,      ///< Flat or falling.
  saw_tooth,        ///< It is cleared again and again, and its peaks do not rise.
  levels_off,       ///< It slows down so that it stays below the limit.
  too_far,          ///< Growth this slow, or this young, says nothing of what is so far away.
};

[[nodiscard]] std::string_view to_string(Pattern pattern) noexcept;
[[nodiscard]] std::string_view to_string(NoEstimate reason) noexcept;

inline constexpr std::size_t kForecastLeastSamples = 5;

struct ForecastQuestion {
  double now = 0;  ///< On the clock of the points; points of the future are left out.
  std::optional<Bytes> limit = std::nullopt;  ///< What "full" means.
  std::chrono::duration<double> ahead{60};    ///< projected is for then; 0 or more.
  /// Only points of the last `window` count. What is further away than twelve times that is
  /// too_far.
  std::chrono::duration<double> window{300};
};

/// Bytes, with the interval that holds the true value in about four of five cases.
struct Projected {
  double bytes = 0;
  double low = 0;
  double high = 0;
};

/// Seconds from now, with an interval of the same kind.
struct TimeToFull {
  double in = 0;
  double soonest = 0;
  std::optional<double> latest;  ///< Absent: it may as well never be full.
};

struct Forecast {
  Pattern pattern = Pattern::unknown;
  std::size_t samples = 0;                 ///< That count: usable ones within the window.
  double covered_seconds = 0;              ///< From the oldest to the newest of them.
  double regime_seconds = 0;               ///< How long it has gone on as it does now.
  std::optional<double> level;             ///< Bytes used now, without noise.
  std::optional<double> bytes_per_second;  ///< 0 where there is no growth that can be told.
  std::optional<Projected> projected;      ///< `ahead` from now, within 0 … limit.
  std::optional<TimeToFull> full;
  std::optional<NoEstimate> why_none;  ///< Set exactly where `full` is not.
};

/// What `points` come to. They may be in any order; where several are of one instant the last one
/// counts; those that are no number, negative, or of the future do not.
[[nodiscard]] Forecast forecast_memory(std::span<const MemoryPoint> points,
                                       const ForecastQuestion& question);

/// How full a memory of `total` will be `ahead` of `now`, in percent, 0 … 100: the robust trend of
/// the last five minutes. Nothing where no projection can be made.
[[nodiscard]] std::optional<double> project_memory_usage(
    std::span<const MemoryPoint> points, Bytes total, double now,
    std::chrono::duration<double> ahead = std::chrono::seconds(60));

}  // namespace levee
