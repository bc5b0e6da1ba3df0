// The large answers: status, report and overview, made from one View.
#include <ranges>

#include "api/forecast_json.hpp"
#include "api/gpu_json.hpp"
#include "api/json.hpp"
#include "api/json_parts.hpp"
#include "api/lease_json.hpp"
#include "api/model_json.hpp"
#include "history/window.hpp"
#include "policy/state.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr std::chrono::minutes kReportSpan{5};
constexpr std::size_t kReportedAlerts = 10;
constexpr std::size_t kOverviewProcesses = 20;

/// When the host was read; the tick's own time when it never was.
WallTime sampled_at(const Snapshot& snapshot) {
  if (!snapshot.host) {
    return snapshot.at.wall;
  }
  return snapshot.at.wall - std::chrono::duration_cast<std::chrono::milliseconds>(
                                snapshot.at.mono - snapshot.host->read_at);
}

/// The documented `cpu` object (S2-38 … S2-41); null where nothing fresh is known.
ordered_json cpu_json(const HostReading* host) {
  if (host == nullptr) {
    return {{"usage_percent", nullptr},
            {"memory_used_gb", nullptr},
            {"memory_available_gb", nullptr},
            {"memory_percent", nullptr}};
  }
  return {{"usage_percent", rounded(host->cpu_percent, kPercentDecimals)},
          {"memory_used_gb", gb(host->used())},
          {"memory_available_gb", gb(host->available)},
          {"memory_percent", percent(host->used_percent())}};
}

/// The most pressed GPU, for the documented single `gpu` object (F-29).
const GpuView* pressed_gpu(const View& view) {
  if (view.pressed_gpu) {
    return &view.gpus[*view.pressed_gpu];
  }
  return view.gpus.empty() ? nullptr : view.gpus.data();
}

/// Each GPU with the documented keys first, then ours.
ordered_json gpus_json(const View& view) {
  ordered_json list = ordered_json::array();
  for (const GpuView& gpu : view.gpus) {
    ordered_json json = resource_gpu_json(&gpu);
    json.update(gpu_json(view, gpu));
    list.push_back(std::move(json));
  }
  return list;
}

/// The driver that the first GPU names.
ordered_json driver_version(const View& view) {
  for (const GpuView& gpu : view.gpus) {
    if (!gpu.reading->identity->driver_version.empty()) {
      return gpu.reading->identity->driver_version;
    }
  }
  return {};
}

/// What the daemon itself holds on the GPUs; unknown where no device names its processes.
std::optional<Bytes> own_gpu_memory(const View& view) {
  std::optional<Bytes> sum;
  for (const GpuView& gpu : view.gpus) {
    if (!gpu.fresh || !gpu.reading->processes || gpu.reading->identity->is_instance()) {
      continue;
    }
    sum = sum.value_or(Bytes{});
    for (const GpuProcess& process : *gpu.reading->processes) {
      if (process.pid == view.daemon.pid) {
        *sum += process.memory.value_or(Bytes{});
      }
    }
  }
  return sum;
}

/// The documented `process` object (S2-48, S2-49): the daemon itself.
ordered_json process_json(const View& view) {
  const bool known = view.daemon.self.rss > Bytes{};
  const auto on_gpus = own_gpu_memory(view);
  return {{"memory_gb", known ? ordered_json(gb(view.daemon.self.rss)) : ordered_json()},
          {"gpu_memory_gb", on_gpus ? ordered_json(gb(*on_gpus)) : ordered_json()}};
}

ordered_json pressure_line_json(const std::optional<PressureLine>& line) {
  if (!line) {
    return {};
  }
  return {{"avg10", line->avg10},
          {"avg60", line->avg60},
          {"avg300", line->avg300},
          {"total_us", line->total_us}};
}

ordered_json ceiling_json(const std::optional<MemoryCeiling>& ceiling) {
  if (!ceiling) {
    return {};
  }
  return {{"path", ceiling->path},
          {"version", ceiling->version == CgroupVersion::v1 ? 1 : 2},
          {"limit_bytes", ceiling->limit.count},
          {"used_bytes", ceiling->used.count},
          {"reclaimable_bytes", ceiling->reclaimable.count},
          {"headroom_bytes", ceiling->headroom().count}};
}

