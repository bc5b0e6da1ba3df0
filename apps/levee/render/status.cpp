#include "render/status.hpp"

#include <fmt/format.h>

#include <cmath>

#include "cli/time_text.hpp"
#include "levee/bytes.hpp"
#include "levee/version.hpp"
#include "render/forecast.hpp"
#include "render/gpus.hpp"

namespace levee::cli {
namespace {

constexpr std::size_t kShownProcesses = 3;

/// `value` in whole MiB.
std::string mib_text(std::optional<double> bytes) {
  return bytes ? fmt::format("{:.0f}", *bytes / static_cast<double>(kMiB)) : "-";
}

std::string percent_text(std::optional<double> percent) {
  return percent ? fmt::format("{:.0f} %", *percent) : "-";
}

Bytes bytes_of(double count) {
  return Bytes{count > 0 ? static_cast<std::uint64_t>(count) : std::uint64_t{0}};
}

/// As people write the unit of an alert; a multiplier has none.
std::string_view unit_of(const Json& alert) {
  const std::string unit = text_at(alert, "unit").value_or("");
  return unit == "GB" ? " GB" : unit == "celsius" ? " °C" : unit == "multiplier" ? "x" : " %";
}

/// "alice:python/5204".
std::string name_of(const Json& process) {
  const auto pid = number_at(process, "pid");
  return fmt::format("{}:{}/{}", text_at(process, "user").value_or("-"),
                     text_at(process, "comm").value_or("-"),
                     pid ? fmt::format("{:.0f}", *pid) : "-");
}

std::string source_text(const Json& overview, Source source) {
  switch (source) {
    case Source::one_look:
      return "no daemon: one look";
    case Source::one_look_beside_a_silent_daemon:
      return "daemon silent: one look";
    case Source::daemon:
      break;
  }
  const auto pid = number_at(overview, "daemon", "pid");
  return fmt::format("daemon pid {}", pid ? fmt::format("{:.0f}", *pid) : "-");
}

std::string head(const Json& overview, Source source, const Style& style) {
  const auto time = parse_iso8601(text_at(overview, "query_time").value_or(""));
  const std::string version =
      text_at(overview, "daemon", "version").value_or(std::string(kVersion));
  return line(
      {{text_at(overview, "hostname").value_or("-"), Color::bold},
       {fmt::format("  {}", time ? date_and_time(*time, style.utc) : "-")},
       {text_at(overview, "driver_version") ? "  " + *text_at(overview, "driver_version") : ""},
       {fmt::format("  levee {} ({})", version, source_text(overview, source)), Color::gray}},
      style);
}

/// The largest processes, gpustat's way: "alice:python/5204(811M)".
std::string largest(const Json& overview) {
  std::string result;
  std::size_t count = 0;
  for (const Json& process : list_at(overview, "processes")) {
    if (count++ == kShownProcesses) {
      break;
    }
    result += fmt::format("{}{}({}M)", result.empty() ? "" : " ", name_of(process),
                          mib_text(number_at(process, "rss_bytes")));
  }
  return result.empty() ? "-" : result;
}

std::string swap_text(const Json& host) {
  const auto total = number_at(host, "swap_total_bytes");
  if (!total || *total <= 0) {
    return "-";  // Unknown, or there is none.
  }
  return fmt::format("{} / {} MiB", mib_text(number_at(host, "swap_used_bytes")), mib_text(total));
}

std::string host_line(const Json& overview, const Style& style) {
  const Json& host = member_at(overview, "host");
  const std::string state = text_at(overview, "state").value_or("unavailable");
  const auto speed = number_at(overview, "speed_multiplier");
  const bool limited = member_at(host, "ceiling").is_object();
  const bool stale = truth_at(host, "stale").value_or(!host.is_object());
  const std::string memory = fmt::format(
      "{:>6} / {} MiB ({})", mib_text(number_at(host, "used_bytes")),
      mib_text(number_at(host, "total_bytes")), percent_text(number_at(host, "used_percent")));
  const std::string full = full_text(member_at(overview, "host_forecast"));
  return line({{limited ? "[host] cgroup memory" : "[host] Linux memory"},
               {fmt::format(" | cpu {} | ", percent_text(number_at(host, "cpu_percent")))},
               {memory, stale ? Color::gray : color_of_state(state)},
               {fmt::format(" | {} | ", largest(overview))},
               {fmt::format("{} {}", state, speed ? fmt::format("{:.1f}x", *speed) : "-"),
                color_of_state(state)},
               {fmt::format(" | swap {}", swap_text(host))},
               {full.empty() ? "" : " | " + full}},
              style);
}

std::string alert_line(const Json& alert, std::optional<WallTime> now, const Style& style) {
  const std::string severity = text_at(alert, "severity").value_or("-");
  const auto since = parse_iso8601(text_at(alert, "timestamp").value_or(""));
  const std::string culprit = process_text(member_at(alert, "culprit"));
  const std::string lasts =
      since && now
          ? fmt::format(" for {}",
                        format_duration(std::chrono::floor<std::chrono::seconds>(*now - *since)))
          : "";
  const auto gpu = number_at(alert, "gpu_id");
  return line(
      {{fmt::format("  {:<9}", severity), color_of_severity(severity)},
       {fmt::format(" {}{}: {}{}", text_at(alert, "type").value_or("-"),
                    gpu ? fmt::format(" of GPU {:.0f}", *gpu) : "", crossing_text(alert), lasts)},
       {culprit.empty() ? "" : fmt::format(" by {}", culprit), Color::bold}},
      style);
}

std::string alerts(const Json& overview, const Style& style) {
  const auto now = parse_iso8601(text_at(overview, "query_time").value_or(""));
  std::string result;
  for (const Json& alert : list_at(overview, "alerts", "active")) {
    if (result.empty()) {
      result += line({{"alerts:", Color::bold}}, style);
    }
    result += alert_line(alert, now, style);
  }
  // Health looks back five minutes; without this line it would contradict what stands above.
  const std::string health = text_at(overview, "health").value_or("unknown");
  if (result.empty() && (health == "moderate" || health == "critical")) {
    result = line({{fmt::format("health: {}", health), Color::orange},
                   {" (an alert in the last 5 minutes, over now: see `levee alerts`)"}},
                  style);
  }
  return result;
}

std::string trouble(std::string_view what, std::string_view hint, const Style& style) {
  std::string result = line({{"trouble: ", Color::orange}, {std::string(what)}}, style);
  if (!hint.empty()) {
    result += line({{fmt::format("  hint: {}", hint)}}, style);
  }
  return result;
}

std::string troubles(const Json& overview, const Style& style) {
  std::string result;
  for (const Json& each : list_at(overview, "troubles")) {
    result += trouble(fmt::format("{}: {}", text_at(each, "source").value_or("-"),
                                  text_at(each, "detail").value_or("-")),
                      text_at(each, "hint").value_or(""), style);
  }
  const Json& store = member_at(overview, "store");
  const std::string reason = text_at(store, "reason").value_or("");
  if (truth_at(store, "enabled") == true && truth_at(store, "durable") == false &&
      !reason.empty()) {
    result += trouble("history is kept in memory only: " + reason, "", style);
  }
  if (truth_at(overview, "host", "stale") == true) {
    const auto age = number_at(overview, "sample_age_seconds");
    result += trouble(
        fmt::format("the host's figures are {} old", age ? fmt::format("{:.0f} s", *age) : "too"),
        "nothing is judged by them; see `levee doctor`", style);
  }
  return result;
}

}  // namespace

std::string process_text(const Json& process) {
  if (!process.is_object()) {
    return {};
  }
  const auto on_gpu = number_at(process, "gpu_memory_bytes");
  const auto rss = on_gpu ? on_gpu : number_at(process, "rss_bytes");
  std::string result =
      fmt::format("{} ({}", name_of(process), rss ? format_bytes(bytes_of(*rss)) : "-");
  const auto growth = number_at(process, "growth_bytes_per_second");
  if (const std::string text = growth_text(growth.value_or(0)); !text.empty()) {
    result += ", " + text;
  }
  return result + ")";
}

std::string growth_text(double bytes_per_second) {
  const double per_minute = bytes_per_second * 60;
  if (std::abs(per_minute) < static_cast<double>(kMiB) / 10) {
    return {};
  }
  return fmt::format("{}{}/min", per_minute > 0 ? "+" : "-",
                     format_bytes(bytes_of(std::abs(per_minute))));
}

std::string value_text(const Json& alert) {
  const auto value = number_at(alert, "value");
  return value ? fmt::format("{:.1f}{}", *value, unit_of(alert)) : "-";
}

std::string threshold_text(const Json& alert) {
  const auto threshold = number_at(alert, "threshold");
  const std::string type = text_at(alert, "type").value_or("");
  const char* const sign = type == "host_available" || type == "throttle_state" ? "<" : ">";
  return threshold ? fmt::format("{} {:.4g}{}", sign, *threshold, unit_of(alert)) : "-";
}

std::string crossing_text(const Json& alert) {
  return fmt::format("{} {}", value_text(alert), threshold_text(alert));
}

std::string render_status(const Json& overview, Source source, const Style& style) {
  return head(overview, source, style) + gpu_lines(overview, style) + host_line(overview, style) +
         alerts(overview, style) + troubles(overview, style);
}

}  // namespace levee::cli
