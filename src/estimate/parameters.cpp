#include "estimate/parameters.hpp"

#include <algorithm>

namespace levee::estimate {
namespace {

using u64 = std::uint64_t;

/// Matrices, and everything beside them.
struct Part {
  u64 linear = 0;
  u64 other = 0;

  Part& operator+=(const Part& more) {
    linear += more.linear;
    other += more.other;
    return *this;
  }
  [[nodiscard]] Part times(u64 count) const { return {linear * count, other * count}; }
  [[nodiscard]] u64 total() const { return linear + other; }
};

u64 norm(const ModelFacts& facts) {
  return facts.norm == Norm::layer ? 2 * facts.hidden : facts.hidden;
}

Part latent_attention(const ModelFacts& facts, const LatentAttention& latent) {
  const u64 d = facts.hidden;
  const u64 query = facts.heads * (latent.nope + latent.rope);
  Part part;
  part.linear =
      latent.query_rank > 0 ? d * latent.query_rank + latent.query_rank * query : d * query;
  part.linear += d * (latent.kv_rank + latent.rope) +
                 latent.kv_rank * facts.heads * (latent.nope + latent.value) +
                 facts.heads * latent.value * d;
  part.other = latent.query_rank + latent.kv_rank;  // Norms of what is compressed.
  return part;
}

Part attention(const ModelFacts& facts) {
  if (facts.latent) {
    return latent_attention(facts, *facts.latent);
  }
  const u64 query = facts.heads * facts.head_dim;
  const u64 key = facts.kv_heads * facts.head_dim;
  Part part{.linear = facts.hidden * (query + 2 * key) + query * facts.hidden, .other = 0};
  part.other += facts.qkv_bias ? query + 2 * key : 0;
  part.other += facts.output_bias ? facts.hidden : 0;
  part.other += facts.qk_norm ? 2 * facts.head_dim : 0;
  part.other += facts.attention_sinks ? facts.heads : 0;
  return part;
}

Part mlp(const ModelFacts& facts, u64 width) {
  const u64 up = facts.gated_mlp ? 2 : 1;
  return {.linear = (up + 1) * facts.hidden * width,
          .other = facts.mlp_bias ? up * width + facts.hidden : 0};
}

/// Of a layer with experts, all of them.
Part expert_mlp(const ModelFacts& facts, const Experts& experts) {
  Part part = mlp(facts, experts.intermediate).times(experts.count);
  if (experts.shared_intermediate > 0) {
    part += mlp(facts, experts.shared_intermediate);
  }
  part.other += facts.hidden * experts.count;  // The router.
  part.other += facts.router_bias ? experts.count : 0;
  part.other += experts.shared_gate ? facts.hidden : 0;
  return part;
}

void add(Parameters& sum, const Part& part) {
  sum.linear += part.linear;
  sum.other += part.other;
}

void count_decoder(const ModelFacts& facts, Parameters& sum) {
  Part common = attention(facts);
  common.other += facts.norms_per_layer * norm(facts);
  if (facts.build == Build::conditioned) {
    common += attention(facts);  // To what it is conditioned on.
  }
  Part dense = common;
  dense += mlp(facts, facts.intermediate);
  const u64 dense_layers =
      facts.experts ? std::min(facts.experts->dense_layers, facts.layers) : facts.layers;
  add(sum, dense.times(dense_layers));
  sum.layer = dense_layers > 0 ? dense.total() : 0;
  if (facts.experts) {
    const u64 layers = facts.layers - dense_layers;
    Part sparse = common;
    sparse += expert_mlp(facts, *facts.experts);
    add(sum, sparse.times(layers));
    sum.layer = std::max(sum.layer, sparse.total());
    const Part one = mlp(facts, facts.experts->intermediate);
    sum.experts = layers * facts.experts->count * one.total();
    sum.expert_linear = layers * facts.experts->count * one.linear;
    sum.active = layers * std::min(facts.experts->per_token, facts.experts->count) * one.total();
  }
  sum.other += norm(facts);  // The last one.
}

void count_embeddings(const ModelFacts& facts, Parameters& sum) {
  const u64 books = std::max<u64>(facts.codebooks, 1);
  // MusicGen's embeddings have a row for padding that its outputs lack.
  sum.embedding = books * (facts.vocab + (facts.codebooks > 0 ? 1 : 0)) * facts.hidden;
  sum.embedding += (facts.position_rows + facts.segments) * facts.hidden;
  sum.output = facts.tied_embeddings ? 0 : books * facts.vocab * facts.hidden;
  sum.other += facts.head_bias ? facts.vocab : 0;
  sum.other += facts.embedding_norm ? norm(facts) : 0;
  sum.other += facts.condition_width > 0 ? (facts.condition_width + 1) * facts.hidden : 0;
}

/// Encoder without a last norm, and a pooler.
void count_encoder(const ModelFacts& facts, Parameters& sum) {
  count_decoder(facts, sum);
  sum.other -= norm(facts);
  sum.linear += facts.hidden * facts.hidden;
  sum.other += facts.hidden;
}

void count_encoder_decoder(const ModelFacts& facts, Parameters& sum) {
  // A decoder's layer has a second attention, with a norm of its own.
  Part encoder = attention(facts);
  encoder.other += 2 * norm(facts);
  encoder += mlp(facts, facts.intermediate);
  Part decoder = encoder;
  decoder += attention(facts);
  decoder.other += norm(facts);
  if (facts.mel_bins > 0) {  // Whisper: keys have no bias, and two convolutions read the sound.
    encoder.other -= facts.hidden;
    decoder.other -= 2 * facts.hidden;
    constexpr u64 kWidth = 3;
    sum.other += kWidth * facts.hidden * (facts.mel_bins + facts.hidden) + 2 * facts.hidden;
  }
  add(sum, encoder.times(facts.layers));
  add(sum, decoder.times(facts.decoder_layers));
  sum.layer = decoder.total();
  sum.other += 2 * norm(facts) + 2 * facts.relative_buckets * facts.heads;
}

}  // namespace

Parameters count_parameters(const ModelFacts& facts) {
  Parameters sum;
  count_embeddings(facts, sum);
  switch (facts.build) {
    case Build::decoder:
    case Build::conditioned:
      count_decoder(facts, sum);
      break;
    case Build::encoder:
      count_encoder(facts, sum);
      break;
    case Build::encoder_decoder:
      count_encoder_decoder(facts, sum);
      break;
  }
  sum.active += sum.total() - sum.experts;
  sum.vision = facts.vision_parameters;
  return sum;
}

}  // namespace levee::estimate
