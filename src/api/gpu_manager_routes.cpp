// Handlers of /api/gpu/…: the documented GPU manager (contract S1-47 … S1-52, S1-92), in its
// envelope {"success": true, "data": …}.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/find_gpu.hpp"
#include "api/gpu_json.hpp"
#include "api/json.hpp"
#include "api/json_parts.hpp"
#include "api/route.hpp"
#include "config/keys.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kUsualMinutes = 5;
constexpr std::uint64_t kLongestMinutes = 1440;  // A day.

/// The keys this facade knows (contract S1-57 … S1-70).
constexpr std::array<std::string_view, 14> kKeys{
    "temp_optimal",           "temp_normal",          "temp_throttle",
    "temp_critical",          "memory_optimal",       "memory_normal",
    "memory_critical",        "memory_limit_mb",      "memory_reserve_mb",
    "monitor_interval",       "history_size",         "throttle_cooldown_seconds",
    "critical_pause_seconds", "load_throttle_percent"};

Response success(ordered_json data) {
  return json_response(ordered_json{{"success", true}, {"data", std::move(data)}});
}

/// The device asked for; null where the machine has none and device 0, that is any, is meant.
Result<const GpuView*> gpu_or_none(const Call& call) {
  const std::string* name = call.query.find("gpu_id");
  if (call.view->gpus.empty() && (name == nullptr || *name == "0")) {
    return nullptr;
  }
  return find_gpu(call);
}

ordered_json metrics_json(const history::GpuSample& sample) {
  const auto in_mb = [&](Bytes GpuMemory::* part) {
    return sample.memory ? ordered_json(((*sample.memory).*part).count / kMiB) : ordered_json();
  };
  return {{"timestamp", to_iso8601(sample.at.wall)},
          {"temperature_celsius", rounded(sample.temperature_celsius, 1)},
          {"load_percent", rounded(sample.utilization_percent, kPercentDecimals)},
          {"memory_used_mb", in_mb(&GpuMemory::used)},
          {"memory_total_mb", in_mb(&GpuMemory::total)},
          {"memory_percent",
           sample.memory ? ordered_json(percent(sample.memory->percent())) : ordered_json()},
          {"power_watts", rounded(sample.power_watts, 1)}};
}

ordered_json config_json(const config::Settings& settings) {
  ordered_json values = ordered_json::object();
  for (const std::string_view name : kKeys) {
    values[std::string(name)] =
        to_json(config::public_value(**config::find_key(name), settings.config()));
  }
  return values;
}

ordered_json origins_json(const config::Settings& settings) {
  ordered_json origins = ordered_json::object();
  for (const std::string_view name : kKeys) {
    origins[std::string(name)] = to_string(settings.provenance(name).origin);
  }
  return origins;
}

Response config_response(const config::Settings& settings) {
  return json_response(ordered_json{
      {"success", true}, {"data", config_json(settings)}, {"origins", origins_json(settings)}});
}

ordered_json monitoring_json(const View& view, std::string_view message) {
  const Seconds interval = view.settings->config().monitoring_interval;
  return {{"monitoring", true},
          {"gpus", view.gpus.size()},
          {"interval_seconds", interval.count()},
          {"message", message}};
}

}  // namespace

Response in_gpu_envelope(Response response) {
  const ordered_json plain = ordered_json::parse(*response.body, nullptr, false);
  ordered_json error{{"success", false}, {"error", "unknown"}};
  if (plain.is_object()) {
    error["error"] = plain.value("detail", "unknown");
    error["hint"] = plain.value("hint", "");
    error["code"] = plain.value("code", "");
  }
  response.body = std::make_shared<const std::string>(dump(error));
  return response;
}

Result<Response> get_gpu_status(const Call& call) {
  const auto gpu = gpu_or_none(call);
  if (!gpu) {
    return std::unexpected(gpu.error());
  }
  ordered_json data = manager_gpu_json(*call.view, *gpu);
  if (*gpu == nullptr) {
    data["gpu_id"] = 0;
  }
  return success(std::move(data));
}

Result<Response> get_gpu_status_all(const Call& call) {
  ordered_json all = ordered_json::array();
  for (const GpuView& gpu : call.view->gpus) {
    if (!gpu.reading->identity->is_instance()) {
      all.push_back(manager_gpu_json(*call.view, &gpu));
    }
  }
  return success(std::move(all));
}

