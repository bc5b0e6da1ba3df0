// The GPUs' part of the catalogue of metrics. Labels of every device series: gpu (index) and uuid.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <tuple>

#include "api/lease_json.hpp"
#include "api/metric_catalogue.hpp"
#include "policy/gpu.hpp"

namespace levee::api {
namespace {

using From = const MetricSource&;
using To = Samples&;
using enum MetricType;

constexpr std::array kLevels{Level::optimal, Level::normal, Level::throttled, Level::critical,
                             Level::unavailable};

std::string index_of(const GpuView& gpu) { return fmt::format("{}", gpu.reading->identity->index); }

/// One sample per GPU: what `value` finds in its view.
template <auto kValue>
void each(From from, To to) {
  for (const GpuView& gpu : from.view.gpus) {
    to.add(kValue(from.view, gpu), {{"gpu", index_of(gpu)}, {"uuid", gpu.reading->identity->uuid}});
  }
}

/// A figure of a fresh reading, times `1 / kDivisor`.
template <auto kMember, int kDivisor = 1>
void figure(From from, To to) {
  each<[](const View&, const GpuView& gpu) -> std::optional<double> {
    const auto& value = (*gpu.reading).*kMember;
    return gpu.fresh && value ? std::optional(static_cast<double>(*value) / kDivisor)
                              : std::nullopt;
  }>(from, to);
}

template <auto kMember>
void clock(From from, To to) {
  each<[](const View&, const GpuView& gpu) -> std::optional<double> {
    const auto& megahertz = (*gpu.reading).*kMember;
    return gpu.fresh && megahertz ? std::optional(*megahertz * 1e6) : std::nullopt;
  }>(from, to);
}

template <auto kMember>
void counter_of_health(From from, To to) {
  each<[](const View&, const GpuView& gpu) -> std::optional<double> {
    const auto& value = gpu.reading->health.*kMember;
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
  }>(from, to);
}

template <auto kPart>
void memory(From from, To to) {
  each<[](const View&, const GpuView& gpu) -> std::optional<Bytes> {
    return gpu.fresh && gpu.reading->memory ? std::optional<Bytes>((*gpu.reading->memory).*kPart)
                                            : std::nullopt;
  }>(from, to);
}

std::optional<double> seconds_to_full(const View& /*view*/, const GpuView& gpu) {
  return gpu.fresh && gpu.forecast.full ? std::optional(gpu.forecast.full->in) : std::nullopt;
}

std::optional<double> projected_ratio(const View& /*view*/, const GpuView& gpu) {
  const auto& memory = gpu.reading->memory;
  if (!gpu.fresh || !gpu.forecast.projected || !memory || memory->total == Bytes{}) {
    return std::nullopt;
  }
  return gpu.forecast.projected->bytes / static_cast<double>(memory->total.count);
}

void info_samples(From from, To to) {
  for (const GpuView& gpu : from.view.gpus) {
    const GpuIdentity& who = *gpu.reading->identity;
    to.add_flag(true, {{"gpu", index_of(gpu)},
                       {"uuid", who.uuid},
                       {"name", who.name},
                       {"vendor", to_string(who.vendor)},
                       {"pci_bus_id", who.pci_bus_id},
                       {"driver_version", who.driver_version},
                       {"parent_uuid", who.parent_uuid},
                       {"mig_profile", who.mig_profile}});
  }
}

void states(From from, To to) {
  for (const GpuView& gpu : from.view.gpus) {
    for (const Level level : kLevels) {
      to.add_flag(gpu.levels.device == level, {{"gpu", index_of(gpu)},
                                               {"uuid", gpu.reading->identity->uuid},
                                               {"state", to_string(level)}});
    }
  }
}

/// Over all whole devices: an instance's processes are its parent's, too.
void users(From from, To to) {
  std::map<std::string, Bytes> totals;
  for (const GpuView& gpu : from.view.gpus) {
    if (gpu.reading->identity->is_instance() || !gpu.fresh) {
      continue;
    }
    for (const policy::UserMemory& user : policy::memory_by_user(*gpu.reading)) {
      totals[user.user] += user.memory;
    }
  }
  for (const auto& [user, bytes] : totals) {
    to.add(std::optional(bytes), {{"user", user}});
  }
}

/// The largest processes, so many as metrics.processes allows: pids come and go, and every one of
/// them would be a series for ever.
void processes(From from, To to) {
  struct Row {
    const GpuView* gpu;
    const GpuProcess* process;
  };
  std::vector<Row> rows;
  for (const GpuView& gpu : from.view.gpus) {
    if (gpu.reading->processes && gpu.fresh && !gpu.reading->identity->is_instance()) {
      for (const GpuProcess& process : *gpu.reading->processes) {
        rows.push_back({&gpu, &process});
      }
    }
  }
  std::ranges::sort(rows, [](const Row& a, const Row& b) {
    const Bytes of_a = a.process->memory.value_or(Bytes{});
    const Bytes of_b = b.process->memory.value_or(Bytes{});
    return std::tie(of_b, a.process->pid) < std::tie(of_a, b.process->pid);
  });
  const auto most = static_cast<std::size_t>(from.view.settings->config().metrics.processes);
  rows.resize(std::min(rows.size(), most));
  static const ProcessIdentity kNobody;
  for (const auto& [gpu, process] : rows) {
    const ProcessIdentity& who = process->identity ? *process->identity : kNobody;
    to.add(process->memory, {{"gpu", index_of(*gpu)},
                             {"uuid", gpu->reading->identity->uuid},
                             {"pid", fmt::format("{}", process->pid)},
                             {"user", who.user},
                             {"comm", who.comm},
                             {"container", who.container}});
  }
}

constexpr std::array kMetrics{
    Metric{"levee_gpu", info, "", "The GPUs of this machine.", info_samples},
    Metric{
        "levee_gpu_up", gauge, "",
        "1 when the GPU answers and was read recently enough to judge by it, else 0.",
        each<[](const View&, const GpuView& gpu) { return std::optional(gpu.fresh ? 1.0 : 0.0); }>},
    Metric{"levee_gpu_sample_age_seconds", gauge, "seconds", "Age of the GPU's last reading.",
           [](From from, To to) {
             for (const GpuView& gpu : from.view.gpus) {
               to.add(Seconds(from.now - gpu.reading->read_at).count(),
                      {{"gpu", index_of(gpu)}, {"uuid", gpu.reading->identity->uuid}});
             }
           }},
    Metric{"levee_gpu_memory_total_bytes", gauge, "bytes", "Memory of the GPU.",
           memory<&GpuMemory::total>},
    Metric{"levee_gpu_memory_used_bytes", gauge, "bytes",
           "GPU memory in use, without what the driver keeps for itself.",
           memory<&GpuMemory::used>},
    Metric{"levee_gpu_memory_free_bytes", gauge, "bytes", "GPU memory that is free.",
           memory<&GpuMemory::free>},
    Metric{"levee_gpu_memory_reserved_bytes", gauge, "bytes",
           "GPU memory the driver keeps for itself.", each<[](const View&, const GpuView& gpu) {
             return gpu.fresh && gpu.reading->memory ? gpu.reading->memory->reserved : std::nullopt;
           }>},
    Metric{"levee_gpu_memory_balloon_bytes", gauge, "bytes",
           "GPU memory that balloons of Levee hold; a part of what is in use.",
           memory<&GpuMemory::balloons>},
    Metric{"levee_gpu_memory_unattributed_bytes", gauge, "bytes",
           "GPU memory in use that no process the driver names explains.",
           each<[](const View&, const GpuView& gpu) {
             return gpu.fresh ? policy::unattributed_memory(*gpu.reading) : std::nullopt;
           }>},
    Metric{"levee_gpu_memory_available_bytes", gauge, "bytes",
           "GPU memory that may still be granted.", each<available_memory>},
    Metric{"levee_gpu_memory_committed_bytes", gauge, "bytes",
           "GPU memory that is promised or in use, whichever is more for each account.",
           each<[](const View& view, const GpuView& gpu) -> std::optional<Bytes> {
             const DeviceLine* const line = line_of(view, gpu.reading->identity->uuid);
             return line != nullptr ? std::optional(line->committed) : std::nullopt;
           }>},
    Metric{"levee_gpu_pressure_ratio", gauge, "ratio",
           "Share of the GPU's memory that is not free, without balloons, 0 to 1.",
           each<[](const View&, const GpuView& gpu) -> std::optional<double> {
             return gpu.fresh && gpu.reading->memory
                        ? std::optional(gpu.reading->memory->percent_without_balloons() / 100)
                        : std::nullopt;
           }>},
    Metric{"levee_gpu_seconds_to_full", gauge, "",
           "Seconds until the GPU's memory is full if it fills as it does; absent without an "
           "estimate.",
           each<seconds_to_full>},
    Metric{"levee_gpu_memory_projected_ratio", gauge, "ratio",
           "Share of the GPU's memory that will be used in a minute, 0 to 1.",
           each<projected_ratio>},
    Metric{"levee_gpu_temperature_celsius", gauge, "celsius", "Temperature of the GPU.",
           figure<&GpuReading::temperature_celsius>},
    Metric{"levee_gpu_memory_temperature_celsius", gauge, "celsius",
           "Temperature of the GPU's memory.", figure<&GpuReading::memory_temperature_celsius>},
    Metric{"levee_gpu_utilization_ratio", gauge, "ratio",
           "Share of time in which at least one kernel ran, 0 to 1.",
           figure<&GpuReading::utilization_percent, 100>},
    Metric{"levee_gpu_memory_utilization_ratio", gauge, "ratio",
           "Share of time in which GPU memory was read or written, 0 to 1.",
           figure<&GpuReading::memory_utilization_percent, 100>},
    Metric{"levee_gpu_power_watts", gauge, "watts", "Power the GPU draws.",
           figure<&GpuReading::power_watts>},
    Metric{"levee_gpu_power_limit_watts", gauge, "watts", "Power limit in force.",
           figure<&GpuReading::power_limit_watts>},
    Metric{"levee_gpu_fan_ratio", gauge, "ratio", "Speed of the fan, 0 to 1.",
           figure<&GpuReading::fan_percent, 100>},
    Metric{"levee_gpu_core_clock_hertz", gauge, "hertz", "Clock of the GPU's cores.",
           clock<&GpuReading::core_clock_mhz>},
    Metric{"levee_gpu_memory_clock_hertz", gauge, "hertz", "Clock of the GPU's memory.",
           clock<&GpuReading::memory_clock_mhz>},
    Metric{"levee_gpu_ecc_corrected_errors", counter, "", "Memory errors that were corrected.",
           counter_of_health<&GpuHealthCounters::ecc_corrected>},
    Metric{"levee_gpu_ecc_uncorrected_errors", counter, "",
           "Memory errors that could not be corrected.",
           counter_of_health<&GpuHealthCounters::ecc_uncorrected>},
    Metric{"levee_gpu_remapped_rows_uncorrected", gauge, "",
           "Rows remapped, or pages retired, for uncorrectable errors.",
           counter_of_health<&GpuHealthCounters::remapped_uncorrected>},
    Metric{"levee_gpu_last_xid", gauge, "", "The last error number of the driver for this GPU.",
           each<[](const View&, const GpuView& gpu) -> std::optional<double> {
             return gpu.xids.empty() ? std::nullopt
                                     : std::optional(static_cast<double>(gpu.xids.back().code));
           }>},
    Metric{"levee_gpu_processes", gauge, "", "Processes on the GPU.",
           each<[](const View&, const GpuView& gpu) -> std::optional<double> {
             return gpu.fresh && gpu.reading->processes
                        ? std::optional(static_cast<double>(gpu.reading->processes->size()))
                        : std::nullopt;
           }>},
    Metric{"levee_gpu_state", gauge, "", "1 for the state the GPU is in, else 0.", states},
    Metric{"levee_gpu_speed_multiplier", gauge, "", "How fast jobs on the GPU should run, 0 to 1.",
           each<[](const View&, const GpuView& gpu) {
             return std::optional(gpu.advice.speed_multiplier);
           }>},
    Metric{
        "levee_user_gpu_memory_bytes", gauge, "bytes",
        "GPU memory of each user's processes on all devices; ? for processes that cannot be seen.",
        users},
    Metric{"levee_process_gpu_memory_bytes", gauge, "bytes",
           "GPU memory of the largest processes, as many as metrics.processes says.", processes},
};
static_assert(is_well_formed(kMetrics));

}  // namespace

std::span<const Metric> gpu_metrics() { return kMetrics; }

}  // namespace levee::api
