#include "control/throttle.hpp"

#include <algorithm>

namespace levee::control {
namespace {

constexpr bool throttles(Level level) noexcept {
  return level == Level::throttled || level == Level::critical;
}

}  // namespace

double multiplier_of(Level level) noexcept {
  switch (level) {
    case Level::optimal:
    case Level::unavailable:
      return 1.0;
    case Level::normal:
      return 0.8;
    case Level::throttled:
      return 0.5;
    case Level::critical:
      return 0.0;
  }
  return 1.0;
}

Advice step(Throttle& throttle, Level level, std::chrono::seconds cooldown, MonoTime now) {
  // A reading that was lost says nothing good: work goes on no faster than before, at most at half
  // speed (G2). Only a machine that never had a reading runs at full speed.
  const bool lost = level == Level::unavailable && throttle.multiplier.has_value();
  const bool is_throttled = throttles(level) || lost;
  if (throttle.is_throttled && !is_throttled) {
    throttle.left_throttled_at = now;
  }
  throttle.is_throttled = is_throttled;
  if (level != Level::unavailable) {
    throttle.multiplier = multiplier_of(level);
  }
  const bool cooling = throttle.left_throttled_at && now - *throttle.left_throttled_at < cooldown;
  const double multiplier = throttle.multiplier.value_or(1.0);
  return Advice{.level = level,
                .speed_multiplier = lost ? std::min(multiplier, 0.5) : multiplier,
                .is_throttled = is_throttled,
                .should_throttle = is_throttled || cooling};
}

Advice paused(Advice advice) noexcept {
  advice.speed_multiplier = 0;
  advice.should_throttle = true;
  return advice;
}

Advice capped_by_load(Advice advice, std::optional<double> load, std::optional<double> limit) {
  if (load && limit && *load > *limit) {
    advice.speed_multiplier = std::min(advice.speed_multiplier, multiplier_of(Level::throttled));
  }
  return advice;
}

}  // namespace levee::control
