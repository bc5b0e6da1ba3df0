#include "forecast/trend.hpp"

#include <algorithm>
#include <vector>

#include "forecast/fit.hpp"

namespace levee::forecast {
namespace {

/// Per second; nothing when all readings are of one instant.
std::optional<double> slope_of(std::span<const Reading> readings) {
  std::vector<Point> points;
  points.reserve(readings.size());
  for (const Reading& reading : readings) {
    points.push_back({Seconds(reading.at - readings.back().at).count(), reading.value});
  }
  return median_slope(points);
}

}  // namespace

std::string_view to_string(Direction direction) noexcept {
  switch (direction) {
    case Direction::rising:
      return "rising";
    case Direction::falling:
      return "falling";
    case Direction::stable:
      return "stable";
    case Direction::unknown:
      return "unknown";
  }
  return "unknown";
}

Trend trend_of(std::span<const Reading> readings) {
  Trend trend;
  trend.samples = readings.size();
  if (readings.empty()) {
    return trend;
  }
  trend.covered = readings.back().at - readings.front().at;
  trend.current = readings.back().value;
  const auto [least, most] = std::ranges::minmax(readings, {}, &Reading::value);
  trend.least = least.value;
  trend.most = most.value;
  double sum = 0;
  for (const Reading& reading : readings) {
    sum += reading.value;
  }
  trend.average = sum / static_cast<double>(readings.size());
  const std::optional<double> slope =
      readings.size() >= kLeastSamples ? slope_of(readings) : std::nullopt;
  if (!slope) {
    return trend;
  }
  trend.per_minute = *slope * 60;
  const double change = *slope * trend.covered.count();
  trend.direction = change >= kNotableChange    ? Direction::rising
                    : change <= -kNotableChange ? Direction::falling
                                                : Direction::stable;
  return trend;
}

}  // namespace levee::forecast
