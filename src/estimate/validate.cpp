#include "estimate/validate.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "estimate/help.hpp"

namespace levee::estimate {
namespace {

/// What one pool of memory, or one device, has to say.
struct Fit {
  std::vector<Shortfall> shortfalls;
  std::vector<std::string> warnings;
  std::optional<Bytes> left;  ///< Absent when the memory does not suffice.
};

/// Less than a fifth of what is available now would be left (contract G7); exactly a fifth is
/// enough. Without multiplying, which could overflow.
bool is_tight(Bytes left, Bytes have) {
  return have.count > 0 && left.count <= (have.count - 1) / 5;
}

Fit fit_memory(Resource resource, const std::string& what, std::optional<Bytes> have, Bytes need) {
  Fit fit;
  if (!have || *have < need) {
    fit.shortfalls.push_back(
        {.resource = resource,
         .text = have ? fmt::format("{}: {} needed, {} free, {} missing", what, format_bytes(need),
                                    format_bytes(*have), format_bytes(need - *have))
                      : fmt::format("{}: {} needed, and what is free cannot be read", what,
                                    format_bytes(need)),
         .have = have,
         .need = need,
         .missing = need - have.value_or(Bytes{}),
         .have_compute = {},
         .need_compute = {}});
    return fit;
  }
  fit.left = *have - need;
  if (is_tight(*fit.left, *have)) {
    // Rounded down: what is warned of must not read as 20 %.
    fit.warnings.push_back(fmt::format("{}: only {} of {} ({:.1f} %) would be left", what,
                                       format_bytes(*fit.left), format_bytes(*have),
                                       std::floor(10 * percent_of(*fit.left, *have)) / 10));
  }
  return fit;
}

void check_compute(const Gpu& gpu, ComputeCapability need, Fit& fit) {
  if (!gpu.compute) {
    fit.warnings.push_back(
        fmt::format("{}: compute capability {} is needed, and this one's cannot be read",
                    name_of(gpu), capability_text(need)));
  } else if (*gpu.compute < need) {
    fit.shortfalls.push_back(
        {.resource = Resource::compute_capability,
         .text = fmt::format("{}: compute capability {} needed, this is {}", name_of(gpu),
                             capability_text(need), capability_text(*gpu.compute)),
         .have = {},
         .need = {},
         .missing = {},
         .have_compute = gpu.compute,
         .need_compute = need});
  }
}

Fit fit_gpu(const Gpu& gpu, const Requirements& requirements) {
  Fit fit = gpu.shares_host_memory
                ? fit_memory(Resource::gpu_memory,
                             fmt::format("memory that {} shares with the host", name_of(gpu)),
                             gpu.free, requirements.gpu + requirements.host)
                : fit_memory(Resource::gpu_memory, fmt::format("memory of {}", name_of(gpu)),
                             gpu.free, requirements.gpu);
  if (requirements.min_compute) {
    check_compute(gpu, *requirements.min_compute, fit);
  }
  return fit;
}

/// The smaller, the better it suits.
std::pair<std::size_t, std::uint64_t> rank(const Fit& fit) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  if (!fit.shortfalls.empty()) {
    const Shortfall& worst = fit.shortfalls.front();
    return {1 + fit.shortfalls.size(), worst.missing.count};
  }
  return fit.warnings.empty() ? std::pair{std::size_t{0}, fit.left->count}
                              : std::pair{std::size_t{1}, kMost - fit.left->count};
}

Shortfall no_gpu(Bytes need, const std::string& why) {
  return {.resource = Resource::gpu,
          .text = fmt::format("a GPU with {} is needed: {}", format_bytes(need), why),
          .have = {},
          .need = need,
          .missing = need,
          .have_compute = {},
          .need_compute = {}};
}

std::string why_none(const std::vector<const Gpu*>& unusable) {
  if (unusable.empty()) {
    return "there is none that Levee can see";
  }
  std::vector<std::string> reasons;
  reasons.reserve(unusable.size());
  for (const Gpu* gpu : unusable) {
    reasons.push_back(fmt::format("{} {}", name_of(*gpu), gpu->unusable));
  }
  return fmt::format("{}", fmt::join(reasons, ", "));
}

void add(Judgement& judgement, Fit fit) {
  std::ranges::move(fit.shortfalls, std::back_inserter(judgement.shortfalls));
  std::ranges::move(fit.warnings, std::back_inserter(judgement.warnings));
}

void judge_gpus(const Requirements& requirements, const Machine& machine,
                const std::optional<std::string>& gpu_uuid, Judgement& judgement) {
  std::vector<const Gpu*> unusable;
  std::optional<Fit> best;
  for (const Gpu& gpu : machine.gpus) {
    if (gpu_uuid && gpu.uuid != *gpu_uuid) {
      continue;
    }
    if (!gpu.unusable.empty()) {
      unusable.push_back(&gpu);
      continue;
    }
    Fit fit = fit_gpu(gpu, requirements);
    if (!best || rank(fit) < rank(*best)) {
      best = std::move(fit);
      judgement.gpu = gpu;
    }
  }
  if (!best) {
    judgement.shortfalls.push_back(no_gpu(requirements.gpu, why_none(unusable)));
    return;
  }
  judgement.gpu_left = best->left;
  add(judgement, std::move(*best));
}

}  // namespace

std::string name_of(const Gpu& gpu) { return fmt::format("GPU {} ({})", gpu.index, gpu.name); }

std::string_view to_string(Resource resource) noexcept {
  switch (resource) {
    case Resource::host_memory:
      return "host_memory";
    case Resource::gpu_memory:
      return "gpu_memory";
    case Resource::compute_capability:
      return "compute_capability";
    case Resource::gpu:
      return "gpu";
  }
  return "gpu";
}

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::fits:
      return "fits";
    case Outcome::fits_with_warnings:
      return "fits_with_warnings";
    case Outcome::refused:
      return "refused";
  }
  return "refused";
}

Judgement judge(const Requirements& requirements, const Machine& machine,
                const std::optional<std::string>& gpu_uuid) {
  Judgement judgement;
  if (requirements.host > Bytes{}) {
    Fit host =
        fit_memory(Resource::host_memory, "host memory", machine.host_available, requirements.host);
    judgement.host_left = host.left;
    add(judgement, std::move(host));
  }
  if (requirements.gpu > Bytes{}) {
    judge_gpus(requirements, machine, gpu_uuid, judgement);
  }
  return judgement;
}

Verdict validate(std::string_view id, const ModelRegistry& registry, const ModelCache& cache,
                 const Machine& machine, const std::optional<std::string>& gpu_uuid) {
  Verdict verdict;
  verdict.model = std::string(id);
  verdict.lookup = registry.find(id);
  verdict.judgement = judge(verdict.lookup.model.requirements, machine, gpu_uuid);
  Judgement& judgement = verdict.judgement;
  if (!verdict.lookup.warning.empty()) {
    judgement.warnings.insert(judgement.warnings.begin(), verdict.lookup.warning);
  }
  if (!judgement.shortfalls.empty()) {
    verdict.outcome = Outcome::refused;
    verdict.help = what_would_help(verdict, registry, cache, machine, gpu_uuid);
  } else {
    verdict.outcome = judgement.warnings.empty() ? Outcome::fits : Outcome::fits_with_warnings;
  }
  return verdict;
}

}  // namespace levee::estimate
