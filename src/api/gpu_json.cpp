#include "api/gpu_json.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/forecast_json.hpp"
#include "api/json_parts.hpp"
#include "api/lease_json.hpp"
#include "policy/xid.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr std::chrono::minutes kTrendSpan{5};

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json() : ordered_json(text);
}

/// MiB, as every GPU tool shows memory.
ordered_json mib_or_null(std::optional<Bytes> bytes) {
  return bytes ? ordered_json(bytes->count / kMiB) : ordered_json();
}

ordered_json whole_or_null(std::optional<double> value) {
  return value ? ordered_json(static_cast<std::int64_t>(std::llrint(*value))) : ordered_json();
}

template <class T>
std::optional<Bytes> memory_part(const GpuReading& gpu, T part) {
  return gpu.memory ? std::optional<Bytes>(std::invoke(part, *gpu.memory)) : std::nullopt;
}

std::optional<double> memory_percent(const GpuReading& gpu) {
  return gpu.memory ? std::optional(gpu.memory->percent()) : std::nullopt;
}

std::string capability_text(const ComputeCapability& capability) {
  return fmt::format("{}.{}", capability.major, capability.minor);
}

ordered_json identity_json(const GpuIdentity& who) {
  return {{"gpu_id", who.index},
          {"uuid", who.uuid},
          {"name", who.name},
          {"vendor", to_string(who.vendor)},
          {"pci_bus_id", text_or_null(who.pci_bus_id)},
          {"driver_version", text_or_null(who.driver_version)},
          {"minor", or_null(who.minor)},
          {"compute_capability", who.compute_capability
                                     ? ordered_json(capability_text(*who.compute_capability))
                                     : ordered_json()},
          {"unified_memory", who.unified_memory},
          {"parent_uuid", text_or_null(who.parent_uuid)},
          {"mig_profile", text_or_null(who.mig_profile)},
          {"gpu_instance", or_null(who.gpu_instance)},
          {"compute_instance", or_null(who.compute_instance)}};
}

ordered_json process_json(const GpuProcess& process) {
  static const ProcessIdentity kNobody;
  const ProcessIdentity& who = process.identity ? *process.identity : kNobody;
  return {{"pid", process.pid},
          {"container_pid", or_null(who.container_pid)},
          {"user", text_or_null(who.user)},
          {"comm", text_or_null(who.comm)},
          {"command", text_or_null(who.command)},
          {"gpu_memory_bytes", bytes_or_null(process.memory)},
          {"growth_bytes_per_second", rounded(process.growth_per_second, 0)},
          {"compute", process.compute},
          {"graphics", process.graphics},
          {"is_balloon", process.is_balloon},
          {"sm_percent", rounded(process.sm_percent, kPercentDecimals)},
          {"memory_bandwidth_percent", rounded(process.memory_percent, kPercentDecimals)},
          {"gpu_instance", or_null(process.gpu_instance)},
          {"rss_bytes", bytes_or_null(process.rss)},
          {"cpu_percent", rounded(process.cpu_percent, kPercentDecimals)},
          {"container", text_or_null(who.container)},
          {"pod", text_or_null(who.pod)},
          {"slurm_job", or_null(who.slurm_job)},
          {"visible", process.identity != nullptr}};
}

ordered_json processes_json(const GpuReading& gpu) {
  if (!gpu.processes) {
    return {};
  }
  ordered_json list = ordered_json::array();
  for (const GpuProcess& process : *gpu.processes) {
    list.push_back(process_json(process));
  }
  return list;
}

ordered_json users_json(const GpuReading& gpu) {
  ordered_json list = ordered_json::array();
  for (const policy::UserMemory& user : policy::memory_by_user(gpu)) {
    list.push_back({{"user", user.user == "?" ? ordered_json() : ordered_json(user.user)},
                    {"gpu_memory_bytes", user.memory.count},
                    {"processes", user.processes},
                    {"complete", user.complete}});
  }
  return list;
}

ordered_json health_json(const GpuView& gpu) {
  const GpuHealthCounters& counters = gpu.reading->health;
  ordered_json xids = ordered_json::array();
  for (const GpuXid& xid : gpu.xids) {
    xids.push_back({{"code", xid.code},
                    {"at", to_iso8601(xid.at)},
                    {"meaning", policy::xid_meaning(xid.code)}});
  }
  return {{"ecc_enabled", or_null(counters.ecc_enabled)},
          {"ecc_corrected", or_null(counters.ecc_corrected)},
          {"ecc_uncorrected", or_null(counters.ecc_uncorrected)},
          {"remapped_corrected", or_null(counters.remapped_corrected)},
          {"remapped_uncorrected", or_null(counters.remapped_uncorrected)},
          {"remap_pending", or_null(counters.remap_pending)},
          {"remap_failed", or_null(counters.remap_failed)},
          {"xids", std::move(xids)}};
}

