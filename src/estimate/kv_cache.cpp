#include "estimate/kv_cache.hpp"

#include <algorithm>
#include <cmath>

namespace levee::estimate {
namespace {

double round_up(double tokens, double block) { return std::ceil(tokens / block) * block; }

double as_double(std::uint64_t number) { return static_cast<double>(number); }

std::uint64_t cached_layers(const ModelFacts& facts) {
  return facts.build == Build::encoder_decoder ? facts.decoder_layers
         : facts.build == Build::encoder       ? 0
                                               : facts.layers;
}

/// One token in one layer.
double layer_token_bytes(const ModelFacts& facts, const Job& job) {
  if (facts.latent) {
    // The latent part is the same on every device of a tensor-parallel group.
    return as_double(facts.latent->kv_rank + facts.latent->rope) * job.keys.bits / 8;
  }
  const double heads = std::max(1.0, as_double(facts.kv_heads) / as_double(job.tensor_parallel));
  return heads * as_double(facts.head_dim) * (job.keys.bits + job.values.bits) / 8;
}

/// A window's layers in 16 bits: llama.cpp does not quantise their part of the cache.
double window_token_bytes(const ModelFacts& facts, const Job& job) {
  if (job.framework != Framework::llama_cpp) {
    return layer_token_bytes(facts, job);
  }
  Job wide = job;
  wide.keys.bits = std::max(16.0, job.keys.bits);
  wide.values.bits = std::max(16.0, job.values.bits);
  return layer_token_bytes(facts, wide);
}

/// What layers with a window keep of one sequence.
double window_tokens(const SlidingWindow& window, const Job& job, double tokens, double sequences) {
  constexpr double kPad = 256;
  const double width = as_double(window.tokens);
  switch (job.framework) {
    case Framework::llama_cpp:
      return std::min(tokens,
                      round_up(width * sequences + as_double(job.micro_batch), kPad) / sequences);
    case Framework::vllm:
      return std::min(tokens,
                      round_up(width - 1 + as_double(job.batched_tokens), as_double(job.block)) +
                          as_double(job.block));
    case Framework::transformers:
      return std::min(tokens, width);
  }
  return tokens;
}

/// The layers that vLLM reckons with: kinds of layers share one pool, in groups as large as the
/// rarer kind.
double pooled_layers(const ModelFacts& facts) {
  const std::uint64_t layers = cached_layers(facts);
  if (!facts.window || facts.window->layers == 0 || facts.window->layers >= layers) {
    return as_double(layers);
  }
  const std::uint64_t window = facts.window->layers;
  const std::uint64_t group = std::min(window, layers - window);
  const auto groups = [group](std::uint64_t kind) { return (kind + group - 1) / group; };
  return as_double((groups(window) + groups(layers - window)) * group);
}

/// What a framework rounds the length of a sequence up to.
double padding(const Job& job) {
  constexpr double kLlamaCpp = 256;
  constexpr double kLlamaCppPlain = 32;
  switch (job.framework) {
    case Framework::llama_cpp:
      return job.flash_attention ? kLlamaCpp : kLlamaCppPlain;
    case Framework::vllm:
      return as_double(job.block);
    case Framework::transformers:
      return 1;
  }
  return 1;
}

}  // namespace

double cache_bytes(const ModelFacts& facts, const Job& job, std::uint64_t tokens,
                   std::uint64_t sequences) {
  const double layers = as_double(most_layers(cached_layers(facts), job.pipeline_parallel));
  const double padded = round_up(as_double(tokens), padding(job));
  const double each = layer_token_bytes(facts, job);
  double bytes = 0;
  if (facts.window && !facts.latent) {
    const double share = std::min(
        1.0, as_double(facts.window->layers) / std::max(1.0, as_double(cached_layers(facts))));
    const double kept =
        window_tokens(*facts.window, job, padded, std::max(1.0, as_double(sequences)));
    bytes = layers * ((1 - share) * padded * each + share * kept * window_token_bytes(facts, job));
  } else {
    bytes = layers * padded * each;
  }
  if (facts.build == Build::encoder_decoder || facts.build == Build::conditioned) {
    // What it looks at is cached as well: sound, or the text that conditions.
    constexpr double kConditionTokens = 256;
    const double source = facts.source_positions > 0          ? as_double(facts.source_positions)
                          : facts.build == Build::conditioned ? kConditionTokens
                                                              : padded;
    bytes += layers * source * each;
  }
  return bytes * as_double(sequences);
}

std::uint64_t pool_tokens(const ModelFacts& facts, const Job& job, Bytes pool) {
  const double layers = facts.latent ? as_double(cached_layers(facts)) : pooled_layers(facts);
  const double per_token =
      std::ceil(layers / as_double(job.pipeline_parallel)) * layer_token_bytes(facts, job);
  if (per_token <= 0) {
    return 0;
  }
  const double blocks =
      std::floor(static_cast<double>(pool.count) / (per_token * as_double(job.block)));
  return static_cast<std::uint64_t>(blocks) * job.block;
}

}  // namespace levee::estimate
