#include "forecast/series.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace levee::forecast {
namespace {

/// Median absolute deviation → standard deviation, for normal noise.
constexpr double kFromMedian = 1.4826;

/// How far `points[i]` lies off the line between its neighbours.
double off_line(std::span<const Point> points, std::size_t i) {
  const Point& before = points[i - 1];
  const Point& after = points[i + 1];
  const double share = (points[i].x - before.x) / (after.x - before.x);
  return points[i].y - (before.y + (after.y - before.y) * share);
}

}  // namespace

std::vector<Point> in_order(std::span<const MemoryPoint> points, double now, double window) {
  std::vector<Point> ready;
  ready.reserve(points.size());
  for (const MemoryPoint& point : points) {
    const double x = point.seconds - now;
    if (std::isfinite(x) && point.bytes >= 0 && point.bytes <= kMostBytes && x <= 0 &&
        x >= -window) {
      ready.push_back({x, point.bytes});
    }
  }
  if (!std::ranges::is_sorted(ready, {}, &Point::x)) {
    std::ranges::stable_sort(ready, {}, &Point::x);
  }
  std::size_t kept = 0;
  for (const Point& point : ready) {
    if (kept > 0 && ready[kept - 1].x == point.x) {
      --kept;
    }
    ready[kept++] = point;
  }
  ready.resize(kept);
  return ready;
}

std::vector<Point> thinned(std::span<const Point> points, std::size_t most) {
  if (points.size() <= most) {
    return {points.begin(), points.end()};
  }
  const double begin = points.front().x;
  const double width = (points.back().x - begin) / static_cast<double>(most);
  std::vector<Point> thin;
  std::vector<double> values;
  std::size_t first = 0;
  for (std::size_t bin = 0; bin < most && first < points.size(); ++bin) {
    const double end = begin + width * static_cast<double>(bin + 1);
    std::size_t last = first;
    double sum = 0;
    values.clear();
    while (last < points.size() && (points[last].x <= end || bin + 1 == most)) {
      sum += points[last].x;
      values.push_back(points[last].y);
      ++last;
    }
    if (last > first) {
      thin.push_back({sum / static_cast<double>(last - first), median(values)});
    }
    first = last;
  }
  return thin;
}

double noise_of(std::span<const Point> points) {
  if (points.size() < 3) {
    return 0;
  }
  std::vector<double> distances;
  distances.reserve(points.size());
  for (std::size_t i = 1; i + 1 < points.size(); ++i) {
    distances.push_back(std::abs(off_line(points, i)));
  }
  // The distance to the mean of two neighbours has 3/2 of the variance of one point.
  return kFromMedian * median(distances) * std::numbers::sqrt2 / std::numbers::sqrt3;
}

void calm_spikes(std::span<Point> points, double noise) {
  for (std::size_t i = 1; i + 1 < points.size(); ++i) {
    const double off = off_line(points, i);
    const bool neighbours_agree = std::abs(points[i + 1].y - points[i - 1].y) < std::abs(off) / 3;
    if (neighbours_agree && std::abs(off) > 6 * noise) {
      points[i].y -= off;
    }
  }
}

double median(std::span<double> values) {
  if (values.empty()) {
    return 0;
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace levee::forecast
