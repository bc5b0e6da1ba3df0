#include "policy/alert_rules.hpp"

#include <fmt/core.h>

#include "control/throttle.hpp"
#include "policy/state.hpp"

namespace levee::policy {
namespace {

/// `cpu_memory`: percent of host memory used; strictly greater fires.
std::optional<Crossing> cpu_memory(const HostReading& host, const Thresholds& t) {
  const double percent = host.used_percent();
  if (percent > t.cpu_memory_critical) {
    return Crossing{Severity::critical, percent, t.cpu_memory_critical,
                    "Critical CPU memory usage"};
  }
  if (percent > t.cpu_memory_warning) {
    return Crossing{Severity::warning, percent, t.cpu_memory_warning, "High CPU memory usage"};
  }
  return std::nullopt;
}

/// `host_available`: GB that may still be allocated; strictly less fires. The guard, which looks
/// more often and ahead, counts too: at its word the line is reached, even between two readings.
std::optional<Crossing> host_available(const HostReading& host, bool guard_at_line,
                                       const Thresholds& t) {
  const HostLines lines = host_lines(host.total, t);
  const double available = to_gb(host.available);
  const bool is_below = host.available < lines.emergency;
  if (is_below || guard_at_line) {
    return Crossing{Severity::emergency, available, to_gb(lines.emergency),
                    is_below ? "Available memory is below the emergency line"
                             : "Available memory just touched the emergency line, or soon will"};
  }
  if (host.available < lines.warning) {
    return Crossing{Severity::warning, available, to_gb(lines.warning), "Available memory is low"};
  }
  return std::nullopt;
}

/// `gpu_memory`: percent of a GPU's memory used; strictly greater fires.
std::optional<Crossing> gpu_memory(double percent, const Thresholds& t) {
  if (percent > t.gpu_memory_emergency) {
    return Crossing{Severity::emergency, percent, t.gpu_memory_emergency,
                    "GPU memory is nearly full"};
  }
  if (percent > t.gpu_memory_critical) {
    return Crossing{Severity::critical, percent, t.gpu_memory_critical,
                    "Critical GPU memory usage"};
  }
  if (percent > t.gpu_memory_warning) {
    return Crossing{Severity::warning, percent, t.gpu_memory_warning, "High GPU memory usage"};
  }
  return std::nullopt;
}

/// `gpu_temperature`: strictly greater fires; at the device's own slowdown temperature it is an
/// emergency.
std::optional<Crossing> gpu_temperature(double celsius, std::optional<double> slowdown,
                                        const Thresholds& t) {
  if (slowdown && celsius >= *slowdown) {
    return Crossing{Severity::emergency, celsius, *slowdown, "GPU slows itself down from heat"};
  }
  if (celsius > t.temp_critical) {
    return Crossing{Severity::critical, celsius, t.temp_critical, "Critical GPU temperature"};
  }
  if (celsius > t.gpu_temperature_warning) {
    return Crossing{Severity::warning, celsius, t.gpu_temperature_warning, "High GPU temperature"};
  }
  return std::nullopt;
}

/// `throttle_state`: work on this GPU is slowed down or paused. Value and threshold are speed
/// multipliers.
std::optional<Crossing> throttle_state(Level level) {
  const double multiplier = control::multiplier_of(level);
  if (level == Level::critical) {
    return Crossing{Severity::critical, multiplier, control::multiplier_of(Level::throttled),
                    "GPU is critical: work should pause"};
  }
  if (level == Level::throttled) {
    return Crossing{Severity::warning, multiplier, control::multiplier_of(Level::normal),
                    "GPU is throttled: work should slow down"};
  }
  return std::nullopt;
}

/// `gpu_projection`: percent of a GPU's memory that will be used in a minute, while it grows: what
/// is full and stays so is the matter of `gpu_memory`. Strictly greater fires.
std::optional<Crossing> gpu_projection(double percent, const Thresholds& t) {
  const auto crossing = [&](Severity severity, double threshold) {
    return Crossing{severity, percent, threshold,
                    fmt::format("Projected to reach {:.1f}% memory usage in 60 seconds", percent)};
  };
  if (percent > t.gpu_projection_critical) {
    return crossing(Severity::critical, t.gpu_projection_critical);
  }
  if (percent > t.gpu_projection_warning) {
    return crossing(Severity::warning, t.gpu_projection_warning);
  }
  return std::nullopt;
}

void judge_gpu(std::vector<Judgement>& judgements, const GpuReading& gpu,
               const GpuJudgement& judged, const Thresholds& t, MonoTime now) {
  const bool usable = is_judged(gpu, t, now);
  // On unified memory the host's alerts speak for the one pool.
  if (!gpu.identity->unified_memory) {
    const bool known = usable && gpu.memory.has_value();
    judgements.push_back(
        {AlertType::gpu_memory, &gpu, known,
         known ? gpu_memory(gpu.memory->percent_without_balloons(), t) : std::nullopt});
    const bool is_projected = usable && judged.projected_percent.has_value();
    judgements.push_back({AlertType::gpu_projection, &gpu, is_projected,
                          is_projected && judged.is_filling
                              ? gpu_projection(*judged.projected_percent, t)
                              : std::nullopt});
  }
  if (!gpu.identity->is_instance()) {
    const bool known = usable && gpu.temperature_celsius.has_value();
    judgements.push_back({AlertType::gpu_temperature, &gpu, known,
                          known ? gpu_temperature(*gpu.temperature_celsius, gpu.slowdown_celsius, t)
                                : std::nullopt});
  }
  judgements.push_back({AlertType::throttle_state, &gpu, judged.levels.device != Level::unavailable,
                        throttle_state(judged.levels.device)});
}

std::string who(const Culprit& culprit) {
  return culprit.comm.empty()
             ? fmt::format("process {}", culprit.id.pid)
             : fmt::format("process {} ({}, user {})", culprit.id.pid, culprit.comm, culprit.user);
}

}  // namespace

std::vector<Judgement> judge(const Snapshot& snapshot, std::span<const GpuJudgement> gpus,
                             const Thresholds& thresholds) {
  const HostReading* host = fresh_host(snapshot, thresholds);
  const bool has_host = host != nullptr;
  std::vector<Judgement> judgements{
      {AlertType::cpu_memory, nullptr, has_host,
       has_host ? cpu_memory(*host, thresholds) : std::nullopt},
      {AlertType::host_available, nullptr, has_host,
       has_host ? host_available(*host, snapshot.brake_line_reached, thresholds) : std::nullopt}};
  for (std::size_t i = 0; i < snapshot.gpus.size(); ++i) {
    judge_gpu(judgements, snapshot.gpus[i], gpus[i], thresholds, snapshot.at.mono);
  }
  return judgements;
}

std::vector<std::string> recommendations(const Judgement& judgement,
                                         const std::optional<Culprit>& culprit) {
  std::vector<std::string> advice;
  if (judgement.type == AlertType::gpu_temperature) {
    advice = {"Check the cooling of this GPU: fans, air flow, dust",
              "Lower the load or the power limit until it is cooler"};
    return advice;
  }
  if (culprit) {
    advice.push_back(fmt::format("Look at {}: it {}", who(*culprit),
                                 culprit->growth_per_second ? "grows" : "is the largest"));
  }
  const Severity severity = judgement.crossing->severity;
  if (judgement.gpu != nullptr) {
    advice.emplace_back("Clear framework caches, for example torch.cuda.empty_cache()");
    advice.emplace_back("Reduce batch size or context length of the jobs on this GPU");
    if (severity >= Severity::critical) {
      advice.emplace_back("Move a job to another GPU, or stop one, before an allocation fails");
    }
    return advice;
  }
  advice.emplace_back("Reduce batch sizes, data-loader workers or model caches of running jobs");
  if (severity >= Severity::critical) {
    advice.emplace_back("Stop or restart a job before the kernel kills one");
  }
  return advice;
}

}  // namespace levee::policy
