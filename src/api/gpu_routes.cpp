// Handlers of /api/v1/gpus….
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/find_gpu.hpp"
#include "api/gpu_json.hpp"
#include "api/json.hpp"
#include "api/json_parts.hpp"
#include "api/route.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kUsualGpuWindow = 300;
constexpr std::uint64_t kLongestGpuWindow = 86'400;  ///< The longest history_seconds.

}  // namespace

Result<Response> get_gpus(const Call& call) {
  ordered_json gpus = ordered_json::array();
  if (call.query.find("gpu_id") != nullptr) {
    const auto gpu = find_gpu(call);
    if (!gpu) {
      return std::unexpected(gpu.error());
    }
    gpus.push_back(gpu_json(*call.view, **gpu));
  } else {
    for (const GpuView& gpu : call.view->gpus) {
      gpus.push_back(gpu_json(*call.view, gpu));
    }
  }
  ordered_json troubles = ordered_json::array();
  for (const SourceTrouble& trouble : call.view->snapshot->troubles) {
    troubles.push_back(trouble_json(trouble.source, trouble.error));
  }
  return json_response(ordered_json{{"timestamp", to_iso8601(call.view->snapshot->at.wall)},
                                    {"count", gpus.size()},
                                    {"gpus", std::move(gpus)},
                                    {"troubles", std::move(troubles)}});
}

Result<Response> get_gpu_history(const Call& call) {
  const auto gpu = find_gpu(call);
  if (!gpu) {
    return std::unexpected(gpu.error());
  }
  const auto window = call.query.number("window_seconds", 1, kLongestGpuWindow, kUsualGpuWindow);
  if (!window) {
    return std::unexpected(window.error());
  }
  ordered_json rows = ordered_json::array();
  (*gpu)->past.for_each(
      call.view->snapshot->at.mono, std::chrono::seconds(*window),
      [&](const history::GpuSample& sample) {
        rows.push_back(
            {{"timestamp", to_iso8601(sample.at.wall)},
             {"memory_used_bytes",
              sample.memory ? ordered_json(sample.memory->used.count) : ordered_json()},
             {"memory_percent",
              sample.memory ? ordered_json(percent(sample.memory->percent())) : ordered_json()},
             {"temperature_celsius", rounded(sample.temperature_celsius, 1)},
             {"utilization_percent", rounded(sample.utilization_percent, kPercentDecimals)},
             {"power_watts", rounded(sample.power_watts, 1)}});
      });
  const std::size_t count = rows.size();
  return json_response(ordered_json{{"gpu_id", (*gpu)->reading->identity->index},
                                    {"uuid", (*gpu)->reading->identity->uuid},
                                    {"window_seconds", *window},
                                    {"count", count},
                                    {"history", std::move(rows)}});
}

}  // namespace levee::api
