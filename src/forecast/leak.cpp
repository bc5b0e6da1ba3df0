#include "levee/leak.hpp"

#include <algorithm>
#include <cmath>

#include "forecast/fit.hpp"
#include "forecast/series.hpp"

namespace levee {
namespace {

using forecast::Point;

constexpr double kFinestSpan = 30;
constexpr double kCoarser =
    4;  ///< Each scale's spans are so much longer than those of the one before.
constexpr std::size_t kLows = 48;
/// So many must be there: a whole window at the finest scale, which a single tooth could fill else.
constexpr std::array<std::size_t, 4> kLeastLows{48, 40, 24, 24};
/// How far beyond chance the rise must be. High, because the question is asked again and again.
constexpr double kSignificant = 4;
/// The rise must be so many times what lows differ from their line, …
constexpr double kRiseOverScatter = 4;
/// … and so much of what is used: most at the finest scale, where load rises for a while, too.
constexpr std::array kLeastRise{0.20, 0.06, 0.10, 0.01};
/// Each third must rise by so much of what the whole does.
constexpr double kSteady = 0.4;
constexpr double kErrors = 1.7;

struct Rise {
  double per_second = 0;
  double error = 0;
  double span = 0;
};

/// Kendall's S over its standard deviation; what hangs together counts as less (Hamed and Rao's
/// correction, for the nearest neighbours).
double mann_kendall(std::span<const Point> lows, double persistence) {
  double s = 0;
  for (std::size_t i = 0; i < lows.size(); ++i) {
    for (std::size_t j = i + 1; j < lows.size(); ++j) {
      s += lows[j].y > lows[i].y ? 1 : lows[j].y < lows[i].y ? -1 : 0;
    }
  }
  const auto n = static_cast<double>(lows.size());
  const double variance = n * (n - 1) * (2 * n + 5) / 18;
  return s / std::sqrt(variance * (1 + persistence) / (1 - persistence));
}

/// Every third rises by its share. A step rises in one of them only.
bool is_steady(std::span<const Point> lows, double slope) {
  const std::size_t third = lows.size() / 3;
  for (std::size_t part = 0; part < 3; ++part) {
    const auto own = forecast::median_slope(lows.subspan(part * third, third));
    if (!own || *own < kSteady * slope) {
      return false;
    }
  }
  return true;
}

/// Without its largest steps up most of the rise must remain: load rises in a few, a leak in many.
bool is_spread(std::span<const Point> lows, double rise) {
  std::vector<double> steps;
  for (std::size_t i = 3; i < lows.size(); ++i) {
    steps.push_back(lows[i].y - lows[i - 3].y);
  }
  const double usual = forecast::median(steps);
  return usual * static_cast<double>(lows.size() - 1) / 3 > 0.5 * rise;
}

/// It rises less and less, as what warms up does.
bool is_slowing(std::span<const Point> lows, double scatter) {
  const auto curve = forecast::parabola(lows, scatter);
  return curve && curve->bend < -2.5 * curve->bend_error;
}

std::optional<Rise> rise_of(std::span<const Point> lows, double least_share) {
  const double level = lows.back().y;
  const auto line = forecast::robust_line(lows, 1);
  if (!line || !(line->slope > 0)) {
    return std::nullopt;
  }
  const double span = lows.back().x - lows.front().x;
  const double rise = line->slope * span;
  std::vector<double> rests;
  for (const Point& low : lows) {
    rests.push_back(low.y - line->at(low.x));
  }
  const double hangs_together = forecast::persistence(rests);
  const bool rises = rise > kRiseOverScatter * line->scatter && rise > least_share * level &&
                     mann_kendall(lows, hangs_together) > kSignificant &&
                     is_steady(lows, line->slope) && is_spread(lows, rise) && !is_slowing(lows, 1);
  return rises ? std::optional(Rise{line->slope, line->slope_error, span}) : std::nullopt;
}

}  // namespace

std::string_view to_string(LeakVerdict verdict) noexcept {
  switch (verdict) {
    case LeakVerdict::unknown:
      return "unknown";
    case LeakVerdict::none:
      return "none";
    case LeakVerdict::leaking:
      return "leaking";
  }
  return "unknown";
}

LeakDetector::LeakDetector(std::chrono::duration<double> warm_up) : warm_up_(warm_up.count()) {
  double width = kFinestSpan;
  for (Lows& lows : lows_) {
    lows.width = width;
    lows.done.reserve(kLows + 1);
    width *= kCoarser;
  }
}

void LeakDetector::add(const MemoryPoint& point) {
  const bool is_usable = std::isfinite(point.seconds) && point.bytes <= forecast::kMostBytes &&
                         point.bytes >= 0 && (!first_ || point.seconds >= newest_.seconds);
  if (!is_usable) {
    return;
  }
  if (!first_) {
    first_ = point.seconds;
  }
  newest_ = point;
  if (point.seconds - *first_ < warm_up_) {
    return;
  }
  for (Lows& lows : lows_) {
    if (lows.low && point.seconds - lows.begin >= lows.width) {
      lows.done.push_back(*lows.low);
      if (lows.done.size() > kLows) {
        lows.done.erase(lows.done.begin());
      }
      lows.low.reset();
    }
    if (!lows.low) {
      lows.begin = point.seconds;
    }
    if (!lows.low || point.bytes < lows.low->bytes) {
      lows.low = point;
    }
  }
}

LeakReport LeakDetector::verdict(double now, std::optional<Bytes> limit) const {
  LeakReport report;
  if (!first_ || !std::isfinite(now)) {
    return report;
  }
  report.watched_seconds = newest_.seconds - *first_;
  for (std::size_t scale = 0; scale < lows_.size(); ++scale) {
    const Lows& lows = lows_.at(scale);
    if (lows.done.size() < kLeastLows.at(scale) ||
        now - lows.done.back().seconds > 3 * lows.width) {
      continue;
    }
    if (report.verdict == LeakVerdict::unknown) {
      report.verdict = LeakVerdict::none;
    }
    std::vector<Point> points;
    for (const MemoryPoint& low : lows.done) {
      points.push_back({low.seconds - now, low.bytes});
    }
    if (const auto rise = rise_of(points, kLeastRise.at(scale))) {
      // Of several scales the longest knows best.
      report.verdict = LeakVerdict::leaking;
      report.evidence_seconds = rise->span;
      const double error = kErrors * rise->error;
      report.bytes_per_hour = {.likely = 3600 * rise->per_second,
                               .low = std::max(0.0, 3600 * (rise->per_second - error)),
                               .high = 3600 * (rise->per_second + error)};
    }
  }
  if (report.bytes_per_hour && limit) {
    const double left = std::max(0.0, static_cast<double>(limit->count) - newest_.bytes);
    report.seconds_to_limit = 3600 * left / report.bytes_per_hour->likely;
  }
  return report;
}

}  // namespace levee
