// Handlers of /api/v1/monitoring/…, /api/v1/overview and /api/v1/processes.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/json.hpp"
#include "api/json_parts.hpp"
#include "api/route.hpp"
#include "policy/state.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kMostAlerts = 1000;
constexpr std::uint64_t kUsualAlerts = 100;
constexpr std::uint64_t kMostProcesses = 1000;
constexpr std::uint64_t kUsualProcesses = 50;

/// Sizes that fit any model family of that class, from the documented generic rows (contract
/// S2-16 … S2-18, S2-63).
struct GenericRow {
  std::string_view size;
  int batch;
};
constexpr std::array kGenericRows{GenericRow{"small", 4}, GenericRow{"medium", 2},
                                  GenericRow{"large", 1}};

/// How long the engine has not published anything, if that is too long.
std::optional<std::chrono::nanoseconds> stalled_for(const Call& call) {
  const auto age = call.ports.now().mono - call.view->snapshot->at.mono;
  return age > stall_limit(*call.view) ? std::optional(age) : std::nullopt;
}

/// A status made from a View that is no longer renewed must not look fresh.
void mark_stalled(ordered_json& status, std::chrono::nanoseconds age) {
  const double seconds = round_to(Seconds(age).count(), 3);
  if (auto& sample_age = status["sample_age_seconds"]; sample_age.is_number()) {
    sample_age = round_to(sample_age.get<double>() + seconds, 3);
  }
  for (ordered_json& gpu : status["gpus"]) {
    gpu["sample_age_seconds"] = round_to(gpu["sample_age_seconds"].get<double>() + seconds, 3);
  }
  status["troubles"].push_back(trouble_json(
      "engine", Error{.code = ErrorCode::unavailable,
                      .message = fmt::format("nothing was measured for {:.1f} s", seconds),
                      .hint = "these figures are old; look at /healthz and the daemon's log"}));
}

/// The shared page of `slot`; one of its own, marked as old, when the engine stalls. `status_in`
/// finds the part of the page that is a status.
template <ordered_json (*kMake)(const View&)>
Response page(const Call& call, Pages::Slot slot, ordered_json& (*status_in)(ordered_json&)) {
  if (const auto age = stalled_for(call)) {
    ordered_json json = kMake(*call.view);
    mark_stalled(status_in(json), *age);
    return json_response(json);
  }
  return Response{
      .body = call.pages.get(call.view, slot, [](const View& view) { return dump(kMake(view)); }),
      .headers = {}};
}

ordered_json& itself(ordered_json& json) { return json; }

ordered_json suggestions_json(const View& view) {
  const policy::Thresholds& thresholds = view.settings->config().thresholds;
  const HostReading* host = policy::fresh_host(*view.snapshot, thresholds);
  ordered_json suggestions = ordered_json::array();
  if (host != nullptr && host->used_percent() > thresholds.cpu_memory_warning) {
    suggestions = {"High CPU memory usage detected:", "- Consider reducing model cache size",
                   "- Enable model offloading to disk", "- Use smaller model variants"};
  }
  for (const GpuView& gpu : view.gpus) {
    const GpuReading& reading = *gpu.reading;
    if (gpu.fresh && !reading.identity->is_instance() && !reading.identity->unified_memory &&
        reading.memory && reading.memory->percent() > thresholds.gpu_memory_warning) {
      suggestions.push_back(
          fmt::format("High GPU memory usage detected on GPU {}:", reading.identity->index));
      suggestions.push_back("- Reduce the batch size or the context length");
      suggestions.push_back("- Clear framework caches, for example torch.cuda.empty_cache()");
      suggestions.push_back("- Use smaller or quantised model variants");
    }
  }
  ordered_json batches = ordered_json::object();
  for (const GenericRow& row : kGenericRows) {
    batches[std::string(row.size)] = row.batch;
  }
  return {{"suggestions", std::move(suggestions)},
          {"optimal_batch_sizes", std::move(batches)},
          {"current_health", to_string(view.health)}};
}

Result<bool> flag(const Query& query, std::string_view name) {
  const std::string* text = query.find(name);
  if (text == nullptr || *text == "false") {
    return false;
  }
  if (*text == "true") {
    return true;
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("{} is {}, which is neither true nor false", name, in_quotes(*text)),
              fmt::format("for example {}=true", name));
}

Response cleanup_response(const CleanedUp& done) {
  return json_response(ordered_json{
      {"success", true},  // The request was carried out; what it freed is said beside it.
      {"cpu_memory_freed_gb", gb(done.cpu_freed)},
      {"gpu_memory_freed_gb", gb(done.gpu_freed)},
      {"message", !done.message.empty()
                      ? done.message
                      : fmt::format("Cleanup completed. CPU: {:.1f}GB freed, GPU: {:.1f}GB freed",
                                    to_gb(done.cpu_freed), to_gb(done.gpu_freed))}});
}

}  // namespace

Result<Response> get_status(const Call& call) {
  return page<status_json>(call, Pages::status, itself);
}

Result<Response> get_report(const Call& call) {
  return page<report_json>(call, Pages::report,
                           [](ordered_json& json) -> ordered_json& { return json["current"]; });
}

Result<Response> get_overview(const Call& call) {
  return page<overview_json>(call, Pages::overview, itself);
}

Result<Response> get_suggestions(const Call& call) {
  return Response{
      .body = call.pages.get(call.view, Pages::suggestions,
                             [](const View& view) { return dump(suggestions_json(view)); }),
      .headers = {}};
}

Result<Response> get_alerts(const Call& call) {
  const auto limit = call.query.number("limit", 1, kMostAlerts, kUsualAlerts);
  if (!limit) {
    return std::unexpected(limit.error());
  }
  std::optional<Severity> wanted;
  if (const std::string* text = call.query.find("severity")) {
    wanted = parse_severity(*text);
    if (!wanted) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("severity is {}, which is no severity", in_quotes(*text)),
                  "accepted: warning, critical, emergency");
    }
  }
  ordered_json alerts = ordered_json::array();
  std::size_t matching = 0;
  for (const Alert& alert : *call.view->recent) {
    if (!wanted || alert.severity == *wanted) {
      ++matching;
      if (alerts.size() < *limit) {
        alerts.push_back(to_json(alert, call.view->snapshot->hostname));
      }
    }
  }
  const std::size_t count = alerts.size();
  return json_response(
      ordered_json{{"alerts", std::move(alerts)}, {"count", count}, {"total", matching}});
}

Result<Response> get_processes(const Call& call) {
  const auto limit = call.query.number("limit", 1, kMostProcesses, kUsualProcesses);
  if (!limit) {
    return std::unexpected(limit.error());
  }
  const Snapshot& snapshot = *call.view->snapshot;
  ordered_json processes = ordered_json::array();
  for (const ProcessReading& process : snapshot.processes) {  // Largest first.
    if (processes.size() == *limit) {
      break;
    }
    processes.push_back(to_json(process, snapshot.at.mono));
  }
  return json_response(ordered_json{{"timestamp", to_iso8601(snapshot.at.wall)},
                                    {"processes", std::move(processes)},
                                    {"processes_seen", snapshot.processes_seen}});
}

Result<void> post_cleanup(const Call& call, Responder respond) {
  const auto force = flag(call.query, "force");
  if (!force) {
    return std::unexpected(force.error());
  }
  call.ports.command(Cleanup{.force = *force},
                     answer_with<CleanedUp>(std::move(respond), cleanup_response));
  return {};
}

}  // namespace levee::api
