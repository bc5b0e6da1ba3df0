// Throttle: how fast work should run, from the state and a cooldown (contract G2, F-05). Pure.
#pragma once

#include <chrono>
#include <optional>

#include "core/time.hpp"
#include "levee/level.hpp"

namespace levee::control {

/// What a job is told.
struct Advice {
  Level level = Level::unavailable;
  double speed_multiplier = 1.0;  ///< 1.0, 0.8, 0.5 or 0.0.
  bool is_throttled = false;      ///< The state itself is throttled or critical.
  bool should_throttle = false;   ///< is_throttled, or within the cooldown after it.
};

/// The machine's memory between two steps.
struct Throttle {
  std::optional<double> multiplier;  ///< The last known one; absent before the first reading.
  bool is_throttled = false;
  std::optional<MonoTime> left_throttled_at;
};

/// `advice` for work that should stand still.
[[nodiscard]] Advice paused(Advice advice) noexcept;

/// Moves `throttle` to `level` and says what work should do now.
[[nodiscard]] Advice step(Throttle& throttle, Level level, std::chrono::seconds cooldown,
                          MonoTime now);

/// `advice` with the multiplier held down to half speed while `load` is above `limit` percent; both
/// may be unknown, and then nothing changes (contract F-35).
[[nodiscard]] Advice capped_by_load(Advice advice, std::optional<double> load,
                                    std::optional<double> limit);

/// The documented multiplier of a state (contract G2): 1.0, 0.8, 0.5, 0.0; 1.0 for unavailable.
[[nodiscard]] double multiplier_of(Level level) noexcept;

}  // namespace levee::control
