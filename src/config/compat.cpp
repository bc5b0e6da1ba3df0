#include "config/compat.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

namespace levee::config {
namespace {

Value unchanged(double number, const Config& /*config*/) { return number; }

Value gigabytes(double number, const Config& /*config*/) { return fmt::format("{:f}GB", number); }

/// A number of samples as a time. It only ever lengthens the history: the 300 samples that were
/// documented are shorter than the 600 s that were documented to be asked for (contract F-11).
Value samples(double number, const Config& config) {
  const std::chrono::duration<double> interval = config.monitoring_interval;
  const auto default_seconds = static_cast<double>(Config{}.history_seconds.count());
  return std::max(default_seconds, std::ceil(number * interval.count()));
}

/// In the order in which they are read: the interval before what is counted in samples.
constexpr std::array kNames{
    CompatName{"MEMORY_WARNING_GB", "host_available_warning", "gigabytes", gigabytes},
    CompatName{"MEMORY_CRITICAL_GB", "host_available_emergency", "gigabytes", gigabytes},
    CompatName{"MUSICGEN_MEMORY_PRESSURE_THRESHOLD", "memory_pressure_threshold",
               "a fraction of memory", unchanged},
    CompatName{"MUSICGEN_MONITORING_INTERVAL", "monitoring_interval", "seconds", unchanged},
    CompatName{"MUSICGEN_HISTORY_SIZE", "history_seconds",
               "samples; times the monitoring interval, but never below 900 seconds", samples},
    CompatName{"MUSICGEN_MODEL_CACHE_SIZE", "model_cache_size", "models", unchanged},
    CompatName{"MUSICGEN_MODEL_CACHE_DIR", "model_cache_dir", "no number: a path", nullptr},
};

}  // namespace

std::span<const CompatName> compat_names() { return kNames; }

}  // namespace levee::config
