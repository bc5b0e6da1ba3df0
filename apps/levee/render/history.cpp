#include "render/history.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "cli/time_text.hpp"
#include "config/nearest.hpp"
#include "levee/bytes.hpp"
#include "render/chart.hpp"

namespace levee::cli {
namespace {

enum class Unit { percent, bytes };

struct Series {
  std::string_view name;
  std::string_view title;
  const char* mean;   ///< Member of a row: the mean of its span.
  const char* worst;  ///< The worst moment of it.
  Unit unit;
  std::optional<double> top;  ///< The upper edge; absent: from the data.
};

constexpr std::array kSeries{
    Series{"memory", "memory used", "cpu_memory_percent", "cpu_memory_percent_max", Unit::percent,
           100},
    Series{"cpu", "processors busy", "cpu_percent", "cpu_percent", Unit::percent, 100},
    Series{"swap", "swap used", "swap_used_bytes", "swap_used_bytes", Unit::bytes, std::nullopt},
    Series{"pressure", "time some task waited for memory", "memory_pressure_percent",
           "memory_pressure_percent", Unit::percent, std::nullopt},
};

struct Summary {
  std::size_t known = 0;
  double sum = 0;
  std::optional<double> least;
  std::optional<double> most;
  std::optional<double> now;
};

std::string value_text(double value, Unit unit) {
  if (unit == Unit::bytes) {
    return format_bytes(Bytes{value > 0 ? static_cast<std::uint64_t>(value) : std::uint64_t{0}});
  }
  return fmt::format("{:.1f} %", value);
}

/// The bands of contract G2 at their usual bounds; of other series there is none.
Color color_of(const Series& series, double value) {
  if (series.name != "memory") {
    return Color::blue;
  }
  return value < 70    ? Color::green
         : value < 85  ? Color::blue
         : value <= 95 ? Color::orange
                       : Color::red;
}

Chart chart_of(const Json& answer, const Series& series, Summary& summary) {
  Chart chart;
  chart.resolution = Seconds(number_at(answer, "resolution_seconds").value_or(1));
  for (const Json& row : list_at(answer, "history")) {
    const auto at = parse_iso8601(text_at(row, "timestamp").value_or(""));
    if (!at) {
      continue;
    }
    const auto mean = number_at(row, series.mean);
    const auto worst = number_at(row, series.worst);
    chart.points.push_back({*at, worst ? worst : mean});
    summary.now = mean;
    if (mean) {
      ++summary.known;
      summary.sum += *mean;
      summary.least = std::min(summary.least.value_or(*mean), *mean);
      summary.most = std::max({summary.most.value_or(*mean), *mean, worst.value_or(*mean)});
    }
  }
  const double most = summary.most.value_or(0);
  chart.top = series.top                   ? *series.top
              : series.unit == Unit::bytes ? round_up_binary(most, static_cast<double>(kMiB))
                                           : std::min(round_up_decimal(most, 1), 100.0);
  chart.label = [&series](double value) { return value_text(value, series.unit); };
  chart.color = [&series](double value) { return color_of(series, value); };
  return chart;
}

std::string span_text(std::optional<double> seconds) {
  return seconds && *seconds >= 0 && *seconds < 1e10
             ? format_duration(std::chrono::seconds(std::llround(*seconds)))
             : "-";
}

std::string coverage(const Json& answer, const Style& style) {
  const auto resolution = number_at(answer, "resolution_seconds");
  std::string result = line(
      {{fmt::format("covers {} of the last {}, every {}, from {}",
                    span_text(number_at(answer, "covered_seconds")),
                    span_text(number_at(answer, "window_seconds")),
                    resolution && *resolution < 1 ? fmt::format("{:.0f} ms", *resolution * 1000)
                                                  : span_text(resolution),
                    text_at(answer, "source") == "store" ? "the store" : "memory"),
        Color::gray}},
      style);
  if (const auto note = text_at(answer, "note"); note && !note->empty()) {
    result += line({{*note, Color::orange}}, style);
  }
  return result;
}

}  // namespace

std::vector<std::string> series_names() {
  std::vector<std::string> names;
  std::ranges::transform(kSeries, std::back_inserter(names),
                         [](const Series& series) { return std::string(series.name); });
  return names;
}

Result<std::string> render_history(const Json& answer, std::string_view name, const Style& style) {
  const auto* const series = std::ranges::find(kSeries, name, &Series::name);
  if (series == kSeries.end()) {
    const auto meant = config::nearest(name, series_names());
    return fail(ErrorCode::invalid_argument, fmt::format("--series is \"{}\"", name),
                fmt::format("{}accepted: {}", meant ? fmt::format("did you mean {}? ", *meant) : "",
                            fmt::join(series_names(), ", ")));
  }
  Summary summary;
  const Chart chart = chart_of(answer, *series, summary);
  if (summary.known == 0) {
    return line({{fmt::format("nothing is known of {} in this window", series->name)}}, style) +
           coverage(answer, style);
  }
  const auto text = [&](std::optional<double> value) {
    return value ? value_text(*value, series->unit) : "-";
  };
  return line({{std::string(series->title), Color::bold},
               {fmt::format(
                   "  now {}, min {}, avg {}, max {}", text(summary.now), text(summary.least),
                   text(summary.sum / static_cast<double>(summary.known)), text(summary.most))}},
              style) +
         render_chart(chart, style) + coverage(answer, style);
}

}  // namespace levee::cli
