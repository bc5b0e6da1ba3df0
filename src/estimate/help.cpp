#include "estimate/help.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <span>
#include <tuple>

#include "core/time.hpp"

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
              .models = {model->id}};
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
  Help help{.kind = Help::Kind::evict_models, .text = {}};
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
              .gpu = anywhere.gpu};
}

/// `machine` once `holdings` are over.
Machine without(std::span<const Holding> holdings, Machine machine) {
  for (const Holding& holding : holdings) {
    if (machine.host_available) {
      *machine.host_available += holding.host;
    }
    for (const auto& [uuid, bytes] : holding.gpus) {
      const auto gpu = std::ranges::find(machine.gpus, uuid, &Gpu::uuid);
      if (gpu != machine.gpus.end() && gpu->free) {
        *gpu->free += bytes;
      }
    }
  }
  return machine;
}

/// "train.py (lease-3), eval.py (lease-4) and 7 others".
std::string names_of(const std::vector<const Holding*>& holdings) {
  constexpr std::size_t kMost = 3;
  std::vector<std::string_view> names;
  for (const Holding* holding : holdings | std::views::take(kMost)) {
    names.push_back(holding->who);
  }
  const std::size_t others = holdings.size() - names.size();
  return fmt::format("{}{}", fmt::join(names, ", "),
                     others > 0 ? fmt::format(" and {} more", others) : "");
}

/// Whether the end of `holding` gives memory back where `requirements` are met, or on the host.
bool matters(const Holding& holding, const Judgement& then) {
  const bool on_gpu = then.gpu && std::ranges::any_of(holding.gpus, [&](const auto& share) {
                        return share.first == then.gpu->uuid && share.second > Bytes{};
                      });
  return on_gpu || holding.host > Bytes{};
}

std::optional<Help> waiting(const Verdict& refused, const Machine& machine,
                            const std::optional<std::string>& gpu_uuid) {
  // The earliest to end first; those whose end nobody knows last.
  std::vector<Holding> line = machine.holdings;
  std::ranges::stable_sort(line, {}, [](const Holding& holding) {
    return holding.ends_in.value_or(std::chrono::seconds::max());
  });
  const auto once_over = [&](std::size_t count) {
    return judge(refused.lookup.model.requirements, without(std::span(line).first(count), machine),
                 gpu_uuid);
  };
  // So many must end: more free memory never makes it fit less.
  const auto counts = std::views::iota(std::size_t{1}, line.size() + 1);
  const auto enough = std::ranges::partition_point(
      counts, [&](std::size_t count) { return !once_over(count).shortfalls.empty(); });
  if (enough == counts.end()) {
    return std::nullopt;
  }
  const Judgement then = once_over(*enough);
  std::vector<const Holding*> over;
  for (const Holding& holding : line | std::views::take(*enough)) {
    if (matters(holding, then)) {
      over.push_back(&holding);
    }
  }
  const auto after = line[*enough - 1].ends_in;
  return Help{.kind = Help::Kind::wait,
              .text = fmt::format(
                  "it fits once {} {} over: {}", names_of(over), over.size() == 1 ? "is" : "are",
                  after ? fmt::format("in {} at the latest", format_duration(*after))
                        : "nobody knows when; `levee run --wait` waits in line for it"),
              .gpu = then.gpu,
              .after = after};
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
    case Help::Kind::wait:
      return "wait";
  }
  return "other_gpu";
}

std::vector<Help> what_would_help(const Verdict& refused, const ModelRegistry& registry,
                                  const ModelCache& cache, const Machine& machine,
                                  const std::optional<std::string>& gpu_uuid) {
  std::vector<Help> help;
  for (auto& each :
       {other_gpu(refused, machine, gpu_uuid), smaller_model(refused, registry, machine, gpu_uuid),
        eviction(refused, cache), waiting(refused, machine, gpu_uuid)}) {
    if (each) {
      help.push_back(*each);
    }
  }
  return help;
}

}  // namespace levee::estimate
