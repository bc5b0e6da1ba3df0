// How near forecasts of a full memory come, and how often they cry wolf, beside a straight line of
// least squares over the same samples, which is what Prometheus documents for predict_linear().
//
//   bench_forecast [--tuning] [NAME=RECORDED.csv=LIMIT_MB …]
//
// Without --tuning the series are those of the test set, which no constant was chosen by.
#include <fmt/core.h>

#include <cmath>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include "forecast/series_text.hpp"
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
  double x = 0;
  double y = 0;
  double xx = 0;
  double xy = 0;
  for (const MemoryPoint& point : points) {
    const double t = point.seconds - now;
    x += t;
    y += point.bytes;
    xx += t * t;
    xy += t * point.bytes;
  }
  const auto n = static_cast<double>(points.size());
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

bool is_alarm(std::optional<double> said) { return said && *said <= kAlarm; }

struct Score {
  std::size_t soon = 0;        ///< Questions at which it will be full within kSoon.
  std::vector<double> errors;  ///< |said − true| / true of the answers to those.
  std::vector<double> where_both_answer;
  std::size_t bounded = 0;  ///< Answers whose interval holds the truth.
  std::size_t urgent = 0;   ///< Questions at which it is full within kAlarm / 2, …
  std::size_t warned = 0;   ///< … and of those the ones with an alarm.
  std::size_t calm = 0;     ///< Questions with no full memory near.
  std::size_t false_alarms = 0;
  std::size_t needless = 0;      ///< Of those: while nothing rose, or only a tooth of a saw.
  std::size_t false_series = 0;  ///< Series with at least one false alarm.
  std::size_t series = 0;

  void add(std::optional<double> said, std::optional<double> truth, bool has_begun, bool rises) {
    if (has_begun && truth && *truth <= kSoon) {
      ++soon;
      if (said) {
        errors.push_back(std::abs(*said - *truth) / *truth);
      }
    }
    if (has_begun && truth && *truth <= kAlarm / 2) {
      ++urgent;
      warned += is_alarm(said) ? 1 : 0;
    }
    if (!truth || *truth > kFalse) {
      ++calm;
      false_alarms += is_alarm(said) ? 1 : 0;
      needless += is_alarm(said) && !rises ? 1 : 0;
    }
  }

  void add(const Score& other) {
    errors.insert(errors.end(), other.errors.begin(), other.errors.end());
    where_both_answer.insert(where_both_answer.end(), other.where_both_answer.begin(),
                             other.where_both_answer.end());
    soon += other.soon;
    bounded += other.bounded;
    urgent += other.urgent;
    warned += other.warned;
    calm += other.calm;
    false_alarms += other.false_alarms;
    needless += other.needless;
    false_series += other.false_series;
    series += other.series;
  }
};

/// In percent; "-" of none.
std::string middle(std::vector<double> values) {
  if (values.empty()) {
    return "-";
  }
  std::ranges::sort(values);
  return fmt::format("{:.1f}", 100 * values[values.size() / 2]);
}

std::string percent(std::size_t part, std::size_t whole, int decimals = 0) {
  return whole == 0 ? "-"
                    : fmt::format("{:.{}f}",
                                  100.0 * static_cast<double>(part) / static_cast<double>(whole),
                                  decimals);
}

struct Pair {
  Score ours;
  Score line;
};

/// One question to both, at `now`, with the samples that were seen by then.
void ask_both(const bench::Trace& trace, std::span<const MemoryPoint> seen, double now,
              std::optional<double> truth, bool rises, Pair& pair) {
  const auto answer =
      forecast_memory(seen, {.now = now, .limit = Bytes{static_cast<std::uint64_t>(trace.limit)}});
  std::optional<double> ours;
  if (answer.full) {
    ours = answer.full->in;
  }
  const auto line = least_squares(seen, now, trace.limit);
  const bool has_begun = now > trace.rises_since;
  pair.ours.add(ours, truth, has_begun, rises);
  pair.line.add(line, truth, has_begun, rises);
  if (!has_begun || !ours || !truth || *truth > kSoon) {
    return;
  }
  const bool is_bounded =
      answer.full->soonest <= *truth && (!answer.full->latest || *answer.full->latest >= *truth);
  pair.ours.bounded += is_bounded ? 1 : 0;
  if (line) {
    pair.ours.where_both_answer.push_back(pair.ours.errors.back());
    pair.line.where_both_answer.push_back(pair.line.errors.back());
  }
}

