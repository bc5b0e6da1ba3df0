#include "forecast/regimes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace levee::forecast {
namespace {

constexpr std::size_t kLeastPiece = 3;
/// What a piece costs, in squares of noise, times the logarithm of the number of points: a line has
/// two figures, and the place of the cut is a third one; noise that hangs together needs more.
constexpr double kPrice = 6;

/// Sums that give the squared distances of any run of points to its line in constant time.
class RunningSums {
 public:
  RunningSums(std::span<const Point> points, double noise) : sums_(points.size() + 1) {
    const double span = std::max(points.back().x - points.front().x, 1e-300);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double x = (points[i].x - points.front().x) / span;
      const double y = (points[i].y - points.front().y) / noise;
      const Sums& s = sums_[i];
      sums_[i + 1] = {s.x + x, s.y + y, s.xx + x * x, s.xy + x * y, s.yy + y * y};
    }
  }

  /// Of points [first, last).
  [[nodiscard]] double squares(std::size_t first, std::size_t last) const {
    const auto n = static_cast<double>(last - first);
    const Sums& a = sums_[first];
    const Sums& b = sums_[last];
    const double x = b.x - a.x;
    const double y = b.y - a.y;
    const double xx = b.xx - a.xx - x * x / n;
    const double xy = b.xy - a.xy - x * y / n;
    const double yy = b.yy - a.yy - y * y / n;
    return std::max(0.0, yy - (xx > 0 ? xy * xy / xx : 0.0));
  }

 private:
  struct Sums {
    double x = 0;
    double y = 0;
    double xx = 0;
    double xy = 0;
    double yy = 0;
  };
  std::vector<Sums> sums_;
};

Piece piece_of(std::span<const Point> points, std::size_t first, std::size_t last) {
  const std::span<const Point> own = points.subspan(first, last - first);
  const auto n = static_cast<double>(own.size());
  double x = 0;
  double y = 0;
  for (const Point& point : own) {
    x += point.x / n;
    y += point.y / n;
  }
  double xx = 0;
  double xy = 0;
  for (const Point& point : own) {
    xx += (point.x - x) * (point.x - x);
    xy += (point.x - x) * (point.y - y);
  }
  const double slope = xx > 0 ? xy / xx : 0;
  return {.first = first,
          .last = last,
          .slope = slope,
          .begin = y + slope * (own.front().x - x),
          .end = y + slope * (own.back().x - x)};
}

}  // namespace

std::vector<Piece> pieces_of(std::span<const Point> points, double noise) {
  const std::size_t count = points.size();
  const RunningSums sums(points, noise);
  const double price = kPrice * std::log(static_cast<double>(count) + 1);
  std::vector<double> cost(count + 1, std::numeric_limits<double>::infinity());
  std::vector<std::size_t> cut(count + 1, 0);
  cost[0] = 0;
  for (std::size_t last = 1; last <= count; ++last) {
    const std::size_t least = last == count ? 1 : kLeastPiece;
    for (std::size_t first = 0; first + least <= last; ++first) {
      const double total = cost[first] + price + sums.squares(first, last);
      if (total < cost[last]) {
        cost[last] = total;
        cut[last] = first;
      }
    }
  }
  std::vector<Piece> pieces;
  for (std::size_t last = count; last > 0; last = cut[last]) {
    pieces.push_back(piece_of(points, cut[last], last));
  }
  std::ranges::reverse(pieces);
  return pieces;
}

std::vector<Swing> swings_of(std::span<const Point> points, double notable) {
  std::vector<Swing> swings;
  std::size_t low = 0;
  std::size_t high = 0;
  int direction = 0;  // Of the swing that is under way; 0: none is notable yet.
  std::size_t turn = 0;
  const auto close = [&](std::size_t end) {
    swings.push_back({turn, end, points[end].y - points[turn].y});
    turn = end;
  };
  for (std::size_t i = 1; i < points.size(); ++i) {
    low = points[i].y < points[low].y ? i : low;
    high = points[i].y > points[high].y ? i : high;
    if (direction >= 0 && points[high].y - points[i].y > notable) {
      if (direction == 0) {
        turn = high;
      } else {
        close(high);
      }
      direction = -1;
      low = i;
    } else if (direction <= 0 && points[i].y - points[low].y > notable) {
      if (direction == 0) {
        turn = low;
      } else {
        close(low);
      }
      direction = 1;
      high = i;
    }
  }
  if (direction != 0) {
    close(direction > 0 ? high : low);
  }
  return swings;
}

}  // namespace levee::forecast
