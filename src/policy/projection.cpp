#include "policy/projection.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <vector>

namespace levee::policy {
namespace {

constexpr double kFull = 100;

/// The median of the newest kLeastSamples, each carried on to `now`.
double level_at(MonoTime now, std::span<const Reading> readings, double per_second) {
  std::array<double, kLeastSamples> levels{};
  std::ranges::transform(readings.last(kLeastSamples), levels.begin(), [&](const Reading& reading) {
    return reading.value + per_second * Seconds(now - reading.at).count();
  });
  std::ranges::sort(levels);
  return levels[kLeastSamples / 2];
}

std::optional<Seconds> full_in(double level, double per_second) {
  if (level >= kFull) {
    return Seconds{0};
  }
  if (per_second <= 0) {
    return std::nullopt;
  }
  const Seconds left{(kFull - level) / per_second};
  return left <= Seconds(kProjectionHorizon) ? std::optional(left) : std::nullopt;
}

}  // namespace

std::optional<Projection> project_memory_usage(std::span<const Reading> readings, MonoTime now,
                                               Seconds ahead) {
  std::vector<Reading> recent;
  std::ranges::copy_if(readings, std::back_inserter(recent), [&](const Reading& reading) {
    return reading.at <= now && now - reading.at <= kProjectionWindow &&
           std::isfinite(reading.value);
  });
  const bool is_span = std::isfinite(ahead.count()) && ahead.count() >= 0;
  if (!is_span || recent.size() < kLeastSamples || now - recent.back().at > kProjectionStale) {
    return std::nullopt;
  }
  const auto per_minute = trend_of(recent).per_minute;
  if (!per_minute) {
    return std::nullopt;
  }
  const double per_second = *per_minute / 60;
  const double level = level_at(now, recent, per_second);
  return Projection{.percent = std::clamp(level + per_second * ahead.count(), 0.0, kFull),
                    .per_minute = *per_minute,
                    .full_in = full_in(level, per_second)};
}

}  // namespace levee::policy
