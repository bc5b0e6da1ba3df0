#include "policy/thresholds.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

namespace levee::policy {
namespace {

/// Machines below this get their absolute lines capped (F-31).
constexpr Bytes kSmallMachine = gib(16);

Result<void> ordered(std::string_view low_key, double low, std::string_view high_key, double high,
                     std::string_view unit) {
  if (low < high) {
    return {};
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("{} = {:g}{} must be below {} = {:g}{}", low_key, low, unit, high_key,
                          high, unit),
              fmt::format("lower {} or raise {}", low_key, high_key));
}

Result<void> percentage(std::string_view key, double value) {
  if (value > 0 && value <= 100) {
    return {};
  }
  return fail(ErrorCode::invalid_argument, fmt::format("{} = {:g} is not a percentage", key, value),
              "give a number above 0, at most 100");
}

}  // namespace

Result<void> validate(const Thresholds& t) {
  const auto each = {
      percentage("memory_optimal", t.memory_optimal),
      percentage("memory_normal", t.memory_normal),
      percentage("memory_critical", t.memory_critical),
      percentage("cpu_memory_warning", t.cpu_memory_warning),
      percentage("cpu_memory_critical", t.cpu_memory_critical),
      ordered("memory_optimal", t.memory_optimal, "memory_normal", t.memory_normal, " %"),
      ordered("memory_normal", t.memory_normal, "memory_critical", t.memory_critical, " %"),
      ordered("cpu_memory_warning", t.cpu_memory_warning, "cpu_memory_critical",
              t.cpu_memory_critical, " %"),
      ordered("host_available_emergency", to_gb(t.host_available_emergency),
              "host_available_warning", to_gb(t.host_available_warning), " GB")};
  for (const Result<void>& check : each) {
    if (!check) {
      return check;
    }
  }
  if (!(t.hysteresis >= 0 && t.hysteresis < t.memory_optimal)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("hysteresis = {:g} points is out of range", t.hysteresis),
                "give a number from 0 up to below memory_optimal");
  }
  if (!(t.memory_pressure_threshold > 0 && t.memory_pressure_threshold <= 1)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("memory_pressure_threshold = {:g} is not a fraction",
                            t.memory_pressure_threshold),
                "give a number above 0, at most 1; 85 % is 0.85");
  }
  return {};
}

HostLines host_lines(Bytes total, const Thresholds& thresholds) {
  HostLines lines{thresholds.host_available_warning, thresholds.host_available_emergency, false};
  if (total < kSmallMachine) {
    const Bytes warning = std::min(lines.warning, Bytes{total.count / 4});
    const Bytes emergency = std::min(lines.emergency, Bytes{total.count / 8});
    lines.capped = warning != lines.warning || emergency != lines.emergency;
    lines.warning = warning;
    lines.emergency = emergency;
  }
  return lines;
}

}  // namespace levee::policy
