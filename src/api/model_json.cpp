#include "api/model_json.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/json_parts.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr int kRateDecimals = 3;

ordered_json gb_or_null(std::optional<Bytes> bytes) {
  return bytes ? ordered_json(gb(*bytes)) : ordered_json();
}

ordered_json to_json(const estimate::CachedModel& model) {
  return {
      {"model", model.id}, {"size_gb", gb(model.size)}, {"last_use", to_iso8601(model.last_use)}};
}

ordered_json to_json(const estimate::Gpu& gpu, std::optional<Bytes> left) {
  return {{"gpu_id", gpu.index},
          {"uuid", gpu.uuid},
          {"name", gpu.name},
          {"free_gb", gb_or_null(gpu.free)},
          {"total_gb", gb_or_null(gpu.total)},
          {"compute_capability",
           gpu.compute ? ordered_json(estimate::capability_text(*gpu.compute)) : ordered_json()},
          {"left_gb", gb_or_null(left)}};
}

ordered_json to_json(const estimate::Shortfall& shortfall) {
  ordered_json json{{"resource", estimate::to_string(shortfall.resource)},
                    {"detail", shortfall.text}};
  if (shortfall.resource == estimate::Resource::compute_capability) {
    json["have"] = estimate::capability_text(shortfall.have_compute.value_or(ComputeCapability{}));
    json["need"] = estimate::capability_text(shortfall.need_compute.value_or(ComputeCapability{}));
  } else {
    json["have_gb"] = gb_or_null(shortfall.have);
    json["need_gb"] = gb(shortfall.need);
    json["missing_gb"] = gb(shortfall.missing);
  }
  return json;
}

ordered_json to_json(const estimate::Help& help) {
  return {{"kind", estimate::to_string(help.kind)},
          {"detail", help.text},
          {"models", help.models},
          {"gpu_id", help.gpu ? ordered_json(help.gpu->index) : ordered_json()},
          {"uuid", help.gpu ? ordered_json(help.gpu->uuid) : ordered_json()},
          {"wait_seconds", help.after ? ordered_json(help.after->count()) : ordered_json()}};
}

template <class List>
ordered_json list_json(const List& list) {
  ordered_json json = ordered_json::array();
  for (const auto& each : list) {
    json.push_back(to_json(each));
  }
  return json;
}

}  // namespace

const estimate::ModelRegistry& models_of(const View& view) {
  static const estimate::ModelRegistry kBuiltIn;
  return view.models ? *view.models : kBuiltIn;
}

const estimate::ModelCache& model_cache_of(const View& view) {
  static const estimate::ModelCache kEmpty{0};
  return view.model_cache ? *view.model_cache : kEmpty;
}

ordered_json to_json(const estimate::Requirements& requirements) {
  const auto& compute = requirements.min_compute;
  return {{"cpu_memory_gb", gb(requirements.host)},
          {"gpu_memory_gb", gb(requirements.gpu)},
          {"min_gpu_compute",
           compute ? ordered_json(round_to(compute->major + compute->minor / 10.0, 1))
                   : ordered_json()},
          {"recommended_batch_size", requirements.recommended_batch},
          {"notes", requirements.notes}};
}

ordered_json to_json(const estimate::Model& model) {
  ordered_json json{{"model", model.id}};
  json.update(to_json(model.requirements));
  json["origin"] = estimate::to_string(model.origin);
  return json;
}

ordered_json models_json(const View& view) {
  ordered_json models = ordered_json::array();
  for (const auto& [id, model] : models_of(view).models()) {
    models.push_back(to_json(model));
  }
  return {
      {"count", models.size()}, {"models", std::move(models)}, {"cache", model_cache_json(view)}};
}

ordered_json model_cache_json(const View& view) {
  const estimate::ModelCache& cache = model_cache_of(view);
  const config::ModelCache& config = view.settings->config().model_cache;
  ordered_json evictions = ordered_json::array();
  for (const estimate::CachedModel& model : cache.proposed_evictions()) {
    evictions.push_back(model.id);
  }
  return {{"size", config.size},
          {"dir", config.dir},
          {"count", cache.models().size()},
          {"models", list_json(cache.models())},
          {"hits", cache.hits()},
          {"misses", cache.misses()},
          {"hit_rate", rounded(cache.hit_rate(), kRateDecimals)},
          {"proposed_evictions", std::move(evictions)},
          {"forgotten", cache.forgotten()}};
}

ordered_json cached_models_json(const View& view) {
  ordered_json json = ordered_json::object();
  for (const estimate::CachedModel& model : model_cache_of(view).models()) {
    json[model.id] = ordered_json::array({gb(model.size), to_iso8601(model.last_use)});
  }
  return json;
}

ordered_json to_json(const estimate::Verdict& verdict, const estimate::Machine& machine) {
  const estimate::Judgement& judgement = verdict.judgement;
  return {{"model", verdict.model},
          {"verdict", estimate::to_string(verdict.outcome)},
          {"fits", verdict.outcome != estimate::Outcome::refused},
          {"match", estimate::to_string(verdict.lookup.match)},
          {"entry", verdict.lookup.model.id},
          {"origin", estimate::to_string(verdict.lookup.model.origin)},
          {"requirements", to_json(verdict.lookup.model.requirements)},
          {"host",
           {{"available_gb", gb_or_null(machine.host_available)},
            {"total_gb", gb_or_null(machine.host_total)},
            {"left_gb", gb_or_null(judgement.host_left)}}},
          {"gpu", judgement.gpu ? to_json(*judgement.gpu, judgement.gpu_left) : ordered_json()},
          {"warnings", judgement.warnings},
          {"shortfalls", list_json(judgement.shortfalls)},
          {"help", list_json(verdict.help)}};
}

}  // namespace levee::api
