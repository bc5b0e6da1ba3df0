#include "api/json.hpp"

#include <nlohmann/json.hpp>

#include "api/json_parts.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

/// A value as its unit is shown: percentages and GB have their own number of decimals.
double shown(double value, AlertType type) {
  return unit_of(type) == "GB" ? round_to(value, kGbDecimals) : round_to(value, kPercentDecimals);
}

ordered_json to_json(const Culprit& culprit) {
  return {{"pid", culprit.id.pid},
          {"user", culprit.user},
          {"comm", culprit.comm},
          {"command", culprit.command},
          {"rss_bytes", culprit.rss.count},
          {"gpu_memory_bytes", bytes_or_null(culprit.gpu_memory)},
          {"growth_bytes_per_second", rounded(culprit.growth_per_second, 0)}};
}

}  // namespace

ordered_json to_json(const Alert& alert, std::string_view hostname) {
  const double value = shown(alert.value, alert.type);
  ordered_json json{
      {"id", alert.id},
      {"timestamp", to_iso8601(alert.timestamp)},
      {"level", to_string(alert.severity)},
      {"severity", to_string(alert.severity)},
      {"type", to_string(alert.type)},
      {"message", alert.message},
      {"gpu_id", or_null(alert.gpu_id)},
      {"gpu_uuid", alert.gpu_uuid.empty() ? ordered_json() : ordered_json(alert.gpu_uuid)},
      {"host", hostname.empty() ? ordered_json() : ordered_json(hostname)},
      {"value", value},
      {"current_usage", value},
      {"threshold", shown(alert.threshold, alert.type)},
      {"unit", unit_of(alert.type)},
      {"recommendations", ordered_json::array()},
      {"pid", alert.culprit ? ordered_json(alert.culprit->id.pid) : ordered_json()},
      {"culprit", alert.culprit ? to_json(*alert.culprit) : ordered_json()},
      {"resolved_at", time_or_null(alert.resolved_at)},
  };
  for (const std::string& recommendation : alert.recommendations) {
    json["recommendations"].push_back(recommendation);
  }
  return json;
}

ordered_json to_json(const Event& event, std::string_view hostname) {
  ordered_json details = ordered_json::object();
  for (const auto& [key, value] : event.details) {
    details[key] = value;
  }
  return {
      {"id", event.id},
      {"timestamp", to_iso8601(event.at)},
      {"kind", to_string(event.kind)},
      {"severity", event.severity ? ordered_json(to_string(*event.severity)) : ordered_json()},
      {"message", event.message},
      {"alert", event.alert ? to_json(*event.alert, hostname) : ordered_json()},
      {"details", std::move(details)},
  };
}

ordered_json to_json(const ProcessReading& process, MonoTime now) {
  static const ProcessIdentity kNobody;
  const ProcessIdentity& who = process.identity ? *process.identity : kNobody;
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? ordered_json() : ordered_json(text);
  };
  return {
      {"pid", who.id.pid},
      {"user", who.user},
      {"comm", who.comm},
      {"command", who.command},
      {"rss_bytes", process.rss.count},
      {"pss_bytes", bytes_or_null(process.pss)},
      {"growth_bytes_per_second", rounded(process.growth_per_second, 0)},
      {"growth_window_seconds", process.growth_per_second
                                    ? ordered_json(round_to(process.growth_window.count(), 3))
                                    : ordered_json()},
      {"age_seconds", seconds_between(process.read_at, now)},
      {"uid", who.uid},
      {"parent", who.parent},
      {"start_ticks", who.id.start_ticks},
      {"cgroup", text_or_null(who.cgroup)},
      {"container", text_or_null(who.container)},
      {"container_pid", or_null(who.container_pid)},
      {"pod", text_or_null(who.pod)},
      {"slurm_job", or_null(who.slurm_job)},
      {"oom_score_adj", or_null(who.oom_score_adj)},
  };
}

std::string dump(const ordered_json& json) {
  // Not-a-number and infinity become null by themselves.
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace levee::api
