// How near forecasts of a full memory come, and how often they cry wolf, beside a straight line of
// least squares over the same samples, which is what Prometheus documents for predict_linear().
//
//   bench_forecast [--tuning] [RECORDED.csv …]
//
// Without --tuning the series are those of the test set, which no constant was chosen by.
#include <fmt/core.h>

#include <chrono>
#include <cstring>
#include <map>
#include <string>

#include "traces.hpp"

namespace {

using namespace levee;

constexpr double kWindow = 300;
constexpr double kEvery = 10;    ///< Seconds between two questions.
constexpr double kSoon = 900;    ///< Errors count where the memory is full within this.
constexpr double kAlarm = 600;   ///< "Full within this" is an alarm, …
constexpr double kFalse = 1200;  ///< … and a false one if it is not full within this.
constexpr int kTracesPerKind = 40;

/// Seconds until a line of least squares reaches `limit`.
std::optional<double> least_squares(std::span<const MemoryPoint> points, double now, double limit) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const MemoryPoint& point : points) {
    const double t = point.seconds - now;
    n += 1, x += t, y += point.bytes, xx += t * t, xy += t * point.bytes;
  }
  const double covariance = xy - x * y / n;
  const double variance = xx - x * x / n;
  if (n < 2 || !(variance > 0)) {
    return std::nullopt;
  }
  const double slope = covariance / variance;
  const double level = y / n - slope * x / n;
  if (level >= limit) {
    return 0;
  }
  return slope > 0 ? std::optional((limit - level) / slope) : std::nullopt;
}

struct Score {
  std::vector<double> errors;  ///< |said − true| / true, where it will be full soon; none said: 1.
  std::vector<double> answered;
  std::size_t soon = 0;
  std::size_t calm = 0;  ///< Questions with no full memory near.
  std::size_t false_alarms = 0;
  std::size_t needless = 0;  ///< Of those: while nothing rose.
  std::size_t urgent = 0;    ///< Questions at which it is full within kAlarm / 2.
  std::size_t warned = 0;
  std::size_t false_series = 0;  ///< Series with at least one false alarm.
  std::size_t series = 0;
  std::size_t bounded = 0;  ///< Answers whose interval holds the truth.

  void add(std::optional<double> said, std::optional<double> truth, bool is_known, bool rises) {
    if (is_known && truth && *truth <= kSoon) {
      ++soon;
      errors.push_back(said ? std::abs(*said - *truth) / *truth : 1);
      if (said) {
        answered.push_back(errors.back());
      }
    }
    if (is_known && truth && *truth <= kAlarm / 2) {
      ++urgent;
      warned += said && *said <= kAlarm;
    }
    if (!truth || *truth > kFalse) {
      ++calm;
      const bool is_alarm = said && *said <= kAlarm;
      false_alarms += is_alarm;
      needless += is_alarm && !rises;
    }
  }
  void add(const Score& other) {
    errors.insert(errors.end(), other.errors.begin(), other.errors.end());
    answered.insert(answered.end(), other.answered.begin(), other.answered.end());
    soon += other.soon, calm += other.calm, false_alarms += other.false_alarms;
    urgent += other.urgent, warned += other.warned, false_series += other.false_series;
    series += other.series, needless += other.needless, bounded += other.bounded;
  }
};

double middle(std::vector<double> values) {
  if (values.empty()) {
    return 0;
  }
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

double percent(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

struct Pair {
  Score ours;
  Score line;
};

void judge(const bench::Trace& trace, Pair& pair) {
  const auto full = trace.full_at();
  const double end = full.value_or(trace.points.back().seconds);
  // What comes after the end of a series that is never full is not known.
  const double last = full ? end : end - kFalse;
  const std::size_t before_ours = pair.ours.false_alarms;
  const std::size_t before_line = pair.line.false_alarms;
  std::size_t first = 0;
  std::size_t next = 0;
  for (double now = trace.points.front().seconds + 30; now < last; now += kEvery) {
    while (next < trace.points.size() && trace.points[next].seconds <= now) {
      ++next;
    }
    while (trace.points[first].seconds < now - kWindow) {
      ++first;
    }
    const std::span seen = std::span(trace.points).subspan(first, next - first);
    const auto truth = full ? std::optional(*full - now) : std::nullopt;
    const auto said = forecast_memory(
        seen, {.now = now, .limit = Bytes{static_cast<std::uint64_t>(trace.limit)}});
    const bool rises = trace.rises.empty() || trace.rises[next - 1] != 0;
    const bool is_known = now > trace.rises_since;
    pair.ours.add(said.full ? std::optional(said.full->in) : std::nullopt, truth, is_known, rises);
    if (is_known && said.full && truth && *truth <= kSoon) {
      pair.ours.bounded +=
          said.full->soonest <= *truth && (!said.full->latest || *said.full->latest >= *truth);
    }
    pair.line.add(least_squares(seen, now, trace.limit), truth, is_known, rises);
    if (std::getenv("VERBOSE")) {
      fmt::print("{} now {} truth {:.0f} said {:.0f} {} {} line {:.0f}\n", trace.kind, now,
                 truth.value_or(-1), said.full ? said.full->in : -1, to_string(said.pattern),
                 said.why_none ? to_string(*said.why_none) : "",
                 least_squares(seen, now, trace.limit).value_or(-1));
    }
  }
  ++pair.ours.series, ++pair.line.series;
  pair.ours.false_series += pair.ours.false_alarms > before_ours;
  pair.line.false_series += pair.line.false_alarms > before_line;
}

void show(std::string_view name, const Pair& pair) {
  const auto& [ours, line] = pair;
  fmt::print(
      "{:<22} {:>5} | {:>5.1f} {:>5.1f} {:>4.0f} {:>4.0f} {:>4.0f} | {:>5.1f} {:>5.1f} {:>4.0f} | "
      "{:>5} | {:>5.2f} {:>5.2f} | {:>5.2f} {:>5.2f} | {:>3} {:>3} / {}\n",
      name, ours.soon, 100 * middle(ours.errors), 100 * middle(ours.answered),
      percent(ours.answered.size(), ours.soon), percent(ours.warned, ours.urgent),
      percent(ours.bounded, ours.answered.size()), 100 * middle(line.errors),
      100 * middle(line.answered), percent(line.warned, line.urgent), ours.calm,
      percent(ours.false_alarms, ours.calm), percent(line.false_alarms, line.calm),
      percent(ours.needless, ours.calm), percent(line.needless, line.calm), ours.false_series,
      line.false_series, ours.series);
}

}  // namespace

int main(int argc, char** argv) {
  const bool tuning = argc > 1 && std::strcmp(argv[1], "--tuning") == 0;
  const bench::Ranges& ranges = tuning ? bench::kTuning : bench::kTest;
  const char* only = std::getenv("ONLY");
  Pair all;
  for (const std::string& kind : bench::TraceMaker::kinds()) {
    if (only && kind != only) continue;
    Pair pair;
    for (unsigned i = 0; i < kTracesPerKind; ++i) {
      bench::TraceMaker maker(ranges, (tuning ? 1000U : 500000U) + i);
      judge(maker.make(kind), pair);
    }
    show(kind, pair);
    all.ours.add(pair.ours);
    all.line.add(pair.line);
  }
  show("all", all);
}
