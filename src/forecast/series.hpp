// A series made ready for estimates: in order, finite, without single wild readings, and short.
// Pure; thread-safe.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "levee/forecast.hpp"

namespace levee::forecast {

/// 2^64: more than there is anywhere; what claims more is no reading.
inline constexpr double kMostBytes = 18446744073709551616.0;

/// More points than this cost time and say nothing new of a trend.
inline constexpr std::size_t kMostPoints = 120;

/// One point of a series that is ready; `x` in seconds from now (≤ 0), `y` in bytes.
struct Point {
  double x = 0;
  double y = 0;
};

/// The points within [now − window, now], oldest first. Where several are of one instant the last
/// one counts; those that are no number or negative do not.
[[nodiscard]] std::vector<Point> in_order(std::span<const MemoryPoint> points, double now,
                                          double window);

/// At most `most` points: medians of as many even spans of time.
[[nodiscard]] std::vector<Point> thinned(std::span<const Point> points, std::size_t most);

/// The standard deviation of what changes from point to point, as if it were white noise: from the
/// distances of points to the line between their neighbours, by their median.
[[nodiscard]] double noise_of(std::span<const Point> points);

/// Puts single points that stick out of their neighbours by more than six times `noise` back
/// between them.
void calm_spikes(std::span<Point> points, double noise);

/// The median of `values`, which it reorders; 0 of none.
[[nodiscard]] double median(std::span<double> values);

}  // namespace levee::forecast
