#include "forecast/course.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "forecast/fit.hpp"
#include "forecast/regimes.hpp"

namespace levee::forecast {
namespace {

/// Growth below so many of its standard errors, or of the noise, is none.
constexpr double kSignificant = 3;
constexpr double kNotableRise = 5;
/// A slope that changes by less than this share of itself is one slope.
constexpr double kNotableBend = 0.3;
/// A curve that points lie further from, in noise and in shares of the rise, is none.
constexpr double kGoodFit = 2;
constexpr double kGoodFitOfRise = 0.01;
/// Turns of less than this share of the range, or so many times the noise, are no swings.
constexpr double kNotableSwing = 0.25;
constexpr double kSwingOverNoise = 6;
/// Nor of less than this share of the limit: such swings fill nothing.
constexpr double kLeastSwing = 0.02;
/// e to more than this is more memory than there is; to less, it is no curve.
constexpr double kMostExponent = 50;
constexpr double kNoExponent = 1e-9;
/// Jobs that load one after the other make a few steps, too.
constexpr std::size_t kLeastSteps = 4;
/// A peak this much of a usual fall above all before is no tooth of the same saw.
constexpr double kBreakOut = 0.3;

struct Swings {
  std::vector<Swing> all;
  double usual_fall = 0;
  std::size_t falls = 0;
};

Swings look_for_swings(std::span<const Point> points, double noise, double scale) {
  const auto [least, most] = std::ranges::minmax(points, {}, &Point::y);
  const double notable =
      std::max({kSwingOverNoise * noise, kNotableSwing * (most.y - least.y), kLeastSwing * scale});
  Swings swings{.all = swings_of(points, notable), .usual_fall = 0, .falls = 0};
  std::vector<double> falls;
  for (const Swing& swing : swings.all) {
    if (swing.change < 0) {
      falls.push_back(-swing.change);
    }
  }
  swings.falls = falls.size();
  swings.usual_fall = median(falls);
  return swings;
}

bool is_significant(const Line& line, std::span<const Point> points, double noise) {
  const double rise = std::abs(line.slope) * (points.back().x - points.front().x);
  return std::abs(line.slope) > kSignificant * line.slope_error && rise > kNotableRise * noise;
}

Course flat_at(std::span<const Point> points, std::size_t first) {
  std::vector<double> values;
  for (const Point& point : points.subspan(first)) {
    values.push_back(point.y);
  }
  std::ranges::sort(values);
  const auto quantile = [&](double share) {
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
  };
  const double level = quantile(0.5);
  return {.pattern = Pattern::flat,
          .first = first,
          .level = level,
          .above = quantile(0.95) - level,
          .below = level - quantile(0.05),
          .why_none = NoEstimate::not_growing};
}

/// Points from `first` on, along one line.
Course straight(std::span<const Point> points, std::size_t first, double noise) {
  const std::span<const Point> own = points.subspan(first);
  const auto line = robust_line(own, noise);
  if (!line || !is_significant(*line, own, noise)) {
    return flat_at(points, first);
  }
  return {.pattern = line->slope > 0 ? Pattern::rising : Pattern::falling,
          .first = first,
          .level = line->level,
          .slope = line->slope,
          .slope_error = line->slope_error,
          .why_none = line->slope > 0 ? std::nullopt : std::optional(NoEstimate::not_growing)};
}

/// Where an unbroken rise began: pieces that join without a step, each rising.
std::size_t begin_of_rise(std::span<const Piece> pieces, double noise) {
  std::size_t first = pieces.size() - 1;
  while (first > 0) {
    const Piece& before = pieces[first - 1];
    const Piece& after = pieces[first];
    const double joint = std::abs(after.begin - before.end);
    const double rise = after.end - after.begin + (before.end - before.begin);
    if (!(before.slope > 0 && after.slope > 0) || joint > std::max(4 * noise, 0.15 * rise)) {
      break;
    }
    --first;
  }
  return first;
}

/// The rise from `first` on as a parabola, if it is one.
std::optional<Course> parabola_from(std::span<const Point> points, std::size_t first,
                                    double noise) {
  const std::span<const Point> own = points.subspan(first);
  const auto line = robust_line(own, noise);
  const auto curve = parabola(own, noise);
  if (!line || !curve || !(line->slope > 0) || !is_significant(*line, own, noise)) {
    return std::nullopt;
  }
  const double span = own.back().x - own.front().x;
  const bool is_bent = std::abs(curve->bend) > kSignificant * curve->bend_error &&
                       std::abs(curve->bend) * span > kNotableBend * line->slope;
  // A parabola rises all along what it is fitted to; a sharp bend (rest, then a ramp) is none, and
  // goes on along its newest part.
  const bool rises = curve->slope > 0 && curve->slope + 2 * curve->bend * own.front().x > 0;
  const double close = std::max(kGoodFit * noise, kGoodFitOfRise * line->slope * span);
  if (!is_bent || curve->scatter > close || !rises) {
    return std::nullopt;
  }
  return Course{.pattern = curve->bend > 0 ? Pattern::accelerating : Pattern::slowing,
                .first = first,
                .level = curve->level,
                .slope = curve->slope,
                .slope_error = line->slope_error,
                .growth = 2 * curve->bend / curve->slope,
                .why_none = {}};
}

/// A rise whose slope changes all along it, as long a one as a parabola follows.
std::optional<Course> curved(std::span<const Point> points, std::span<const Piece> pieces,
                             double noise) {
  for (std::size_t k = begin_of_rise(pieces, noise); k < pieces.size(); ++k) {
    if (auto course = parabola_from(points, pieces[k].first, noise)) {
      return course;
    }
  }
  return std::nullopt;
}

/// A rise in stairs: several steps up, none much larger than the others, the last one not
/// long ago.
std::optional<Course> stairs(std::span<const Point> points, std::span<const Piece> pieces,
                             double noise) {
  std::vector<double> times;
  std::vector<double> heights;
  std::size_t first = pieces.size() - 1;
  while (first > 0) {
    const double step = pieces[first].begin - pieces[first - 1].end;
    const bool falls = std::min(step, pieces[first - 1].end - pieces[first - 1].begin) < -3 * noise;
    if (falls) {
      break;
    }
    if (step > 3 * noise) {
      times.push_back(points[pieces[first].first].x);
      heights.push_back(step);
    }
    --first;
  }
  if (heights.size() < kLeastSteps) {
    return std::nullopt;
  }
  double total = 0;
  for (const double height : heights) {
    total += height;
  }
  std::vector<double> gaps;
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    gaps.push_back(times[i] - times[i + 1]);
  }
  const bool is_even = std::ranges::max(heights) < 0.6 * total;
  const bool goes_on = -times.front() < 2.5 * median(gaps);
  if (!is_even || !goes_on) {
    return std::nullopt;
  }
  Course course = straight(points, pieces[first].first, noise);
  return course.pattern == Pattern::rising ? std::optional(course) : std::nullopt;
}

/// The course of a series that does not go up and down: its newest regime.
Course newest_regime(std::span<const Point> points, double noise) {
  const std::vector<Piece> pieces = pieces_of(points, noise);
  if (auto course = curved(points, pieces, noise)) {
    return *course;
  }
  if (auto course = stairs(points, pieces, noise)) {
    return *course;
  }
  const Piece& last = pieces.back();
  if (pieces.size() > 1 && last.size() < kForecastLeastSamples) {
    Course course = flat_at(points, last.first);
    course.pattern = Pattern::unknown;
    course.why_none = NoEstimate::just_changed;
    return course;
  }
  return straight(points, last.first, noise);
}

/// The course of a series that goes up and down.
Course swinging(std::span<const Point> points, const Swings& swings, double noise) {
  Course course = flat_at(points, 0);
  course.pattern = Pattern::saw_tooth;
  course.why_none = NoEstimate::saw_tooth;
  const auto line = robust_line(points, noise);
  if (!line) {
    return course;
  }
  const double rise = line->slope * (points.back().x - points.front().x);
  const double error = slope_error(*line, points, 2.0 * static_cast<double>(swings.all.size()));
  if (line->slope > kSignificant * error && rise > kBreakOut * swings.usual_fall) {
    std::vector<double> rests;
    for (const Point& point : points) {
      rests.push_back(point.y - line->at(point.x));
    }
    std::ranges::sort(rests);
    course.level = line->level;
    course.slope = line->slope;
    course.slope_error = error;
    course.above = rests[rests.size() * 19 / 20];
    course.below = -rests[rests.size() / 20];
    course.why_none.reset();
  }
  return course;
}

/// The begin of a rise that left all peaks before it behind; none: it is within the usual swings.
std::optional<std::size_t> break_out(std::span<const Point> points, const Swings& swings) {
  const Swing& last = swings.all.back();
  if (last.change <= 0 || last.from == 0) {
    return std::nullopt;
  }
  const double peak = std::ranges::max(points.first(last.from + 1), {}, &Point::y).y;
  return points.back().y > peak + kBreakOut * swings.usual_fall ? std::optional(last.from)
                                                                : std::nullopt;
}

}  // namespace

