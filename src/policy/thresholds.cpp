#include "policy/thresholds.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

namespace levee::policy {
namespace {

constexpr double kHottest = 150;  ///< No silicon works above.

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

Result<void> not_above(std::string_view low_key, double low, std::string_view high_key, double high,
                       std::string_view unit) {
  if (low <= high) {
    return {};
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("{} = {:g}{} must not be above {} = {:g}{}", low_key, low, unit, high_key,
                          high, unit),
              fmt::format("lower {} or raise {}", low_key, high_key));
}

Result<void> temperature(std::string_view key, double value) {
  if (value > 0 && value <= kHottest) {
    return {};
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("{} = {:g} is no temperature of a GPU", key, value),
              fmt::format("give degrees Celsius above 0, at most {:g}", kHottest));
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
      percentage("gpu_memory_warning", t.gpu_memory_warning),
      percentage("gpu_memory_critical", t.gpu_memory_critical),
      percentage("gpu_memory_emergency", t.gpu_memory_emergency),
      ordered("gpu_memory_warning", t.gpu_memory_warning, "gpu_memory_critical",
              t.gpu_memory_critical, " %"),
      ordered("gpu_memory_critical", t.gpu_memory_critical, "gpu_memory_emergency",
              t.gpu_memory_emergency, " %"),
      percentage("gpu_projection_warning", t.gpu_projection_warning),
      percentage("gpu_projection_critical", t.gpu_projection_critical),
      ordered("gpu_projection_warning", t.gpu_projection_warning, "gpu_projection_critical",
              t.gpu_projection_critical, " %"),
      temperature("temp_optimal", t.temp_optimal),
      temperature("temp_critical", t.temp_critical),
      ordered("temp_optimal", t.temp_optimal, "temp_normal", t.temp_normal, " °C"),
      ordered("temp_normal", t.temp_normal, "temp_throttle", t.temp_throttle, " °C"),
      not_above("temp_throttle", t.temp_throttle, "temp_critical", t.temp_critical, " °C"),
      not_above("gpu_temperature_warning", t.gpu_temperature_warning, "temp_critical",
                t.temp_critical, " °C"),
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
