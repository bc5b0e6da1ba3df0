#include "render/forecast.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <utility>

#include "core/time.hpp"
#include "levee/bytes.hpp"
#include "render/status.hpp"

namespace levee::cli {
namespace {

constexpr double kLongest = 1e15;  ///< Of a count that becomes an integer.

std::string bytes_text(std::optional<double> bytes) {
  return bytes ? format_bytes(Bytes{static_cast<std::uint64_t>(std::clamp(*bytes, 0.0, 1e19))})
               : "-";
}

/// "20 s", "4 min", "1.5 h": as exact as a forecast is.
std::string about(double seconds) {
  if (seconds < 90) {
    return fmt::format("{:.0f} s", seconds);
  }
  return seconds < 5400 ? fmt::format("{:.0f} min", seconds / 60)
                        : fmt::format("{:.1f} h", seconds / 3600);
}

std::string span_text(double seconds) {
  return format_duration(
      std::chrono::seconds(static_cast<std::int64_t>(std::clamp(seconds, 0.0, kLongest))));
}

/// Why there is no estimate, in words.
std::string reason_text(std::string_view reason) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kReasons{{
      {"too_few_samples", "fewer than 5 samples in the window"},
      {"stale", "the newest sample is too old"},
      {"no_limit", "nobody said what full means (--limit)"},
      {"just_changed", "it changed a moment ago; a few samples from now there will be one"},
      {"not_growing", "it does not grow"},
      {"saw_tooth", "it goes up and down, and its peaks do not rise"},
      {"levels_off", "it grows more and more slowly, and stays below the limit"},
      {"too_far", "too far away to tell from what was seen"},
  }};
  for (const auto& [name, text] : kReasons) {
    if (name == reason) {
      return std::string(text);
    }
  }
  return std::string(reason);
}

std::string full_sentence(const Json& forecast) {
  const auto in = number_at(forecast, "full_in_seconds");
  if (!in) {
    return fmt::format("no estimate: {}",
                       reason_text(text_at(forecast, "no_estimate").value_or("-")));
  }
  const auto soonest = number_at(forecast, "full_soonest_seconds").value_or(*in);
  const auto latest = number_at(forecast, "full_latest_seconds");
  return fmt::format("in ~{} (from {}{})", about(*in), about(soonest),
                     latest ? " to " + about(*latest) : ", or never");
}

std::string leak_sentence(const Json& leak) {
  const std::string verdict = text_at(leak, "verdict").value_or("unknown");
  const std::string watched = span_text(number_at(leak, "watched_seconds").value_or(0));
  if (verdict == "unknown") {
    return fmt::format("unknown: {} are too little to tell", watched);
  }
  if (verdict != "leaking") {
    return fmt::format("none found in {}", watched);
  }
  const auto to_limit = number_at(leak, "seconds_to_limit");
  return fmt::format("memory leak detected: {}/h (from {} to {}), over {}{}",
                     bytes_text(number_at(leak, "bytes_per_hour")),
                     bytes_text(number_at(leak, "low_bytes_per_hour")),
                     bytes_text(number_at(leak, "high_bytes_per_hour")),
                     span_text(number_at(leak, "evidence_seconds").value_or(0)),
                     to_limit ? fmt::format("; at the limit in ~{}", about(*to_limit)) : "");
}

}  // namespace

std::string full_text(const Json& forecast) {
  const auto in = number_at(forecast, "full_in_seconds");
  if (!in) {
    return {};
  }
  std::string text = fmt::format("full in ~{}", about(*in));
  const Json& growers = list_at(forecast, "growers", "processes");
  if (!growers.empty()) {
    const Json& first = growers.front();
    const auto pid = number_at(first, "pid");
    text +=
        fmt::format(": {}/{} {} {}", text_at(first, "user").value_or("-"),
                    text_at(first, "comm").value_or("-"), pid ? fmt::format("{:.0f}", *pid) : "-",
                    growth_text(number_at(first, "bytes_per_second").value_or(0)));
  }
  return text;
}

std::string render_forecast(const Json& forecast, const Json& leak, const Style& style) {
  const auto row = [&](std::string_view name, const std::string& text, Color color = Color::plain) {
    return line({{fmt::format("{:<10}", name), Color::bold}, {text, color}}, style);
  };
  const Json& projected = member_at(forecast, "projected");
  const auto percent = number_at(projected, "percent");
  const std::string growth = growth_text(number_at(forecast, "bytes_per_second").value_or(0));
  std::string result =
      row("now", fmt::format("{}, {}{}", bytes_text(number_at(forecast, "level_bytes")),
                             text_at(forecast, "pattern").value_or("unknown"),
                             growth.empty() ? "" : " " + growth));
  result += row(fmt::format("in {}", about(number_at(projected, "ahead_seconds").value_or(0))),
                projected.is_object()
                    ? fmt::format("{} (from {} to {}){}", bytes_text(number_at(projected, "bytes")),
                                  bytes_text(number_at(projected, "low_bytes")),
                                  bytes_text(number_at(projected, "high_bytes")),
                                  percent ? fmt::format(", {:.1f} % of the limit", *percent) : "")
                    : "-");
  const bool is_filling = number_at(forecast, "full_in_seconds").has_value();
  result += row("full", full_sentence(forecast), is_filling ? Color::orange : Color::plain);
  if (leak.is_object()) {
    const bool leaks = text_at(leak, "verdict") == "leaking";
    result += row("leak", leak_sentence(leak), leaks ? Color::red : Color::plain);
  }
  return result;
}

}  // namespace levee::cli
