#include "control/guard.hpp"

#include <algorithm>

namespace levee::control {
namespace {

double seconds(std::chrono::nanoseconds duration) noexcept {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

double plausible_fill_rate(unsigned cores) noexcept {
  constexpr double kPerCore = 6.0 * static_cast<double>(kGiB);
  constexpr double kLeast = 12.0 * static_cast<double>(kGiB);
  return std::clamp(kPerCore * cores, kLeast, kFastestFill);
}

void learn_fill_rate(GuardRhythm& rhythm, double fall_bytes_per_second) noexcept {
  rhythm.fill_bytes_per_second =
      std::max(rhythm.fill_bytes_per_second, std::min(fall_bytes_per_second, kFastestFill));
}

bool at_brake_line(const GuardLook& look, const GuardRhythm& rhythm) noexcept {
  const double fall = std::max(look.fall_bytes_per_second.value_or(0), 0.0);
  const double ahead =
      static_cast<double>(look.available.count) - fall * seconds(rhythm.look_ahead);
  return ahead < static_cast<double>(look.line.count);
}

std::chrono::nanoseconds next_look(const GuardLook& look, const GuardRhythm& rhythm) noexcept {
  const Bytes headroom = look.available >= look.line ? look.available - look.line : look.available;
  const double fill =
      std::max(rhythm.fill_bytes_per_second, look.fall_bytes_per_second.value_or(0));
  const double wait = static_cast<double>(headroom.count) / std::max(fill, 1.0);
  if (wait >= seconds(rhythm.resting)) {
    return rhythm.resting;
  }
  const auto interval =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(wait));
  return std::clamp(interval, std::min(rhythm.floor, rhythm.resting), rhythm.resting);
}

}  // namespace levee::control
