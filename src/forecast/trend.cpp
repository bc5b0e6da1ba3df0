#include "policy/trend.hpp"

#include <algorithm>
#include <vector>

namespace levee::policy {
namespace {

/// More pairs than this many points make would cost milliseconds and say nothing new.
constexpr std::size_t kMostPoints = 64;

/// At most kMostPoints readings, evenly spread, the newest among them.
std::vector<Reading> thinned(std::span<const Reading> readings) {
  const std::size_t step = (readings.size() + kMostPoints - 1) / kMostPoints;
  std::vector<Reading> points;
  for (std::size_t i = (readings.size() - 1) % step; i < readings.size(); i += step) {
    points.push_back(readings[i]);
  }
  return points;
}

/// Per second; nothing when all readings are of one instant.
std::optional<double> median_slope(std::span<const Reading> points) {
  std::vector<double> slopes;
  slopes.reserve(points.size() * points.size() / 2);
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = i + 1; j < points.size(); ++j) {
      const double span = Seconds(points[j].at - points[i].at).count();
      if (span > 0) {
        slopes.push_back((points[j].value - points[i].value) / span);
      }
    }
  }
  if (slopes.empty()) {
    return std::nullopt;
  }
  const auto middle = slopes.begin() + static_cast<std::ptrdiff_t>(slopes.size() / 2);
  std::ranges::nth_element(slopes, middle);
  return *middle;
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
      readings.size() >= kLeastSamples ? median_slope(thinned(readings)) : std::nullopt;
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

}  // namespace levee::policy
