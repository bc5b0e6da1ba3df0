#include "estimate/help.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace levee::estimate {
namespace {

constexpr std::array<std::string_view, 3> kGeneric{"small", "medium", "large"};

/// What variants of one model share: the name without its last part after "-" or "_". The generic
/// entries are one family, whose name no other has.
std::string_view family_of(std::string_view id) {
  if (std::ranges::find(kGeneric, id) != kGeneric.end()) {
    return "";
  }
  const std::size_t slash = id.rfind('/');
  const std::size_t cut = id.find_last_of("-_");
  const std::size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
  return cut == std::string_view::npos || cut <= begin ? id : id.substr(0, cut);
}

/// By GPU memory first: it is the scarcer.
auto greatness(const Requirements& requirements) {
  return std::tuple(requirements.gpu, requirements.host);
}

bool fits(const Model& model, const Machine& machine, const std::optional<std::string>& gpu) {
  return judge(model.requirements, machine, gpu).shortfalls.empty();
}

/// The largest of `family` that is smaller than `than` and fits.
std::optional<Model> largest_fitting(std::string_view family, const Requirements& than,
                                     const ModelRegistry& registry, const Machine& machine,
                                     const std::optional<std::string>& gpu) {
  std::optional<Model> best;
  for (const auto& [id, model] : registry.models()) {
    const bool is_candidate =
        family_of(id) == family && greatness(model.requirements) < greatness(than) &&
        (!best || greatness(best->requirements) < greatness(model.requirements));
    if (is_candidate && fits(model, machine, gpu)) {
      best = model;
    }
  }
  return best;
}

std::optional<Help> smaller_model(const Verdict& refused, const ModelRegistry& registry,
                                  const Machine& machine, const std::optional<std::string>& gpu) {
  const Requirements& than = refused.lookup.model.requirements;
  auto model = largest_fitting(family_of(refused.model), than, registry, machine, gpu);
  if (!model && refused.lookup.match != Match::exact) {
    // Nothing is known of its family: at least say which size would fit.
    model = largest_fitting("", than, registry, machine, gpu);
  }
  if (!model) {
    return std::nullopt;
  }
  const bool is_generic = family_of(model->id).empty();
  return Help{.kind = Help::Kind::smaller_model,
              .text = fmt::format(
                  "{} would fit: it needs {} of host memory and {} of GPU memory",
                  is_generic ? fmt::format("a model of the generic size {}", model->id) : model->id,
                  format_bytes(model->requirements.host), format_bytes(model->requirements.gpu)),
              .models = {model->id},
              .gpu = {}};
}

/// What eviction would have to free; nothing where it cannot help. A model may have its memory in
/// either place, so that of two shortfalls the sum is asked for.
std::optional<Bytes> missing_memory(const Judgement& judgement) {
  Bytes missing;
  for (const Shortfall& shortfall : judgement.shortfalls) {
    const bool is_memory =
        shortfall.resource == Resource::host_memory || shortfall.resource == Resource::gpu_memory;
    if (!is_memory || !shortfall.have) {
      return std::nullopt;
    }
    missing += shortfall.missing;
  }
  return missing;
}

/// The least recently used models that together have `missing`, without those whose going would
/// change nothing; none when all of them are not enough.
std::vector<CachedModel> to_evict(const ModelCache& cache, std::string_view kept, Bytes missing) {
  std::vector<CachedModel> chosen;
  Bytes freed;
  for (const CachedModel& model : cache.models()) {
    if (freed >= missing) {
      break;
    }
    if (model.id != kept) {
      chosen.push_back(model);
      freed += model.size;
    }
  }
  if (freed < missing) {
    return {};
  }
  for (std::size_t place = chosen.size(); place-- > 0;) {  // The most recently used first.
    if (freed - chosen[place].size >= missing) {
      freed -= chosen[place].size;
      chosen.erase(chosen.begin() + static_cast<std::ptrdiff_t>(place));
    }
  }
  return chosen;
}

std::optional<Help> eviction(const Verdict& refused, const ModelCache& cache) {
  const auto missing = missing_memory(refused.judgement);
  if (!missing) {
    return std::nullopt;
  }
  const auto models = to_evict(cache, refused.model, *missing);
  if (models.empty()) {
    return std::nullopt;
  }
  Help help{.kind = Help::Kind::evict_models, .text = {}, .models = {}, .gpu = {}};
  Bytes freed;
  for (const CachedModel& model : models) {
    help.models.push_back(model.id);
    freed += model.size;
  }
  help.text = fmt::format(
      "evicting from the model cache {} would free {}, if it is held where memory is "
      "missing",
      fmt::join(help.models, ", "), format_bytes(freed));
  return help;
}

std::optional<Help> other_gpu(const Verdict& refused, const Machine& machine,
                              const std::optional<std::string>& gpu_uuid) {
  if (!gpu_uuid) {
    return std::nullopt;  // All of them were looked at.
  }
  const Judgement anywhere = judge(refused.lookup.model.requirements, machine);
  if (!anywhere.shortfalls.empty() || !anywhere.gpu) {
    return std::nullopt;
  }
  return Help{.kind = Help::Kind::other_gpu,
              .text = fmt::format("{} would do: it has {} free", name_of(*anywhere.gpu),
                                  format_bytes(anywhere.gpu->free.value_or(Bytes{}))),
              .models = {},
              .gpu = anywhere.gpu};
}

}  // namespace

std::string_view to_string(Help::Kind kind) noexcept {
  switch (kind) {
    case Help::Kind::smaller_model:
      return "smaller_model";
    case Help::Kind::evict_models:
      return "evict_models";
    case Help::Kind::other_gpu:
      return "other_gpu";
  }
  return "other_gpu";
}

std::vector<Help> what_would_help(const Verdict& refused, const ModelRegistry& registry,
                                  const ModelCache& cache, const Machine& machine,
                                  const std::optional<std::string>& gpu_uuid) {
  std::vector<Help> help;
  for (auto& each :
       {other_gpu(refused, machine, gpu_uuid), smaller_model(refused, registry, machine, gpu_uuid),
        eviction(refused, cache)}) {
    if (each) {
      help.push_back(*each);
    }
  }
  return help;
}

}  // namespace levee::estimate
