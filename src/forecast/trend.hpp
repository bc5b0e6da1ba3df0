// Trend: where a series is going, robust against single wild readings (contract S1-33 … S1-36).
// Pure; thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "core/time.hpp"

namespace levee::forecast {

enum class Direction { rising, falling, stable, unknown };

[[nodiscard]] std::string_view to_string(Direction direction) noexcept;

struct Reading {
  MonoTime at;
  double value = 0;
};

struct Trend {
  Direction direction = Direction::unknown;
  std::optional<double> current;  ///< The newest value.
  std::optional<double> average;  ///< Mean over the window.
  std::optional<double> least;
  std::optional<double> most;
  std::optional<double> per_minute;  ///< The Theil–Sen slope: the median of all pairs' slopes.
  std::size_t samples = 0;
  Seconds covered{0};
};

/// A slope that brings less than this over the window is no trend but noise: sensors count whole
/// degrees.
inline constexpr double kNotableChange = 2.0;
inline constexpr std::size_t kLeastSamples = 5;

/// The trend of `readings` (oldest first). `unknown` with fewer than kLeastSamples.
[[nodiscard]] Trend trend_of(std::span<const Reading> readings);

}  // namespace levee::forecast