/// The last reading of the host, however old: `stale` says that nothing is judged by it.
ordered_json host_json(const Snapshot& snapshot, bool stale) {
  if (!snapshot.host) {
    return {};
  }
  const HostReading& host = snapshot.host->value;
  const bool has_swap = host.swap_total && host.swap_free;
  ordered_json pressure;
  if (host.pressure) {
    pressure = {{"some", pressure_line_json(host.pressure->some)},
                {"full", pressure_line_json(host.pressure->full)}};
  }
  return {{"total_bytes", host.total.count},
          {"available_bytes", host.available.count},
          {"used_bytes", host.used().count},
          {"used_percent", percent(host.used_percent())},
          {"cpu_percent", rounded(host.cpu_percent, kPercentDecimals)},
          {"load1", or_null(host.load1)},
          {"cores", or_null(host.cores)},
          {"machine_total_bytes", host.mem_total.count},
          {"machine_available_bytes", host.mem_available.count},
          {"free_bytes", bytes_or_null(host.mem_free)},
          {"cached_bytes", bytes_or_null(host.cached)},
          {"shmem_bytes", bytes_or_null(host.shmem)},
          {"swap_total_bytes", bytes_or_null(host.swap_total)},
          {"swap_used_bytes",
           has_swap ? ordered_json((*host.swap_total - *host.swap_free).count) : ordered_json()},
          {"pressure", std::move(pressure)},
          {"ceiling", ceiling_json(host.ceiling)},
          {"read_at", to_iso8601(sampled_at(snapshot))},
          {"stale", stale}};
}

ordered_json lines_json(const policy::HostLines& lines) {
  if (lines.emergency == Bytes{}) {
    return {};
  }
  return {{"warning_bytes", lines.warning.count},
          {"emergency_bytes", lines.emergency.count},
          {"capped", lines.capped}};
}

template <std::ranges::input_range Alerts>
ordered_json alerts_json(Alerts&& alerts, std::string_view hostname) {
  ordered_json list = ordered_json::array();
  for (const Alert& alert : alerts) {
    list.push_back(to_json(alert, hostname));
  }
  return list;
}

ordered_json protection_json(const actions::Protection& protection) {
  return {
      {"in_force", protection.in_force}, {"detail", protection.detail}, {"hint", protection.hint}};
}

ordered_json error_json(const std::optional<Error>& error) {
  if (!error) {
    return {};
  }
  return {{"detail", error->message}, {"hint", error->hint}, {"code", to_string(error->code)}};
}

ordered_json daemon_json(const DaemonView& daemon) {
  ordered_json sinks = ordered_json::object();
  for (const SinkView& sink : daemon.sinks) {
    sinks[sink.name] = {{"written", sink.written},
                        {"failed", sink.failed},
                        {"dropped", sink.dropped},
                        {"last_error", error_json(sink.last_error)}};
  }
  return {{"pid", daemon.pid},
          {"version", LEVEE_VERSION},
          {"started", to_iso8601(daemon.started)},
          {"rss_bytes",
           daemon.self.rss > Bytes{} ? ordered_json(daemon.self.rss.count) : ordered_json()},
          {"cpu_seconds", round_to(daemon.self.cpu_seconds, 3)},
          {"cpu_percent", rounded(daemon.cpu_percent, 2)},
          {"threads", or_null(daemon.self.threads)},
          {"tick_ms", round_to(Seconds(daemon.tick_time).count() * 1000, 3)},
          {"ticks", daemon.ticks},
          {"commands_dropped", daemon.commands_dropped},
          {"protection",
           {{"memory_lock", protection_json(daemon.protection.memory_lock)},
            {"oom_score", protection_json(daemon.protection.oom_score)}}},
          {"sinks", std::move(sinks)}};
}

ordered_json guard_json(const GuardView& guard) {
  return {{"available_bytes", bytes_or_null(guard.available)},
          {"line_bytes", bytes_or_null(guard.line)},
          {"at_line", guard.at_line},
          {"interval_ms", round_to(Seconds(guard.interval).count() * 1000, 3)},
          {"looks", guard.looks},
          {"victims", guard.victims},
          {"fill_bytes_per_second", round_to(guard.fill_bytes_per_second, 0)}};
}

ordered_json troubles_json(const std::vector<SourceTrouble>& troubles) {
  ordered_json list = ordered_json::array();
  for (const SourceTrouble& trouble : troubles) {
    list.push_back(trouble_json(trouble.source, trouble.error));
  }
  return list;
}

