// The answer to a question for an estimate.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/calibration_json.hpp"
#include "api/estimate_request.hpp"
#include "estimate/kv_cache.hpp"
#include "estimate/parameters.hpp"
#include "estimate/search.hpp"

namespace levee::api {
namespace {

using estimate::Estimate;
using estimate::Job;
using estimate::ModelFacts;
using estimate::Term;
using nlohmann::ordered_json;

ordered_json bounds(const Term& term) {
  return {{"low_bytes", term.low.count},
          {"expected_bytes", term.expected.count},
          {"high_bytes", term.high.count}};
}

ordered_json to_json(const Term& term) {
  ordered_json json{{"name", estimate::to_string(term.name)}};
  json.update(bounds(term));
  json["reason"] = term.reason;
  return json;
}

ordered_json facts_json(const ModelFacts& facts, const Job& job) {
  const estimate::Parameters parameters = estimate::count_parameters(facts);
  return {{"family", facts.family},
          {"origin", estimate::to_string(facts.origin)},
          {"parameters", facts.parameters.value_or(parameters.total())},
          {"active_parameters", parameters.active},
          {"layers", facts.layers},
          {"hidden", facts.hidden},
          {"heads", facts.heads},
          {"kv_heads", facts.kv_heads},
          {"head_dim", facts.head_dim},
          {"vocab", facts.vocab},
          {"weights", job.weights    ? job.weights->name
                      : facts.stored ? "as stored"
                                     : estimate::format_of(facts).name}};
}

/// What would fit with the other settings as they are.
ordered_json nearest_json(const ModelFacts& facts, const Job& job, Bytes free) {
  ordered_json json{{"max_batch", estimate::largest_batch(facts, job, free)},
                    {"max_context", estimate::longest_context(facts, job, free)}};
  const auto devices = estimate::fewest_devices(facts, job, free);
  json["fewest_gpus"] = devices ? ordered_json(*devices) : ordered_json();
  const auto format = job.training ? std::nullopt : estimate::best_format(facts, job, free);
  json["quant"] = format ? ordered_json(format->name) : ordered_json();
  return json;
}

}  // namespace

ordered_json estimate_json(const EstimateQuestion& question, std::optional<Bytes> free) {
  const Estimate estimate = estimate::estimate(question.facts, question.job);
  ordered_json terms = ordered_json::array();
  for (const Term& term : estimate.terms) {
    terms.push_back(to_json(term));
  }
  const auto available = question.gpu_memory ? question.gpu_memory : free;
  ordered_json json{{"model", question.model},
                    {"framework", estimate::to_string(question.job.framework)},
                    {"training", question.job.training.has_value()},
                    {"fills_memory", question.job.fills_memory()},
                    {"context", question.job.context},
                    {"batch", question.job.batch},
                    {"facts", facts_json(question.facts, question.job)}};
  json["verdict"] = available
                        ? ordered_json(estimate::to_string(estimate::judge(estimate, *available)))
                        : ordered_json();
  json["free_bytes"] = available ? ordered_json(available->count) : ordered_json();
  json["terms"] = std::move(terms);
  json["total"] = bounds(estimate.total);
  json["nearest"] =
      available ? nearest_json(question.facts, question.job, *available) : ordered_json();
  if (const auto& pool = question.job.pool) {
    json["pool"] = {{"bytes", pool->count},
                    {"tokens", estimate::pool_tokens(question.facts, question.job, *pool)}};
  }
  json["correction"] = correction_json(question.job.correction);
  json["remarks"] = question.remarks;
  return json;
}

}  // namespace levee::api
