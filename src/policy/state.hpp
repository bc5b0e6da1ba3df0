// State and health: what a reading means (contract G2, G4). Pure; thread-safe.
#pragma once

#include <optional>
#include <span>

#include "core/alert.hpp"
#include "core/snapshot.hpp"
#include "levee/level.hpp"
#include "policy/thresholds.hpp"

namespace levee::policy {

/// The state for `percent` of memory used: optimal < 70 ≤ normal < 85 ≤ throttled ≤ 95 < critical.
/// `previous` matters only with a hysteresis, which delays the way down. Unknown → unavailable.
[[nodiscard]] Level memory_level(std::optional<double> percent, Level previous,
                                 const Thresholds& thresholds);

/// The host reading of `snapshot` if it is fresh enough to judge by, else nothing.
[[nodiscard]] const HostReading* fresh_host(const Snapshot& snapshot, const Thresholds& thresholds);

/// The window in which past alerts still count for health and for the report (F-27).
inline constexpr std::chrono::minutes kAlertWindow{5};

/// The machine in one word: critical when the state is critical or a critical or emergency alert
/// was active in the last 5 minutes, moderate for a warning, unknown without a usable reading.
/// `alerts` are active and past ones in any order.
[[nodiscard]] Health health(Level level, std::span<const Alert> alerts, MonoTime now);

/// True if `alert` is active, or was so less than kAlertWindow before `now`.
[[nodiscard]] bool counts_as_recent(const Alert& alert, MonoTime now);

}  // namespace levee::policy
