#include "render/alerts.hpp"

#include <fmt/format.h>

#include "cli/time_text.hpp"
#include "render/status.hpp"

namespace levee::cli {
namespace {

std::string duration_of(const Json& alert, WallTime now) {
  const auto from = parse_iso8601(text_at(alert, "timestamp").value_or(""));
  const bool lasts = member_at(alert, "resolved_at").is_null();
  const auto to =
      lasts ? std::optional(now) : parse_iso8601(text_at(alert, "resolved_at").value_or(""));
  if (!from || !to) {
    return "-";
  }
  const std::string span = format_duration(std::chrono::floor<std::chrono::seconds>(*to - *from));
  return lasts ? span + ", lasts" : span;
}

}  // namespace

std::string render_alerts(const Json& answer, WallTime now, const Style& style) {
  const Json& alerts = list_at(answer, "alerts");
  if (alerts.empty()) {
    return line({{"no alerts"}}, style);
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
  return result;
}

}  // namespace levee::cli
