// Regimes: a series cut into pieces that are each a line; and its swings up and down. Pure;
// thread-safe.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "forecast/series.hpp"

namespace levee::forecast {

/// Points [first, last) go along one line, y ≈ begin … end.
struct Piece {
  std::size_t first = 0;
  std::size_t last = 0;
  double slope = 0;
  double begin = 0;  ///< The line's value at the first point.
  double end = 0;    ///< And at the last one.

  [[nodiscard]] std::size_t size() const noexcept { return last - first; }
};

/// The cuts of `points` (at least one) with the least sum of squared distances and of a price for
/// each piece; `noise` (> 0) is the unit of both. Pieces have three points or more, but for the
/// newest.
[[nodiscard]] std::vector<Piece> pieces_of(std::span<const Point> points, double noise);

/// A turn of a series: points [from, to] go up or down by `change`.
struct Swing {
  std::size_t from = 0;
  std::size_t to = 0;
  double change = 0;
};

/// The swings of `points`, by turns of their y that are larger than `notable`.
[[nodiscard]] std::vector<Swing> swings_of(std::span<const Point> points, double notable);

}  // namespace levee::forecast