void append_memory(ordered_json& json, const View& view, const GpuView& gpu) {
  const GpuReading& reading = *gpu.reading;
  const config::Config& config = view.settings->config();
  json["memory_total_bytes"] = bytes_or_null(memory_part(reading, &GpuMemory::total));
  json["memory_used_bytes"] = bytes_or_null(memory_part(reading, &GpuMemory::used));
  json["memory_free_bytes"] = bytes_or_null(memory_part(reading, &GpuMemory::free));
  json["memory_reserved_bytes"] = bytes_or_null(memory_part(reading, &GpuMemory::reserved));
  json["memory_unattributed_bytes"] = bytes_or_null(policy::unattributed_memory(reading));
  const DeviceLine* const line = line_of(view, reading.identity->uuid);
  json["memory_committed_bytes"] =
      line != nullptr ? ordered_json(line->committed.count) : ordered_json();
  json["memory_available_bytes"] = bytes_or_null(available_memory(view, gpu));
  json["memory_percent"] = rounded(memory_percent(reading), kPercentDecimals);
  json["memory_balloon_bytes"] = bytes_or_null(memory_part(reading, &GpuMemory::balloons));
  json["memory_forecast"] = forecast_json(gpu.forecast, memory_part(reading, &GpuMemory::total),
                                          forecast::growers_on(reading));
  json["memory_pressure"] = gpu.fresh && reading.memory
                                ? ordered_json(reading.memory->percent_without_balloons() >
                                               100 * config.thresholds.memory_pressure_threshold)
                                : ordered_json();
}

void append_sensors(ordered_json& json, const GpuReading& gpu) {
  json["temperature_celsius"] = rounded(gpu.temperature_celsius, 1);
  json["memory_temperature_celsius"] = rounded(gpu.memory_temperature_celsius, 1);
  json["slowdown_celsius"] = rounded(gpu.slowdown_celsius, 1);
  json["shutdown_celsius"] = rounded(gpu.shutdown_celsius, 1);
  json["utilization_percent"] = rounded(gpu.utilization_percent, kPercentDecimals);
  json["memory_utilization_percent"] = rounded(gpu.memory_utilization_percent, kPercentDecimals);
  json["encoder_percent"] = rounded(gpu.encoder_percent, kPercentDecimals);
  json["decoder_percent"] = rounded(gpu.decoder_percent, kPercentDecimals);
  json["power_watts"] = rounded(gpu.power_watts, 1);
  json["power_limit_watts"] = rounded(gpu.power_limit_watts, 1);
  json["fan_percent"] = rounded(gpu.fan_percent, 0);
  json["core_clock_mhz"] = rounded(gpu.core_clock_mhz, 0);
  json["max_core_clock_mhz"] = rounded(gpu.max_core_clock_mhz, 0);
  json["memory_clock_mhz"] = rounded(gpu.memory_clock_mhz, 0);
  json["max_memory_clock_mhz"] = rounded(gpu.max_memory_clock_mhz, 0);
  json["pcie_tx_bytes_per_second"] = rounded(gpu.pcie_tx_bytes_per_second, 0);
  json["pcie_rx_bytes_per_second"] = rounded(gpu.pcie_rx_bytes_per_second, 0);
  json["nvlink_tx_bytes"] = or_null(gpu.nvlink_tx_bytes);
  json["nvlink_rx_bytes"] = or_null(gpu.nvlink_rx_bytes);
  json["slowdown_reasons"] = gpu.slowdown_reasons;
  json["compute_mode"] = text_or_null(gpu.compute_mode);
  json["mig_enabled"] = or_null(gpu.mig_enabled);
}

void append_advice(ordered_json& json, const control::Advice& advice) {
  json["is_throttled"] = advice.is_throttled;
  json["should_throttle"] = advice.should_throttle;
  json["speed_multiplier"] = advice.speed_multiplier;
}

ordered_json trend_json(const forecast::Trend& trend) {
  return {{"trend", to_string(trend.direction)},
          {"celsius_per_minute", rounded(trend.per_minute, 2)},
          {"samples", trend.samples},
          {"covered_seconds", round_to(trend.covered.count(), 1)}};
}

}  // namespace

ordered_json gpu_json(const View& view, const GpuView& gpu) {
  const GpuReading& reading = *gpu.reading;
  ordered_json json = identity_json(*reading.identity);
  json["available"] = gpu.fresh;
  json["condition"] = to_string(reading.condition);
  json["condition_detail"] = text_or_null(reading.condition_detail);
  json["state"] = to_string(gpu.levels.device);
  json["state_of_memory"] = to_string(gpu.levels.memory);
  json["state_of_temperature"] = to_string(gpu.levels.temperature);
  append_advice(json, gpu.advice);
  append_memory(json, view, gpu);
  append_sensors(json, reading);
  json["temperature_trend"] =
      trend_json(temperature_trend(gpu, view.snapshot->at.mono, kTrendSpan));
  json["health"] = health_json(gpu);
  json["users"] = users_json(reading);
  json["processes"] = processes_json(reading);
  json["sample_age_seconds"] = seconds_between(reading.read_at, view.snapshot->at.mono);
  return json;
}

