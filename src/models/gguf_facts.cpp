#include "models/gguf_facts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "estimate/parameters.hpp"

namespace levee::models {
namespace {

using estimate::ModelFacts;
using formats::GgufMetadata;

/// The metadata of one architecture: "llama.block_count" by "block_count".
class Keys {
 public:
  Keys(const GgufMetadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(fmt::format("{}.", architecture)) {}

  /// Of a list with one value for each layer, the largest.
  [[nodiscard]] std::uint64_t number_or(std::string_view key, std::uint64_t otherwise,
                                        std::uint64_t most) {
    const std::string name = prefix_ + std::string(key);
    auto found = metadata_.whole_number(name);
    if (const auto list = metadata_.whole_numbers(name); !found && list && !list->empty()) {
      found = *std::ranges::max_element(*list);
    }
    if (found && *found > most) {
      complain(fmt::format("{} is {}, more than any model has", name, *found));
    }
    return std::min(found.value_or(otherwise), most);
  }
  [[nodiscard]] std::uint64_t number(std::string_view key, std::uint64_t most) {
    const std::uint64_t found = number_or(key, 0, most);
    if (found == 0) {
      complain(fmt::format("{}{} is missing", prefix_, key));
    }
    return std::max<std::uint64_t>(found, 1);
  }
  void complain(std::string message) {
    if (!error_) {
      error_ = Error{ErrorCode::invalid_argument, std::move(message),
                     "is this the file of a language model?"};
    }
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  const GgufMetadata& metadata_;
  std::string prefix_;
  std::optional<Error> error_;
};

void read_sizes(Keys& keys, const GgufMetadata& metadata, ModelFacts& facts) {
  facts.layers = keys.number("block_count", estimate::kMostLayers);
  facts.hidden = keys.number("embedding_length", estimate::kMostHidden);
  facts.heads = keys.number("attention.head_count", estimate::kMostHeads);
  facts.kv_heads = keys.number_or("attention.head_count_kv", facts.heads, estimate::kMostHeads);
  facts.head_dim =
      keys.number_or("attention.key_length", facts.hidden / facts.heads, estimate::kMostHeads);
  facts.intermediate =
      keys.number_or("feed_forward_length", 4 * facts.hidden, estimate::kMostIntermediate);
  facts.max_context = keys.number_or("context_length", 0, estimate::kLongestContext);
  const std::uint64_t tokens = metadata.array_length("tokenizer.ggml.tokens").value_or(0);
  facts.vocab = keys.number_or("vocab_size", tokens, estimate::kMostVocabulary);
}

void read_experts(Keys& keys, ModelFacts& facts) {
  const std::uint64_t count = keys.number_or("expert_count", 0, estimate::kMostExperts);
  if (count == 0) {
    return;
  }
  facts.experts = estimate::Experts{
      .count = count,
      .per_token = keys.number_or("expert_used_count", 1, estimate::kMostExperts),
      .intermediate = keys.number_or("expert_feed_forward_length", facts.intermediate,
                                     estimate::kMostIntermediate),
      .shared_intermediate =
          keys.number_or("expert_shared_feed_forward_length", 0, estimate::kMostIntermediate),
      .dense_layers = keys.number_or("leading_dense_block_count", 0, estimate::kMostLayers)};
}

/// Only files made for a latent cache say how wide its parts are; keys then have one head.
void read_latent(Keys& keys, ModelFacts& facts) {
  const std::uint64_t rank = keys.number_or("attention.kv_lora_rank", 0, estimate::kMostHidden);
  if (rank == 0) {
    return;
  }
  const std::uint64_t rope = keys.number_or("rope.dimension_count", 64, estimate::kMostHeads);
  facts.latent = estimate::LatentAttention{
      .query_rank = keys.number_or("attention.q_lora_rank", 0, estimate::kMostHidden),
      .kv_rank = rank,
      .nope = facts.head_dim > rope ? facts.head_dim - rope : facts.head_dim,
      .rope = rope,
      .value = keys.number_or("attention.value_length", facts.head_dim, estimate::kMostHeads)};
}

void read_window(Keys& keys, ModelFacts& facts) {
  const std::uint64_t tokens =
      keys.number_or("attention.sliding_window", 0, estimate::kLongestContext);
  if (tokens == 0) {
    return;
  }
  constexpr std::uint64_t kGemma3 = 6;  // Every sixth layer looks everywhere.
  std::uint64_t layers = facts.layers;
  if (facts.family == "gemma2" || facts.family == "gpt-oss") {
    layers = (facts.layers + 1) / 2;
  } else if (facts.family == "gemma3") {
    layers = facts.layers - facts.layers / kGemma3;
  }
  facts.window = estimate::SlidingWindow{.tokens = tokens, .layers = layers};
}

}  // namespace

Result<Configured> facts_from_gguf(const formats::Weights& weights) {
  const GgufMetadata& metadata = weights.metadata;
  Configured result;
  ModelFacts& facts = result.facts;
  facts.family = metadata.text("general.architecture").value_or("");
  facts.name = metadata.text("general.name").value_or("");
  if (facts.family.empty()) {
    return fail(ErrorCode::invalid_argument, "the GGUF file does not say its architecture",
                "is this the file of a language model?");
  }
  Keys keys(metadata, facts.family);
  read_sizes(keys, metadata, facts);
  read_experts(keys, facts);
  read_latent(keys, facts);
  read_window(keys, facts);
  facts.tied_embeddings =
      std::ranges::find(weights.tensors.tensors, "output.weight", &formats::Tensor::name) ==
      weights.tensors.tensors.end();
  if (keys.error()) {
    return std::unexpected(*keys.error());
  }
  return result;
}

}  // namespace levee::models
