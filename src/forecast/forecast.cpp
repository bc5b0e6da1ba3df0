#include "levee/forecast.hpp"

#include <algorithm>
#include <cmath>

#include "forecast/course.hpp"
#include "forecast/series.hpp"

namespace levee {
namespace {

using forecast::Course;
using forecast::Point;

/// The least noise to believe in, as a share of the limit (or of the largest value): counters are
/// read a moment apart, and allocators take memory in blocks.
constexpr double kLeastNoise = 2e-4;
/// A regime whose begin was seen says something of so many times its own length, …
constexpr double kReach = 3;
/// … and one that is older than what was seen of so many times that.
constexpr double kReachOfOld = 12;
constexpr double kStaleShare = 0.2;
/// Samples closer together, in seconds, are of one instant.
constexpr double kLeastCovered = 1e-6;
/// Nobody asks beyond thirty years.
constexpr double kMostAhead = 1e9;
/// Standard errors in an interval, and what regimes change beyond what noise explains.
constexpr double kErrors = 1.6;
constexpr double kGrowthError = 0.5;
constexpr double kModelError = 0.15;

/// `course` as it goes if all errs to one side; sign 1: it is full sooner.
Course erring(Course course, double sign) {
  const double slope_error = kErrors * course.slope_error + kModelError * std::abs(course.slope);
  course.level += sign > 0 ? course.above : -course.below;
  course.slope += sign * slope_error;
  course.growth += sign * kGrowthError * std::abs(course.growth);
  return course;
}

Projected project(const Course& course, double ahead, double most) {
  const auto value = [&](const Course& one) { return std::clamp(one.level_at(ahead), 0.0, most); };
  return {
      .bytes = value(course), .low = value(erring(course, -1)), .high = value(erring(course, 1))};
}

/// Sets `full`, or why there is none.
void judge_full(Forecast& answer, const Course& course, double limit, double reach) {
  // It is the peaks that fill the memory.
  const auto in = course.reaches(limit - course.above);
  if (!in) {
    answer.why_none = NoEstimate::levels_off;
    return;
  }
  if (*in > reach) {
    answer.why_none = NoEstimate::too_far;
    return;
  }
  const auto soonest = erring(course, 1).reaches(limit);
  const auto latest = erring(course, -1).reaches(limit - course.above - course.below);
  answer.full = {.in = *in,
                 .soonest = std::min(*in, soonest.value_or(*in)),
                 .latest = latest ? std::optional(std::max(*in, *latest)) : std::nullopt};
}

}  // namespace

Forecast forecast_memory(std::span<const MemoryPoint> points, const ForecastQuestion& question) {
  Forecast answer;
  const double window = question.window.count();
  const std::vector<Point> all = forecast::in_order(points, question.now, window);
  answer.samples = all.size();
  answer.why_none = NoEstimate::too_few_samples;
  if (all.empty()) {
    return answer;
  }
  answer.covered_seconds = all.back().x - all.front().x;
  if (-all.back().x > kStaleShare * window) {
    answer.why_none = NoEstimate::stale;
    return answer;
  }
  if (all.size() < kForecastLeastSamples || answer.covered_seconds < kLeastCovered) {
    return answer;
  }
  std::vector<Point> few = forecast::thinned(all, forecast::kMostPoints);
  const double most = std::ranges::max(few, {}, &Point::y).y;
  const double scale = question.limit ? static_cast<double>(question.limit->count) : most;
  const double noise = std::max({forecast::noise_of(few), kLeastNoise * scale, 1e-3});
  forecast::calm_spikes(few, noise);
  const Course course = forecast::course_of(few, noise, scale);

  answer.pattern = course.pattern;
  answer.level = std::max(0.0, course.level);
  answer.regime_seconds = few.back().x - few[course.first].x;
  answer.why_none = course.why_none;
  if (course.why_none == NoEstimate::just_changed) {
    return answer;
  }
  answer.bytes_per_second = course.slope;
  const double ahead =
      question.ahead.count() > 0 ? std::min(question.ahead.count(), kMostAhead) : 0;
  answer.projected = project(course, ahead, question.limit ? scale : 1e300);
  if (!course.why_none && !question.limit) {
    answer.why_none = NoEstimate::no_limit;
  }
  if (!answer.why_none) {
    const bool began_before = course.first == 0;
    judge_full(answer, course, scale,
               answer.regime_seconds * (began_before ? kReachOfOld : kReach));
  }
  return answer;
}

std::optional<double> project_memory_usage(std::span<const MemoryPoint> points, Bytes total,
                                           double now, std::chrono::duration<double> ahead) {
  if (total == Bytes{} || !(ahead.count() >= 0) || !std::isfinite(ahead.count())) {
    return std::nullopt;
  }
  const Forecast forecast = forecast_memory(points, {.now = now, .limit = total, .ahead = ahead});
  if (!forecast.projected) {
    return std::nullopt;
  }
  return std::clamp(100 * forecast.projected->bytes / static_cast<double>(total.count), 0.0, 100.0);
}

std::string_view to_string(Pattern pattern) noexcept {
  switch (pattern) {
    case Pattern::unknown:
      return "unknown";
    case Pattern::flat:
      return "flat";
    case Pattern::rising:
      return "rising";
    case Pattern::accelerating:
      return "accelerating";
    case Pattern::slowing:
      return "slowing";
    case Pattern::falling:
      return "falling";
    case Pattern::saw_tooth:
      return "saw_tooth";
  }
  return "unknown";
}

std::string_view to_string(NoEstimate reason) noexcept {
  switch (reason) {
    case NoEstimate::too_few_samples:
      return "too_few_samples";
    case NoEstimate::stale:
      return "stale";
    case NoEstimate::no_limit:
      return "no_limit";
    case NoEstimate::just_changed:
      return "just_changed";
    case NoEstimate::not_growing:
      return "not_growing";
    case NoEstimate::saw_tooth:
      return "saw_tooth";
    case NoEstimate::levels_off:
      return "levels_off";
    case NoEstimate::too_far:
      return "too_far";
  }
  return "too_few_samples";
}

}  // namespace levee
