#include "render/chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string_view>

#include "cli/time_text.hpp"

namespace levee::cli {
namespace {

constexpr std::size_t kUsualWidth = 80;
constexpr std::size_t kNarrowest = 10;

constexpr std::array<std::string_view, 9> kBlocks{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, 4> kAscii{" ", ".", ":", "#"};

/// How high a bar is, in steps of a cell; a known value has at least one, so that 0 is not taken
/// for unknown.
std::size_t height(std::optional<double> value, const Chart& chart, std::size_t steps) {
  if (!value) {
    return 0;
  }
  const auto most = static_cast<double>(chart.rows * steps);
  return static_cast<std::size_t>(std::clamp(std::round(*value / chart.top * most), 1.0, most));
}

std::string time_axis(const Chart& chart, std::size_t margin, std::size_t width,
                      const Style& style) {
  const WallTime from = chart.points.front().at;
  const WallTime to = chart.points.back().at;
  const bool within_a_day = to - from < std::chrono::hours{20};
  const auto text = [&](WallTime time) {
    return within_a_day ? time_of_day(time, style.utc) : date_and_time(time, style.utc);
  };
  const std::string first = text(from);
  const std::string last = text(to);
  const bool both = first.size() + last.size() + 1 <= width;
  return line({{std::string(margin, ' ')},
               {both ? first + padded_left(last, width - first.size()) : last, Color::gray}},
              style);
}

}  // namespace

std::vector<std::optional<double>> bars(const Chart& chart, std::size_t width) {
  std::vector<std::optional<double>> result(width);
  if (chart.points.empty() || width == 0) {
    return result;
  }
  // A point holds somewhat longer than the resolution: ticks are never quite regular.
  const double hold = 1.5 * chart.resolution.count();
  const WallTime from = chart.points.front().at;
  const auto since_start = [&](WallTime at) { return Seconds(at - from).count(); };
  const double span = since_start(chart.points.back().at) + chart.resolution.count();
  const double per_second = static_cast<double>(width) / span;
  // A rounding error must not reach into the neighbouring column.
  constexpr double kTolerance = 1e-6;
  const auto column = [&](double at) {
    return static_cast<std::size_t>(std::clamp(at, 0.0, static_cast<double>(width - 1)));
  };
  for (std::size_t i = 0; i < chart.points.size(); ++i) {
    const ChartPoint& point = chart.points[i];
    const double begin = since_start(point.at);
    const double next = i + 1 < chart.points.size() ? since_start(chart.points[i + 1].at) : span;
    // A clock that was set back makes begin or next negative, or next smaller than begin.
    if (!point.value || begin < 0 || begin > span) {
      continue;
    }
    const double end = std::clamp(next, begin, begin + hold);
    const std::size_t first = column(std::floor(begin * per_second + kTolerance));
    const std::size_t last = std::max(first, column(std::ceil(end * per_second - kTolerance) - 1));
    for (std::size_t c = first; c <= last; ++c) {
      result[c] = std::max(result[c].value_or(*point.value), *point.value);
    }
  }
  return result;
}

std::string render_chart(const Chart& chart, const Style& style) {
  if (chart.points.empty() || chart.rows == 0 || !(chart.top > 0)) {
    return {};
  }
  const bool utf8 = style.charset == Charset::utf8;
  const std::span<const std::string_view> cells =
      utf8 ? std::span<const std::string_view>(kBlocks) : std::span<const std::string_view>(kAscii);
  const std::size_t steps = cells.size() - 1;

  std::vector<std::string> labels(chart.rows);
  labels.front() = chart.label(chart.top);
  labels.at(chart.rows / 2) = chart.label(chart.top / 2);
  labels.back() = chart.label(0);
  const std::size_t margin = std::ranges::max(labels, {}, &std::string::size).size();
  const std::size_t total = style.width > 0 ? style.width : kUsualWidth;
  const std::size_t width = total > margin + 2 + kNarrowest ? total - margin - 2 : kNarrowest;

  const auto values = bars(chart, width);
  std::string result;
  for (std::size_t row = 0; row < chart.rows; ++row) {
    std::vector<Span> spans{{padded_left(labels[row], margin) + (utf8 ? " │" : " |")}};
    const std::size_t below = (chart.rows - 1 - row) * steps;
    for (const auto& value : values) {
      const std::size_t high = height(value, chart, steps);
      const std::size_t fill = std::min(high > below ? high - below : 0, steps);
      const Color color = value && fill > 0 ? chart.color(*value) : Color::plain;
      if (spans.back().color != color || spans.size() == 1) {
        spans.push_back({"", color});
      }
      spans.back().text += cells[fill];
    }
    result += line(spans, style);
  }
  return result + time_axis(chart, margin + 2, width, style);
}

double round_up_decimal(double value, double least) {
  if (!(value > least)) {
    return least;
  }
  const double power = std::pow(10.0, std::floor(std::log10(value)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= value) {
      return factor * power;
    }
  }
  return 10 * power;
}

double round_up_binary(double value, double least) {
  return value > least ? std::exp2(std::ceil(std::log2(value))) : least;
}

}  // namespace levee::cli
