// Course: what the newest part of a series does, told as a line or a curve that goes on. Pure;
// thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "forecast/series.hpp"
#include "levee/forecast.hpp"

namespace levee::forecast {

/// y ≈ level + slope × (e^(growth × x) − 1) / growth from now on; a line where growth is 0. The
/// slope doubles, or halves, in even times: memory that feeds on itself, or fills up what there is
/// to fill.
struct Course {
  Pattern pattern = Pattern::unknown;
  std::size_t first = 0;  ///< The point since which it goes on so.
  double level = 0;
  double slope = 0;
  double slope_error = 0;
  double growth = 0;
  double above = 0;  ///< How far peaks reach above the level; they are what fills the memory.
  double below = 0;
  std::optional<NoEstimate> why_none;  ///< There is no telling when it is full.

  /// The level `x` from now.
  [[nodiscard]] double level_at(double x) const;
  /// When the level is `height`; 0 when it is already. Nothing: never.
  [[nodiscard]] std::optional<double> reaches(double height) const;
};

/// The course of `points` (at least kForecastLeastSamples, calm). `noise` (> 0) is the least
/// scatter to believe in, `scale` what is large: the limit.
[[nodiscard]] Course course_of(std::span<const Point> points, double noise, double scale);

}  // namespace levee::forecast
