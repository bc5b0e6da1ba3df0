// Lines and parabolas through points. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "forecast/series.hpp"

namespace levee::forecast {

/// The Theil–Sen slope: the median of the slopes of all pairs of points (of at most 64 of them), so
/// that a quarter of wild readings turns nothing. Nothing when all points are of one instant.
[[nodiscard]] std::optional<double> median_slope(std::span<const Point> points);

/// y ≈ level + slope × x, for x = 0 at now.
struct Line {
  double level = 0;
  double slope = 0;
  double slope_error = 0;  ///< Standard error; what hangs together counts as less.
  double scatter = 0;      ///< Standard deviation of the points around the line.

  [[nodiscard]] double at(double x) const noexcept { return level + slope * x; }
};

/// The Theil–Sen line of `points` (at least two instants). `noise` is the least scatter to believe
/// in.
[[nodiscard]] std::optional<Line> robust_line(std::span<const Point> points, double noise);

/// The standard error of the slope of `line` through `points` that are worth as many independent
/// ones as `worth`.
[[nodiscard]] double slope_error(const Line& line, std::span<const Point> points, double worth);

/// y ≈ level + slope × x + bend × x².
struct Parabola {
  double level = 0;
  double slope = 0;
  double bend = 0;
  double bend_error = 0;
  double scatter = 0;
};

/// By least squares; nothing with fewer than six points.
[[nodiscard]] std::optional<Parabola> parabola(std::span<const Point> points, double noise);

/// The correlation of neighbours in `residuals`, within [0, 0.95].
[[nodiscard]] double persistence(std::span<const double> residuals);

}  // namespace levee::forecast
