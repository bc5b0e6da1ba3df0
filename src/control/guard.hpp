// The guard's rhythm: when to look at the host's memory again (architecture, "One tick").
//
// Only the brake line shortens the look. The next look must come before the fastest plausible
// filler can cover the distance to the line: interval = headroom / fill rate, from 5 ms to the
// resting interval. A measured fall that is faster than the assumed rate replaces it. Pure.
#pragma once

#include <chrono>
#include <optional>

#include "levee/bytes.hpp"

namespace levee::control {

struct GuardRhythm {
  std::chrono::nanoseconds resting = std::chrono::seconds{1};
  std::chrono::nanoseconds floor = std::chrono::milliseconds{5};
  /// How far ahead the measured fall rate is projected when the line is judged.
  std::chrono::nanoseconds look_ahead = std::chrono::milliseconds{10};
  double fill_bytes_per_second = 12.0 * static_cast<double>(kGiB);
};

/// No machine fills memory faster, bytes per second: the bandwidth of a two-socket server.
inline constexpr double kFastestFill = 200.0 * static_cast<double>(kGiB);

/// The fastest rate at which `cores` cores can plausibly fill memory, bytes per second: 6 GiB/s per
/// core, at least 12 GiB/s (one thread with huge pages reached 11 GiB/s on a 2-core machine), at
/// most kFastestFill.
[[nodiscard]] double plausible_fill_rate(unsigned cores) noexcept;

/// Raises the assumed fill rate of `rhythm` to a fall that was really seen. Never beyond
/// kFastestFill: a limit that somebody lowers takes gigabytes away in an instant, and nobody's
/// memory access does; learning that would make the guard look every few milliseconds for ever.
void learn_fill_rate(GuardRhythm& rhythm, double fall_bytes_per_second) noexcept;

/// One look of the guard.
struct GuardLook {
  Bytes available;
  Bytes line;                                   ///< The brake line.
  std::optional<double> fall_bytes_per_second;  ///< Since the previous look; ≤ 0 when rising.
};

/// True when available memory is below the line, or will be within the look-ahead.
[[nodiscard]] bool at_brake_line(const GuardLook& look, const GuardRhythm& rhythm) noexcept;

/// How long to wait before the next look. Below the line the distance that counts is the one to
/// zero: the machine is already in an emergency, and what matters is exhaustion.
[[nodiscard]] std::chrono::nanoseconds next_look(const GuardLook& look,
                                                 const GuardRhythm& rhythm) noexcept;

}  // namespace levee::control