Result<Response> get_gpu_trend(const Call& call) {
  const auto minutes = call.query.number("duration", 1, kLongestMinutes, kUsualMinutes);
  if (!minutes) {
    return std::unexpected(minutes.error());
  }
  const auto gpu = find_gpu(call);
  if (!gpu) {
    return std::unexpected(gpu.error());
  }
  const forecast::Trend trend =
      temperature_trend(**gpu, call.view->snapshot->at.mono, std::chrono::minutes(*minutes));
  return success({{"gpu_id", (*gpu)->reading->identity->index},
                  {"duration_minutes", *minutes},
                  {"current_temp", rounded(trend.current, 1)},
                  {"avg_temp", rounded(trend.average, 1)},
                  {"min_temp", rounded(trend.least, 1)},
                  {"max_temp", rounded(trend.most, 1)},
                  {"trend", to_string(trend.direction)},
                  {"celsius_per_minute", rounded(trend.per_minute, 2)},
                  {"samples", trend.samples},
                  {"covered_seconds", round_to(trend.covered.count(), 1)}});
}

Result<Response> get_gpu_metrics(const Call& call) {
  const auto gpu = find_gpu(call);
  if (!gpu) {
    return std::unexpected(gpu.error());
  }
  const history::GpuSample now = history::gpu_sample(*(*gpu)->reading, call.view->snapshot->at);
  ordered_json data = metrics_json(now);
  data["gpu_id"] = (*gpu)->reading->identity->index;
  data["sample_age_seconds"] =
      seconds_between((*gpu)->reading->read_at, call.view->snapshot->at.mono);
  return success(std::move(data));
}

Result<Response> get_gpu_metrics_history(const Call& call) {
  const auto gpu = find_gpu(call);
  if (!gpu) {
    return std::unexpected(gpu.error());
  }
  const config::GpuManager& manager = call.view->settings->config().gpu_manager;
  // The newest row of each interval, counted back from now.
  std::vector<const history::GpuSample*> rows;
  const MonoTime now = call.view->snapshot->at.mono;
  const auto span = manager.monitor_interval * manager.history_size;
  const auto slot = [&](const history::GpuSample& sample) {
    return (now - sample.at.mono) / manager.monitor_interval;
  };
  (*gpu)->past.for_each(now, span, [&](const history::GpuSample& sample) {
    if (!rows.empty() && slot(*rows.back()) == slot(sample)) {
      rows.back() = &sample;
    } else {
      rows.push_back(&sample);
    }
  });
  const auto most = static_cast<std::size_t>(manager.history_size);
  ordered_json list = ordered_json::array();
  for (std::size_t i = rows.size() > most ? rows.size() - most : 0; i < rows.size(); ++i) {
    list.push_back(metrics_json(*rows[i]));
  }
  return success(std::move(list));
}

Result<Response> get_gpu_dashboard(const Call& call) {
  const auto gpu = gpu_or_none(call);
  if (!gpu) {
    return std::unexpected(gpu.error());
  }
  if (*gpu == nullptr || !(*gpu)->fresh) {
    return success({{"available", false}, {"state_color", color_of(Level::unavailable)}});
  }
  const GpuReading& reading = *(*gpu)->reading;
  const forecast::Trend trend =
      temperature_trend(**gpu, call.view->snapshot->at.mono, std::chrono::minutes(kUsualMinutes));
  const ordered_json status = manager_gpu_json(*call.view, *gpu);
  return success({{"available", true},
                  {"gpu_id", reading.identity->index},
                  {"name", reading.identity->name},
                  {"temperature", status["temperature_celsius"]},
                  {"temp_trend", to_string(trend.direction)},
                  {"memory_percent", status["memory"]["percent"]},
                  {"state", status["state"]},
                  {"state_color", color_of((*gpu)->levels.device)},
                  {"throttling", status["throttling"]}});
}

Result<Response> post_gpu_monitoring_start(const Call& call) {
  return success(monitoring_json(*call.view, "GPUs are watched as long as the daemon runs"));
}

Result<Response> post_gpu_monitoring_stop(const Call& call) {
  return success(monitoring_json(
      *call.view, "the daemon goes on watching for its other users; gpu.enabled = false stops it"));
}

Result<Response> get_gpu_config(const Call& call) { return config_response(*call.view->settings); }

Result<void> put_gpu_config(const Call& call, Responder respond) {
  const auto body = parse_object(call.request.body);
  if (!body) {
    return std::unexpected(body.error());
  }
  auto changes = to_values(*body);
  if (!changes) {
    return std::unexpected(changes.error());
  }
  const auto make = [view = call.ports.view](const ConfigUpdated& /*updated*/) {
    const auto after = view();  // Shows the change already: see Ports::command.
    return config_response(*after->settings);
  };
  call.ports.command(UpdateConfig{std::move(*changes)},
                     answer_with<ConfigUpdated>(std::move(respond), make));
  return {};
}

}  // namespace levee::api
