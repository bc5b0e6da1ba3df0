#include "render/alerts.hpp"

#include <fmt/format.h>

#include <cmath>

#include "cli/time_text.hpp"
#include "render/status.hpp"

namespace levee::cli {
namespace {

std::optional<WallTime> time_at(const Json& alert, std::string_view name) {
  return parse_iso8601(text_at(alert, name).value_or(""));
}

/// How long an alert lasted, or lasts; of one whose end nobody saw, how long at least.
std::string duration_of(const Json& alert, WallTime now) {
  const auto last_seen = time_at(alert, "last_seen");
  const bool is_over = !member_at(alert, "resolved_at").is_null();
  const auto from = time_at(alert, "timestamp");
  const auto to = is_over ? time_at(alert, "resolved_at") : last_seen.value_or(now);
  if (!from || !to) {
    return "-";
  }
  const std::string span = format_duration(std::chrono::floor<std::chrono::seconds>(*to - *from));
  return is_over ? span : span + (last_seen ? ", end unknown" : ", lasts");
}

std::string no_alerts_text(const Json& answer) {
  const auto window = number_at(answer, "window_seconds");
  return window ? fmt::format("no alerts in the last {}",
                              format_duration(std::chrono::seconds(std::llround(*window))))
                : "no alerts";
}

}  // namespace

std::string render_alerts(const Json& answer, WallTime now, const Style& style) {
  const Json& alerts = list_at(answer, "alerts");
  const auto note = text_at(answer, "note");
  const std::string last = note ? wrapped("note: " + *note, 0, Color::gray, style) : "";
  if (alerts.empty()) {
    return line({{no_alerts_text(answer)}}, style) + last;
  }
  Table table({"TIME", "SEVERITY", "TYPE", "VALUE", "THRESHOLD", "DURATION", "CULPRIT"});
  for (const Json& alert : alerts) {
    const auto time = parse_iso8601(text_at(alert, "timestamp").value_or(""));
    const std::string severity = text_at(alert, "severity").value_or("-");
    const std::string culprit = process_text(member_at(alert, "culprit"));
    table.add({{time ? date_and_time(*time, style.utc) : "-"},
               {severity, color_of_severity(severity)},
               {text_at(alert, "type").value_or("-")},
               {value_text(alert)},
               {threshold_text(alert)},
               {duration_of(alert, now)},
               {culprit.empty() ? "-" : culprit}});
  }
  std::string result = table.text(style);
  const auto total = number_at(answer, "total");
  if (total && *total > static_cast<double>(alerts.size())) {
    result += line(
        {{fmt::format("{} of {:.0f}; --limit shows more", alerts.size(), *total), Color::gray}},
        style);
  }
  return result + last;
}

}  // namespace levee::cli
