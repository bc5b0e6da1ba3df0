#include "forecast/fit.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace levee::forecast {
namespace {

constexpr std::size_t kMostOfPairs = 64;
constexpr double kMostPersistence = 0.95;

/// How many independent values are worth as many as `count` that hang together.
double effective(std::size_t count, double persistence) {
  return std::max(3.0, static_cast<double>(count) * (1 - persistence) / (1 + persistence));
}

double spread_of_x(std::span<const Point> points) {
  double mean = 0;
  for (const Point& point : points) {
    mean += point.x / static_cast<double>(points.size());
  }
  double squares = 0;
  for (const Point& point : points) {
    squares += (point.x - mean) * (point.x - mean);
  }
  return squares;
}

double mean_square(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) {
    sum += value * value;
  }
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

}  // namespace

std::optional<double> median_slope(std::span<const Point> points) {
  const std::vector<Point> few = thinned(points, kMostOfPairs);
  std::vector<double> slopes;
  slopes.reserve(few.size() * few.size() / 2);
  for (std::size_t i = 0; i < few.size(); ++i) {
    for (std::size_t j = i + 1; j < few.size(); ++j) {
      const double slope = (few[j].y - few[i].y) / (few[j].x - few[i].x);
      if (std::isfinite(slope)) {
        slopes.push_back(slope);
      }
    }
  }
  return slopes.empty() ? std::nullopt : std::optional(median(slopes));
}

double persistence(std::span<const double> residuals) {
  double products = 0;
  double squares = 0;
  for (std::size_t i = 0; i < residuals.size(); ++i) {
    squares += residuals[i] * residuals[i];
    products += i > 0 ? residuals[i] * residuals[i - 1] : 0;
  }
  return squares > 0 ? std::clamp(products / squares, 0.0, kMostPersistence) : 0;
}

std::optional<Line> robust_line(std::span<const Point> points, double noise) {
  const auto slope = median_slope(points);
  if (!slope) {
    return std::nullopt;
  }
  std::vector<double> rests;
  rests.reserve(points.size());
  for (const Point& point : points) {
    rests.push_back(point.y - *slope * point.x);
  }
  std::vector<double> sorted = rests;
  Line line{.level = median(sorted), .slope = *slope, .slope_error = 0, .scatter = 0};
  for (double& rest : rests) {
    rest -= line.level;
  }
  line.scatter = std::max(std::sqrt(mean_square(rests)), noise);
  line.slope_error = slope_error(line, points, effective(points.size(), persistence(rests)));
  return line;
}

double slope_error(const Line& line, std::span<const Point> points, double worth) {
  const double inflation = static_cast<double>(points.size()) / std::max(worth, 1.0);
  return line.scatter * std::sqrt(std::max(inflation, 1.0) / spread_of_x(points));
}

std::optional<Parabola> parabola(std::span<const Point> points, double noise) {
  if (points.size() < 6) {
    return std::nullopt;
  }
  // In u = x / span the sums are of one size; three normal equations, solved by Cramer's rule.
  const double span = -points.front().x;
  if (!(span > 0)) {
    return std::nullopt;
  }
  std::array<double, 5> s{};
  std::array<double, 3> r{};
  for (const Point& point : points) {
    const double u = point.x / span;
    double power = 1;
    for (std::size_t k = 0; k < s.size(); ++k) {
      s.at(k) += power;
      if (k < r.size()) {
        r.at(k) += power * point.y;
      }
      power *= u;
    }
  }
  const double c0 = s[2] * s[4] - s[3] * s[3];
  const double c1 = s[1] * s[4] - s[2] * s[3];
  const double c2 = s[1] * s[3] - s[2] * s[2];
  const double determinant = s[0] * c0 - s[1] * c1 + s[2] * c2;
  if (!(std::abs(determinant) > 1e-9)) {
    return std::nullopt;
  }
  const double d1 = s[0] * s[4] - s[2] * s[2];
  const double d2 = s[0] * s[3] - s[1] * s[2];
  const double e2 = s[0] * s[2] - s[1] * s[1];
  const double level = (r[0] * c0 - r[1] * c1 + r[2] * c2) / determinant;
  const double slope = (-r[0] * c1 + r[1] * d1 - r[2] * d2) / determinant;
  const double bend = (r[0] * c2 - r[1] * d2 + r[2] * e2) / determinant;

  std::vector<double> rests;
  rests.reserve(points.size());
  for (const Point& point : points) {
    const double u = point.x / span;
    rests.push_back(point.y - (level + slope * u + bend * u * u));
  }
  const double scatter = std::max(std::sqrt(mean_square(rests)), noise);
  const double worth = effective(points.size(), persistence(rests));
  const double error =
      scatter * std::sqrt(e2 / determinant * static_cast<double>(points.size()) / worth);
  return Parabola{.level = level,
                  .slope = slope / span,
                  .bend = bend / (span * span),
                  .bend_error = error / (span * span),
                  .scatter = scatter};
}

}  // namespace levee::forecast
