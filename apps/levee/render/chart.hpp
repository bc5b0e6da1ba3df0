// A small chart of one series over time: bars of block characters, or of '.', ':' and '#'. Pure.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/time.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// A value that holds from `at` for the chart's resolution; absent when it is not known.
struct ChartPoint {
  WallTime at;
  std::optional<double> value;
};

struct Chart {
  std::vector<ChartPoint> points;  ///< Oldest first.
  Seconds resolution{1};
  double top = 100;  ///< The value at the upper edge; more than 0.
  std::size_t rows = 8;
  std::function<std::string(double)> label;  ///< A value at the left axis.
  std::function<Color(double)> color;        ///< Of a bar.
};

/// The worst value of each column of `width`, from the first point to the end of the last; nothing
/// where none is known.
[[nodiscard]] std::vector<std::optional<double>> bars(const Chart& chart, std::size_t width);

/// The chart with its axes: `rows` lines and one of times. Empty without points.
[[nodiscard]] std::string render_chart(const Chart& chart, const Style& style);

/// The next 1, 2 or 5 × 10ⁿ (or 2ⁿ, for bytes) that is not below `value`; `least` for less.
[[nodiscard]] double round_up_decimal(double value, double least);
[[nodiscard]] double round_up_binary(double value, double least);

}  // namespace levee::cli
