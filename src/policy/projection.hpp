// Projection: how full a memory will be if it goes on filling as it did (contract S0-52, G7).
//
// A straight line of the Theil–Sen slope, so that single wild readings turn nothing; it starts at
// the median of the newest readings, each carried on to now, so that a step is followed at the
// third reading after it. Pure; thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <span>

#include "core/time.hpp"
#include "policy/trend.hpp"

namespace levee::policy {

inline constexpr std::chrono::minutes kProjectionWindow{5};
/// A series whose newest reading is older says nothing of what comes.
inline constexpr std::chrono::seconds kProjectionStale{60};
/// What is more than an hour away cannot be told from five minutes.
inline constexpr std::chrono::hours kProjectionHorizon{1};

struct Projection {
  double percent = 0;     ///< 0 … 100.
  double per_minute = 0;  ///< The slope: percentage points per minute.
  /// Until 100 %, from now; absent: it does not fill, or not within kProjectionHorizon.
  std::optional<Seconds> full_in;
};

/// What `readings` (percent of a memory used, oldest first) come to `ahead` of `now`. Of them,
/// those of the last kProjectionWindow count. Nothing with fewer than kLeastSamples, with readings
/// of one instant or none that is recent, and where `ahead` is no span of time to come.
[[nodiscard]] std::optional<Projection> project_memory_usage(std::span<const Reading> readings,
                                                             MonoTime now, Seconds ahead);

}  // namespace levee::policy
