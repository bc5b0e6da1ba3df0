#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "estimate/calibration.hpp"
#include "estimate/job.hpp"
#include "estimate/kv_cache.hpp"
#include "estimate/terms.hpp"

namespace levee::estimate {
namespace {

Bytes bytes_of(double count) {
  constexpr auto kMost = static_cast<double>(std::numeric_limits<std::uint64_t>::max());
  if (!(count > 0)) {
    return {};
  }
  return count >= kMost ? Bytes{std::numeric_limits<std::uint64_t>::max()}
                        : Bytes{static_cast<std::uint64_t>(std::llround(std::min(count, 9.2e18)))};
}

Term weights_term(const ModelFacts& facts, const Job& job) {
  const auto ranks = static_cast<double>(job.tensor_parallel);
  const double tables = job.framework == Framework::vllm ? rotary_table_bytes(facts) : 0;
  if (facts.stored && !job.weights) {
    const auto stages = static_cast<double>(job.pipeline_parallel);
    const auto stored = static_cast<double>(facts.stored->count) / ranks / stages;
    return term(TermName::weights, stored + tables, 0.995, 1.005,
                "all tensors of the weight files");
  }
  const WeightFormat format = job.weights.value_or(format_of(facts));
  Parameters parameters = count_parameters(facts);
  if (job.framework == Framework::llama_cpp) {
    parameters.vision = 0;  // A file of its own ("mmproj"), which is loaded only when it is given.
  }
  double spread = format.uncertainty;
  std::string reason = fmt::format("{:.3g} billion values in {}",
                                   static_cast<double>(parameters.total()) / 1e9, format.name);
  double scale = 1;
  if (facts.origin == FactsOrigin::name && facts.parameters) {
    scale = static_cast<double>(*facts.parameters) / static_cast<double>(parameters.total());
    spread = 0.2;
    reason = fmt::format("{:.3g} billion values by the name, in {}",
                         static_cast<double>(*facts.parameters) / 1e9, format.name);
  }
  const double held = weight_bytes(parameters, facts, format, ranks, job.pipeline_parallel);
  return term(TermName::weights, scale * held + tables, 1 - spread, 1 + spread, reason);
}

Term cache_term(const ModelFacts& facts, const Job& job) {
  const double bytes = cache_bytes(facts, job, job.context, job.batch);
  if (job.pool && static_cast<double>(job.pool->count) > bytes) {
    return term(TermName::kv_cache, static_cast<double>(job.pool->count), 1, 1,
                "what the cache is given");
  }
  const double spread = facts.origin == FactsOrigin::name ? 0.5 : 0.01;
  // Windows are ignored by some: they keep all of the context.
  ModelFacts full = facts;
  full.window.reset();
  const double most = facts.window ? cache_bytes(full, job, job.context, job.batch) : bytes;
  return term_between(
      TermName::kv_cache, bytes * (1 - spread), bytes,
      std::max(bytes, job.framework == Framework::vllm ? bytes : most) * (1 + spread),
      fmt::format("{} tokens of {} {}, {}/{} bits", job.context, job.batch,
                  job.batch == 1 ? "sequence" : "sequences", job.keys.bits, job.values.bits));
}

void add_up(Estimate& estimate) {
  Term& total = estimate.total;
  for (const Term& each : estimate.terms) {
    if (each.name != TermName::host) {
      total.low += each.low;
      total.expected += each.expected;
      total.high += each.high;
    }
  }
}

/// Host memory of one process: libraries, and weights where they pass through it.
Term host_term(const Job& job, const Estimate& estimate) {
  constexpr auto kGiBs = static_cast<double>(kGiB);
  const Term* const weights = estimate.find(TermName::weights);
  const double passing = weights == nullptr ? 0 : static_cast<double>(weights->expected.count);
  if (job.framework == Framework::llama_cpp) {
    return term_between(TermName::host, 0.15 * kGiBs, 0.4 * kGiBs, 0.8 * kGiBs + passing,
                        "the process; weight files are mapped, and need not stay");
  }
  return term_between(TermName::host, 2 * kGiBs, 3.5 * kGiBs, 6 * kGiBs + passing,
                      "Python, libraries and buffers; while loading up to all weights");
}

}  // namespace

Term term(TermName name, double expected, double low, double high, std::string reason) {
  return term_between(name, expected * low, expected, expected * high, std::move(reason));
}

Term term_between(TermName name, double low, double expected, double high, std::string reason) {
  return {.name = name,
          .low = bytes_of(std::min(low, expected)),
          .expected = bytes_of(expected),
          .high = bytes_of(std::max(high, expected)),
          .reason = std::move(reason)};
}

const Term* Estimate::find(TermName name) const noexcept {
  const auto found = std::ranges::find(terms, name, &Term::name);
  return found == terms.end() ? nullptr : &*found;
}

Estimate estimate(const ModelFacts& facts, const Job& job) {
  Estimate result;
  if (job.training) {
    add_training(facts, job, *job.training, result);
  } else {
    result.terms.push_back(weights_term(facts, job));
    result.terms.push_back(cache_term(facts, job));
    switch (job.framework) {
      case Framework::vllm:
        add_vllm(facts, job, result);
        break;
      case Framework::llama_cpp:
        add_llama_cpp(facts, job, result);
        break;
      case Framework::transformers:
        add_transformers(facts, job, result);
        break;
    }
  }
  result.terms.push_back(host_term(job, result));
  if (job.correction) {
    correct(*job.correction, result.terms);
  }
  add_up(result);
  return result;
}

}  // namespace levee::estimate