void judge(const bench::Trace& trace, Pair& pair) {
  const auto full = trace.full_at();
  // What comes after the end of a series that is never full is not known.
  const double last = full ? *full : trace.points.back().seconds - trace.blind;
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
    const auto truth = full ? std::optional(*full - now) : std::nullopt;
    const bool rises = !trace.rises.empty() && trace.rises[next - 1] != 0;
    ask_both(trace, std::span(trace.points).subspan(first, next - first), now, truth, rises, pair);
  }
  ++pair.ours.series;
  ++pair.line.series;
  pair.ours.false_series += pair.ours.false_alarms > before_ours ? 1 : 0;
  pair.line.false_series += pair.line.false_alarms > before_line ? 1 : 0;
}

void head() {
  fmt::print(
      "| series | questions | error, ours | line | where both answer, ours | line | answered, ours "
      "| "
      "line | truth in interval | warned, ours | line | quiet questions | false alarms, ours | "
      "line | "
      "of those needless, ours | line "
      "|\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
}

void show(std::string_view name, const Pair& pair) {
  const auto& [ours, line] = pair;
  fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
             name, ours.soon, middle(ours.errors), middle(line.errors),
             middle(ours.where_both_answer), middle(line.where_both_answer),
             percent(ours.errors.size(), ours.soon), percent(line.errors.size(), line.soon),
             percent(ours.bounded, ours.errors.size()), percent(ours.warned, ours.urgent),
             percent(line.warned, line.urgent), ours.calm, percent(ours.false_alarms, ours.calm, 2),
             percent(line.false_alarms, line.calm, 2), percent(ours.needless, ours.calm, 2),
             percent(line.needless, line.calm, 2));
}

/// A recorded series: NAME=FILE=LIMIT, the limit in MB. A memory that was never full may be so
/// after the record, so the last five minutes are not judged.
bool show_recorded(std::string_view argument) {
  const std::size_t first = argument.find('=');
  const std::size_t second = argument.rfind('=');
  const std::string file(argument.substr(first + 1, second - first - 1));
  std::ifstream stream(file);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const auto points = forecast::parse_series(text);
  if (first == second || !points || points->empty()) {
    fmt::print(stderr, "{}: {}\n", argument, points ? "no samples" : points.error().message);
    return false;
  }
  const double limit = std::stod(std::string(argument.substr(second + 1))) * 1024 * 1024;
  Pair pair;
  judge({.kind = std::string(argument.substr(0, first)),
         .limit = limit,
         .points = *points,
         .blind = 300,
         .rises = {}},
        pair);
  show(fmt::format("recorded: {}", argument.substr(0, first)), pair);
  return true;
}

/// What one question costs with the 300 samples of five minutes, in microseconds.
double cost_of(const std::function<double(double)>& gigabytes) {
  std::vector<MemoryPoint> points;
  for (int t = 0; t < 300; ++t) {
    points.push_back({static_cast<double>(t), gigabytes(t) * static_cast<double>(kGiB)});
  }
  constexpr int kTimes = 2000;
  std::size_t answers = 0;
  const std::clock_t begin = std::clock();
  for (int i = 0; i < kTimes; ++i) {
    answers += forecast_memory(points, {.now = 299, .limit = gib(24)}).samples;
  }
  const double taken = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC * 1e6;
  return answers == 0 ? 0 : taken / kTimes;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv + 1, static_cast<std::size_t>(argc - 1));
  const bool is_tuning = !arguments.empty() && std::string_view(arguments.front()) == "--tuning";
  const bench::Ranges& ranges = is_tuning ? bench::kTuning : bench::kTest;
  fmt::print(
      "Forecast beside a line of least squares over the same 5 minutes, {} set; figures in "
      "percent\n\n",
      is_tuning ? "tuning" : "test");
  head();
  Pair all;
  for (const std::string& kind : bench::TraceMaker::kinds()) {
    Pair pair;
    for (unsigned i = 0; i < kTracesPerKind; ++i) {
      bench::TraceMaker maker(ranges, (is_tuning ? 1000U : 500000U) + i);
      judge(maker.make(kind), pair);
    }
    show(kind, pair);
    all.ours.add(pair.ours);
    all.line.add(pair.line);
  }
  show("**all generated**", all);
  bool is_good = true;
  for (const char* argument : arguments.subspan(is_tuning ? 1 : 0)) {
    is_good = show_recorded(argument) && is_good;
  }
  fmt::print("\nseries with at least one false alarm: ours {}, line {}, of {}\n",
             all.ours.false_series, all.line.false_series, all.ours.series);
  fmt::print(
      "cost of one question: flat {:.0f} us, rising with noise {:.0f} us, saw-tooth {:.0f} us\n",
      cost_of([](double) { return 4; }),
      cost_of([](double t) { return 4 + t / 60 + 0.01 * std::sin(12.9898 * t); }),
      cost_of([](double t) { return 4 + 8 * std::fmod(t, 50) / 50; }));
  return is_good ? 0 : 1;
}
