#include "cli/time_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

namespace levee::cli {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  double milliseconds;
};
constexpr std::array kUnits{Unit{"ms", 1},      Unit{"", 1e3},     Unit{"s", 1e3},
                            Unit{"m", 60e3},    Unit{"min", 60e3}, Unit{"h", 3600e3},
                            Unit{"d", 86'400e3}};

std::string span_text(milliseconds span) {
  return span.count() % 1000 == 0 ? format_duration(std::chrono::floor<std::chrono::seconds>(span))
                                  : fmt::format("{}ms", span.count());
}

std::tm broken_down(WallTime time, bool utc) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm result{};
  // Cannot fail: the year of every WallTime fits into an int.
  static_cast<void>(utc ? ::gmtime_r(&seconds, &result) : ::localtime_r(&seconds, &result));
  return result;
}

}  // namespace

std::string date_and_time(WallTime time, bool utc) {
  const std::tm parts = broken_down(time, utc);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string time_of_day(WallTime time, bool utc) {
  const std::tm parts = broken_down(time, utc);
  return fmt::format("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec);
}

Result<milliseconds> parse_span(std::string_view text, std::string_view option, milliseconds least,
                                milliseconds most) {
  const auto refuse = [&](std::string_view what) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is \"{}\", which {}", option, text, what),
                fmt::format("give seconds (90) or a time with a unit (500ms, 90s, 15m, 24h, 30d), "
                            "from {} to {}",
                            span_text(least), span_text(most)));
  };
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const std::string_view unit_name(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const auto* const unit = std::ranges::find(kUnits, unit_name, &Unit::name);
  if (error != std::errc{} || unit == kUnits.end() || !std::isfinite(value)) {
    return refuse("is no time");
  }
  const double result = value * unit->milliseconds;
  if (result < static_cast<double>(least.count()) || result > static_cast<double>(most.count())) {
    return refuse("is out of range");
  }
  return milliseconds{std::llround(result)};
}

Result<long> parse_count(std::string_view text, std::string_view option, long least, long most) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} is \"{}\"", option, text),
                fmt::format("give a whole number from {} to {}", least, most));
  }
  return value;
}

}  // namespace levee::cli