ordered_json gpustat_json(const View& view, const GpuView& gpu) {
  const GpuReading& reading = *gpu.reading;
  const GpuIdentity& who = *reading.identity;
  ordered_json json{{"index", who.index},
                    {"uuid", who.uuid},
                    {"name", who.name},
                    {"temperature.gpu", whole_or_null(reading.temperature_celsius)},
                    {"fan.speed", whole_or_null(reading.fan_percent)},
                    {"utilization.gpu", whole_or_null(reading.utilization_percent)},
                    {"utilization.enc", whole_or_null(reading.encoder_percent)},
                    {"utilization.dec", whole_or_null(reading.decoder_percent)},
                    {"power.draw", whole_or_null(reading.power_watts)},
                    {"enforced.power.limit", whole_or_null(reading.power_limit_watts)},
                    {"memory.used", mib_or_null(memory_part(reading, &GpuMemory::used))},
                    {"memory.total", mib_or_null(memory_part(reading, &GpuMemory::total))}};
  json.update(gpu_json(view, gpu));
  for (ordered_json& process : json["processes"]) {
    // Copies: a new member moves the ones that are there.
    const ordered_json plain = process;
    const ordered_json& memory = plain["gpu_memory_bytes"];
    process["username"] = plain["user"];
    process["full_command"] = plain["command"];
    process["gpu_memory_usage"] =
        memory.is_null() ? ordered_json() : ordered_json(memory.get<std::uint64_t>() / kMiB);
    process["cpu_memory_usage"] = plain["rss_bytes"];
  }
  return json;
}

ordered_json resource_gpu_json(const GpuView* gpu) {
  if (gpu == nullptr) {
    return {{"available", false},        {"memory_used_gb", nullptr}, {"memory_total_gb", nullptr},
            {"memory_percent", nullptr}, {"utilization", nullptr},    {"temperature", nullptr},
            {"gpu_id", nullptr}};
  }
  const GpuReading& reading = *gpu->reading;
  const auto in_gb = [](std::optional<Bytes> bytes) {
    return bytes ? ordered_json(gb(*bytes)) : ordered_json();
  };
  return {{"available", gpu->fresh},
          {"memory_used_gb", in_gb(memory_part(reading, &GpuMemory::used))},
          {"memory_total_gb", in_gb(memory_part(reading, &GpuMemory::total))},
          {"memory_percent", rounded(memory_percent(reading), kPercentDecimals)},
          {"utilization", rounded(reading.utilization_percent, kPercentDecimals)},
          {"temperature", rounded(reading.temperature_celsius, 1)},
          {"gpu_id", reading.identity->index}};
}

ordered_json manager_gpu_json(const View& view, const GpuView* gpu) {
  const GpuReading* reading = gpu != nullptr ? gpu->reading : nullptr;
  const auto known = [&](auto GpuReading::* member) {
    return reading != nullptr ? rounded((*reading).*member, 1) : ordered_json();
  };
  const auto memory = [&](Bytes GpuMemory::* part) {
    return reading != nullptr ? mib_or_null(memory_part(*reading, part)) : ordered_json();
  };
  const control::Advice advice = gpu != nullptr ? gpu->advice : control::Advice{};
  return {{"available", gpu != nullptr && gpu->fresh},
          {"gpu_id", reading != nullptr ? ordered_json(reading->identity->index) : ordered_json()},
          {"name", reading != nullptr ? ordered_json(reading->identity->name) : ordered_json()},
          {"state", to_string(gpu != nullptr ? gpu->levels.device : Level::unavailable)},
          {"temperature_celsius", known(&GpuReading::temperature_celsius)},
          {"load_percent", known(&GpuReading::utilization_percent)},
          {"memory",
           {{"used_mb", memory(&GpuMemory::used)},
            {"total_mb", memory(&GpuMemory::total)},
            {"free_mb", memory(&GpuMemory::free)},
            {"percent", reading != nullptr ? rounded(memory_percent(*reading), kPercentDecimals)
                                           : ordered_json()},
            {"allocation_stats",
             {{"allocations", reading != nullptr ? allocations_json(view.daemon.ledger.get(),
                                                                    reading->identity->uuid)
                                                 : ordered_json::object()}}}}},
          {"throttling",
           {{"is_throttled", advice.is_throttled},
            {"should_throttle", advice.should_throttle},
            {"speed_multiplier", advice.speed_multiplier}}},
          {"uuid", reading != nullptr ? ordered_json(reading->identity->uuid) : ordered_json()}};
}

forecast::Trend temperature_trend(const GpuView& gpu, MonoTime now, std::chrono::seconds span) {
  std::vector<forecast::Reading> readings;
  gpu.past.for_each(now, span, [&](const history::GpuSample& sample) {
    if (sample.temperature_celsius) {
      readings.push_back({sample.at.mono, *sample.temperature_celsius});
    }
  });
  return forecast::trend_of(readings);
}

std::string_view color_of(Level level) noexcept {
  switch (level) {
    case Level::optimal:
      return "green";
    case Level::normal:
      return "blue";
    case Level::throttled:
      return "orange";
    case Level::critical:
      return "red";
    case Level::unavailable:
      return "gray";
  }
  return "gray";
}

}  // namespace levee::api