/// Our own part, which status and overview share.
void append_ours(ordered_json& json, const View& view, const HostReading* fresh) {
  const Snapshot& snapshot = *view.snapshot;
  json["host"] = host_json(snapshot, fresh == nullptr);
  json["state"] = to_string(view.level);
  json["speed_multiplier"] = view.advice.speed_multiplier;
  json["is_throttled"] = view.advice.is_throttled;
  json["should_throttle"] = view.advice.should_throttle;
  json["health"] = to_string(view.health);
  json["memory_pressure"] = fresh ? ordered_json(view.pressure) : ordered_json();
  json["host_forecast"] = forecast_json(
      view.host_forecast, fresh != nullptr ? std::optional(fresh->total) : std::nullopt,
      forecast::growers_among(snapshot.processes));
  json["lines"] = lines_json(view.lines);
  json["alerts"] = {{"active", alerts_json(*view.active, snapshot.hostname)}};
  json["sample_age_seconds"] =
      snapshot.host ? ordered_json(seconds_between(snapshot.host->read_at, snapshot.at.mono))
                    : ordered_json();
  json["daemon"] = daemon_json(view.daemon);
  json["store"] = store_json(view.daemon.store);
  json["guard"] = guard_json(view.guard);
  json["troubles"] = troubles_json(snapshot.troubles);
}

}  // namespace

ordered_json trouble_json(std::string_view source, const Error& error) {
  return {{"source", source},
          {"detail", error.message},
          {"hint", error.hint},
          {"code", to_string(error.code)}};
}

ordered_json store_json(const store::StoreHealth& store) {
  return {{"enabled", store.enabled},
          {"durable", store.durable},
          {"reason", store.reason},
          {"since", time_or_null(store.since)},
          {"dropped_points", store.dropped_points},
          {"dropped_events", store.dropped_events},
          {"moved_aside",
           store.moved_aside ? ordered_json(store.moved_aside->string()) : ordered_json()}};
}

ordered_json status_json(const View& view) {
  const HostReading* fresh = policy::fresh_host(*view.snapshot, view.settings->config().thresholds);
  ordered_json json{{"timestamp", to_iso8601(sampled_at(*view.snapshot))},
                    {"cpu", cpu_json(fresh)},
                    {"gpu", resource_gpu_json(pressed_gpu(view))},
                    {"gpus", gpus_json(view)},
                    {"process", process_json(view)}};
  append_ours(json, view, fresh);
  return json;
}

ordered_json report_json(const View& view) {
  const Now now = view.snapshot->at;
  const auto average =
      history::average(history::latest(std::span(*view.samples), now.mono, kReportSpan));
  auto counted = *view.recent | std::views::filter([&](const Alert& alert) {
    return policy::counts_as_recent(alert, now.mono);
  });
  const auto count_of = [&](Severity severity) {
    return std::ranges::count(counted, severity, &Alert::severity);
  };
  return {{"current", status_json(view)},
          {"average_5min",
           {{"cpu_percent", rounded(average.cpu_percent, kPercentDecimals)},
            {"cpu_memory_percent", rounded(average.memory_percent, kPercentDecimals)},
            {"gpu_memory_percent", rounded(average.gpu_memory_percent, kPercentDecimals)},
            {"gpu_utilization", rounded(average.gpu_utilization, kPercentDecimals)}}},
          {"allocated_resources", allocated_resources_json(view.daemon.ledger.get())},
          {"cached_models", cached_models_json(view)},
          {"alerts",
           {{"total", std::ranges::distance(counted)},
            {"critical", count_of(Severity::critical)},
            {"warnings", count_of(Severity::warning)},
            {"emergency", count_of(Severity::emergency)},
            {"recent",
             alerts_json(counted | std::views::take(kReportedAlerts), view.snapshot->hostname)}}},
          {"health_status", to_string(view.health)}};
}

ordered_json overview_json(const View& view) {
  const HostReading* fresh = policy::fresh_host(*view.snapshot, view.settings->config().thresholds);
  ordered_json json{{"hostname", view.snapshot->hostname},
                    {"driver_version", driver_version(view)},
                    {"query_time", to_iso8601(sampled_at(*view.snapshot))},
                    {"gpus", ordered_json::array()}};
  for (const GpuView& gpu : view.gpus) {
    json["gpus"].push_back(gpustat_json(view, gpu));
  }
  append_ours(json, view, fresh);
  ordered_json processes = ordered_json::array();
  for (const auto& process : view.snapshot->processes | std::views::take(kOverviewProcesses)) {
    processes.push_back(to_json(process, view.snapshot->at.mono));
  }
  json["processes"] = std::move(processes);
  json["processes_seen"] = view.snapshot->processes_seen;
  return json;
}

}  // namespace levee::api