double Course::level_at(double x) const {
  const double exponent = std::min(growth * x, kMostExponent);
  // expm1(z) / z goes to 1 without losing digits.
  const double stretch = std::abs(exponent) > kNoExponent ? std::expm1(exponent) / growth : x;
  return level + slope * stretch;
}

std::optional<double> Course::reaches(double height) const {
  const double missing = height - level;
  if (missing <= 0) {
    return 0;
  }
  if (!(slope > 0)) {
    return std::nullopt;
  }
  const double straight_in = missing / slope;
  const double bend = growth * straight_in;
  if (bend <= -1) {
    return std::nullopt;  // It levels off below.
  }
  return std::abs(bend) > kNoExponent ? std::log1p(bend) / growth : straight_in;
}

Course course_of(std::span<const Point> points, double noise, double scale) {
  const auto [least, most] = std::ranges::minmax(points, {}, &Point::y);
  if (most.y - least.y <= kNotableRise * noise) {
    return flat_at(points, 0);  // Most memory does nothing most of the time.
  }
  const Swings swings = look_for_swings(points, noise, scale);
  if (swings.falls == 0) {
    return newest_regime(points, noise);
  }
  const auto out = break_out(points, swings);
  if (!out && swings.falls >= 2) {
    return swinging(points, swings, noise);
  }
  Course course = newest_regime(points, noise);
  const bool may_be_a_tooth = !out && swings.all.back().change > 0;
  if (may_be_a_tooth && !course.why_none) {
    course.pattern = Pattern::saw_tooth;
    course.why_none = NoEstimate::saw_tooth;
  }
  return course;
}

}  // namespace levee::forecast
