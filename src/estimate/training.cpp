#include <fmt/format.h>

#include <algorithm>

#include "estimate/terms.hpp"

namespace levee::estimate {
namespace {

constexpr auto kGiBs = static_cast<double>(kGiB);

double as_double(std::uint64_t number) { return static_cast<double>(number); }

/// Bytes per value that learns.
struct PerValue {
  double weights = 2;  ///< What the forward pass uses,
  double masters = 0;  ///< and the copy that is updated.
  double gradients = 2;
  double states = 8;
};

PerValue per_value(const Training& training) {
  PerValue bytes;
  switch (training.precision) {
    case Precision::fp32:
      bytes = {.weights = 4, .masters = 0, .gradients = 4, .states = 8};
      break;
    case Precision::mixed:
      bytes = {.weights = 2, .masters = 4, .gradients = 2, .states = 8};
      break;
    case Precision::pure_16bit:
      bytes = {.weights = 2, .masters = 0, .gradients = 2, .states = 4};
      break;
  }
  switch (training.optimizer) {
    case Optimizer::adam:
      break;
    case Optimizer::adam_8bit:
      bytes.states = 2;
      break;
    case Optimizer::sgd:
      bytes.states = 0;
      break;
    case Optimizer::sgd_momentum:
      bytes.states /= 2;
      break;
  }
  return bytes;
}

/// Values that the backward pass needs of one token and layer. Linear layers that learn need their
/// inputs; norms, rotary positions, attention and the MLP's function need theirs in any case.
/// Fitted: Llama-2-7B and phi-1.5 with LoRA under litgpt, batches 1, 2 and 4.
double layer_values(const ModelFacts& facts, bool all_learns) {
  const double hidden = as_double(facts.hidden);
  const double width = facts.experts
                           ? as_double(facts.experts->per_token * facts.experts->intermediate +
                                       facts.experts->shared_intermediate)
                           : as_double(facts.intermediate);
  const double heads = facts.latent
                           ? as_double(facts.heads * (facts.latent->nope + facts.latent->rope))
                           : as_double(facts.heads * facts.head_dim);
  const double keys = facts.latent ? 2 * heads : 2 * as_double(facts.kv_heads * facts.head_dim);
  // RMS norms keep their input in 32 bits.
  const double norms = facts.norm == Norm::rms ? 6 * hidden : 3 * hidden;
  const double attention = 2 * (heads + keys) + heads;
  const double mlp = facts.gated_mlp ? 3 * width : width;
  const double inputs = all_learns ? 2 * hidden + heads + width : hidden;
  return norms + attention + mlp + inputs;
}

double activation_bytes(const ModelFacts& facts, const Job& job, const Training& training) {
  const double tokens = as_double(job.context) * as_double(job.batch);
  const double size = training.precision == Precision::fp32 ? 4 : 2;
  const double ranks = as_double(job.tensor_parallel);
  const double layers =
      as_double(facts.layers + facts.decoder_layers) / as_double(job.pipeline_parallel);
  double layer = layer_values(facts, !training.adapter_values) * size / ranks;
  if (!job.flash_attention) {  // Scores, their softmax, and its dropped-out copy.
    layer += as_double(facts.heads) / ranks * as_double(job.context) * (2 * size + 1);
  }
  // Fused norms, rotary positions and products. Fitted: Llama-3.2-3B under torchtune.
  constexpr double kFused = 0.65;
  layer *= training.compiled ? kFused : 1;
  const double checkpoint = as_double(facts.hidden) * size / ranks;
  switch (training.recompute) {
    case Recompute::none:
      return tokens * layers * layer;
    case Recompute::selective: {
      // Some operations of every layer: a third of its values stay.
      constexpr double kKept = 0.35;
      return tokens * (layers * (kKept * layer + checkpoint) + layer);
    }
    case Recompute::full:
      return tokens * (layers * checkpoint + layer);
  }
  return 0;
}

/// The share of one rank where a stage of ZeRO splits it.
double split(const Training& training, int stage) {
  return training.zero >= stage ? 1 / as_double(std::max<std::uint64_t>(training.ranks, 1)) : 1;
}

double logits_bytes(const ModelFacts& facts, const Job& job, const Training& training) {
  // In 16 bits, then in 32 for the loss, and the gradient of that.
  constexpr double kBytes = 10;
  constexpr double kChunks = 8;
  const double all = as_double(job.context) * as_double(job.batch) * as_double(facts.vocab) *
                     (training.precision == Precision::fp32 ? 8 : kBytes);
  return all / as_double(job.tensor_parallel) / (training.chunked_loss ? kChunks : 1);
}

}  // namespace

void add_training(const ModelFacts& facts, const Job& job, const Training& training,
                  Estimate& estimate) {
  const Parameters parameters = count_parameters(facts);
  const double devices = as_double(job.tensor_parallel * job.pipeline_parallel);
  const double all = as_double(parameters.total()) / devices;
  const double learning = training.adapter_values ? as_double(*training.adapter_values) : all;
  const PerValue bytes = per_value(training);
  const bool has_adapters = training.adapter_values.has_value();
  const WeightFormat format = job.weights.value_or(format_of(facts));
  const double held =
      has_adapters ? weight_bytes(parameters, facts, format, as_double(job.tensor_parallel)) /
                             as_double(job.pipeline_parallel) +
                         learning * 4
                   : all * bytes.weights;
  double weights = held * split(training, 3);
  std::string reason = has_adapters ? "the model stands still, adapters learn" : "all values learn";
  if (training.zero >= 3 && training.ranks > 1) {
    // What is gathered while it is used, and what comes next.
    weights += 2 * as_double(parameters.layer) / as_double(job.tensor_parallel) * bytes.weights;
    reason += fmt::format(", in {} parts; two layers at a time are whole", training.ranks);
  }
  const double spread = std::max(0.01, format.uncertainty);
  estimate.terms.push_back(term(TermName::weights, weights, 1 - spread, 1 + spread, reason));
  // Adapters learn in 32 bits.
  const double gradient_bytes = has_adapters ? 4 : bytes.gradients;
  const double gradients = learning * gradient_bytes;
  estimate.terms.push_back(term(TermName::gradients, gradients * split(training, 2), 0.9,
                                training.precision == Precision::mixed ? 2 : 1.05,
                                fmt::format("{} bytes per value that learns", gradient_bytes)));
  const double states = learning * (has_adapters ? 8 : bytes.states + bytes.masters);
  estimate.terms.push_back(
      term(TermName::optimizer, states * split(training, 1), 0.98, 1.02,
           fmt::format("{} bytes per value that learns, master weights included",
                       has_adapters ? 8 : bytes.states + bytes.masters)));
  const double activations = activation_bytes(facts, job, training);
  estimate.terms.push_back(term(
      TermName::activations, activations, 0.75, 1.3,
      fmt::format("kept for the backward pass, {} tokens at a time", job.context * job.batch)));
  estimate.terms.push_back(term(TermName::logits, logits_bytes(facts, job, training), 0.4, 1.3,
                                "scores of all words for the loss, and their gradient"));
  estimate.terms.push_back(term_between(TermName::context, 0.4 * kGiBs, 0.6 * kGiBs, 1.4 * kGiBs,
                                        "driver context and kernels"));
  const double sum =
      weights + gradients * split(training, 2) + states * split(training, 1) + activations;
  estimate.terms.push_back(term_between(TermName::slack, 0, 0.03 * sum, 0.1 * sum,
                                        "what the allocator holds and does not use"));
}

}  // namespace levee::estimate
