#include "models/hf_families.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "estimate/parameters.hpp"

namespace levee::models {
namespace {

using estimate::Build;
using estimate::Experts;
using estimate::LatentAttention;
using estimate::ModelFacts;
using estimate::Norm;
using estimate::SlidingWindow;
using nlohmann::json;

constexpr std::uint64_t kMostTokens = estimate::kLongestContext;

/// What all of them say, by whatever name.
void read_sizes(ConfigFields& from, ModelFacts& facts) {
  facts.layers = from.size({"num_hidden_layers", "n_layer", "num_layers"}, estimate::kMostLayers);
  facts.hidden = from.size({"hidden_size", "n_embd", "d_model"}, estimate::kMostHidden);
  facts.heads = from.size({"num_attention_heads", "n_head", "num_heads"}, estimate::kMostHeads);
  facts.kv_heads = from.size_or("num_key_value_heads", facts.heads, estimate::kMostHeads);
  facts.head_dim = from.size_or("head_dim", facts.hidden / std::max<std::uint64_t>(facts.heads, 1),
                                estimate::kMostHeads);
  facts.vocab = from.size({"vocab_size"}, estimate::kMostVocabulary);
  for (const char* name : {"max_position_embeddings", "n_positions", "seq_length"}) {
    if (facts.max_context == 0) {
      facts.max_context = from.size_or(name, 0, kMostTokens);
    }
  }
}

void read_window(ConfigFields& from, ModelFacts& facts, std::uint64_t layers) {
  const std::uint64_t tokens = from.size_or("sliding_window", 0, kMostTokens);
  if (tokens > 0 && layers > 0) {
    facts.window = SlidingWindow{.tokens = tokens, .layers = layers};
  }
}

/// How many layers `layer_types` calls sliding; nothing where there is no such list.
std::optional<std::uint64_t> sliding_layers(const ConfigFields& from) {
  const json* const types = from.find("layer_types");
  if (types == nullptr || !types->is_array()) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(std::ranges::count(*types, json("sliding_attention")));
}

// --- families, each beginning from what Llama has

void llama(ConfigFields& from, ModelFacts& facts) {
  read_sizes(from, facts);
  facts.intermediate = from.size({"intermediate_size"}, estimate::kMostIntermediate);
  facts.tied_embeddings = from.flag_or("tie_word_embeddings", false);
  facts.qkv_bias = facts.output_bias = from.flag_or("attention_bias", false);
  facts.mlp_bias = from.flag_or("mlp_bias", false);
}

void mistral(ConfigFields& from, ModelFacts& facts) {
  llama(from, facts);
  read_window(from, facts, facts.layers);
}

Experts experts_of(ConfigFields& from, std::initializer_list<std::string_view> count,
                   std::uint64_t intermediate) {
  return {.count = from.size(count, estimate::kMostExperts),
          .per_token = from.size_or("num_experts_per_tok", 2, estimate::kMostExperts),
          .intermediate =
              from.size_or("moe_intermediate_size", intermediate, estimate::kMostIntermediate)};
}

void mixtral(ConfigFields& from, ModelFacts& facts) {
  mistral(from, facts);
  facts.experts = experts_of(from, {"num_local_experts"}, facts.intermediate);
}

void qwen2(ConfigFields& from, ModelFacts& facts) {
  llama(from, facts);
  facts.qkv_bias = true;
  if (from.flag_or("use_sliding_window", false)) {
    const std::uint64_t full = from.size_or("max_window_layers", 0, estimate::kMostLayers);
    read_window(from, facts, facts.layers - std::min(full, facts.layers));
  }
}

void qwen2_moe(ConfigFields& from, ModelFacts& facts) {
  qwen2(from, facts);
  facts.experts = experts_of(from, {"num_experts"}, facts.intermediate);
  facts.experts->shared_intermediate =
      from.size_or("shared_expert_intermediate_size", 0, estimate::kMostIntermediate);
  facts.experts->shared_gate = facts.experts->shared_intermediate > 0;
}

void qwen3(ConfigFields& from, ModelFacts& facts) {
  qwen2(from, facts);
  facts.qkv_bias = facts.output_bias = from.flag_or("attention_bias", false);
  facts.qk_norm = true;
}

void qwen3_moe(ConfigFields& from, ModelFacts& facts) {
  qwen3(from, facts);
  facts.experts = experts_of(from, {"num_experts"}, facts.intermediate);
}

void gemma(ConfigFields& from, ModelFacts& facts) {
  llama(from, facts);
  constexpr std::uint64_t kHeadDim = 256;
  facts.head_dim = from.size_or("head_dim", kHeadDim, estimate::kMostHeads);
  facts.tied_embeddings = from.flag_or("tie_word_embeddings", true);
}

void gemma2(ConfigFields& from, ModelFacts& facts) {
  gemma(from, facts);
  facts.norms_per_layer = 4;
  read_window(from, facts, sliding_layers(from).value_or((facts.layers + 1) / 2));
}

void gemma3(ConfigFields& from, ModelFacts& facts) {
  gemma(from, facts);
  facts.norms_per_layer = 4;
  facts.qk_norm = true;
  constexpr std::uint64_t kPattern = 6;  // Five look back a window, the sixth everywhere.
  const std::uint64_t pattern = from.size_or("sliding_window_pattern", kPattern, kMostTokens);
  const std::uint64_t full = pattern > 0 ? facts.layers / pattern : 0;
  read_window(from, facts, sliding_layers(from).value_or(facts.layers - full));
}

void plain_mlp(ModelFacts& facts, bool has_biases) {
  facts.gated_mlp = false;
  facts.norm = Norm::layer;
  facts.qkv_bias = facts.output_bias = facts.mlp_bias = has_biases;
}

/// Four times as wide as hidden, unless one of `name` says otherwise.
std::uint64_t wide(ConfigFields& from, const char* name, const ModelFacts& facts) {
  return from.size_or(name, 4 * facts.hidden, estimate::kMostIntermediate);
}

void phi(ConfigFields& from, ModelFacts& facts) {
  read_sizes(from, facts);
  facts.intermediate = wide(from, "intermediate_size", facts);
  plain_mlp(facts, true);
  facts.norms_per_layer = 1;
  facts.head_bias = true;
  facts.tied_embeddings = from.flag_or("tie_word_embeddings", false);
}

void gpt2(ConfigFields& from, ModelFacts& facts) {
  read_sizes(from, facts);
  facts.intermediate = wide(from, "n_inner", facts);
  plain_mlp(facts, true);
  facts.tied_embeddings = from.flag_or("tie_word_embeddings", true);
  facts.position_rows = facts.max_context;
}

/// StarCoder: a GPT-2 whose queries share one key and value head.
void gpt_bigcode(ConfigFields& from, ModelFacts& facts) {
  gpt2(from, facts);
  facts.kv_heads = from.flag_or("multi_query", true) ? 1 : facts.heads;
}

void gptj(ConfigFields& from, ModelFacts& facts) {
  read_sizes(from, facts);
  facts.intermediate = wide(from, "n_inner", facts);
  plain_mlp(facts, false);
  facts.mlp_bias = true;
  facts.head_bias = true;
  facts.norms_per_layer = 1;
  facts.tied_embeddings = from.flag_or("tie_word_embeddings", false);
}

void gpt_neox(ConfigFields& from, ModelFacts& facts) {
  read_sizes(from, facts);
  facts.intermediate = wide(from, "intermediate_size", facts);
  plain_mlp(facts, from.flag_or("attention_bias", true));
  facts.mlp_bias = true;
  facts.tied_embeddings = from.flag_or("tie_word_embeddings", false);
}

void falcon(ConfigFields& from, ModelFacts& facts) {
  read_sizes(from, facts);
  facts.intermediate = wide(from, "ffn_hidden_size", facts);
  plain_mlp(facts, from.flag_or("bias", false));
  facts.tied_embeddings = from.flag_or("tie_word_embeddings", true);
  if (from.flag_or("new_decoder_architecture", false)) {
    facts.kv_heads = from.size_or("num_kv_heads", facts.heads, estimate::kMostHeads);
  } else {
    facts.kv_heads = from.flag_or("multi_query", true) ? 1 : facts.heads;
    facts.norms_per_layer = from.flag_or("parallel_attn", true) ? 1 : 2;
  }
}

void bloom(ConfigFields& from, ModelFacts& facts) {
  read_sizes(from, facts);
  facts.intermediate = 4 * facts.hidden;
  plain_mlp(facts, true);
  facts.tied_embeddings = from.flag_or("tie_word_embeddings", true);
  facts.embedding_norm = true;
}

void opt(ConfigFields& from, ModelFacts& facts) {
  read_sizes(from, facts);
  facts.intermediate = from.size({"ffn_dim"}, estimate::kMostIntermediate);
  plain_mlp(facts, from.flag_or("enable_bias", true));
  facts.tied_embeddings = from.flag_or("tie_word_embeddings", true);
  facts.position_rows = facts.max_context + 2;
}

void deepseek_v2(ConfigFields& from, ModelFacts& facts) {
  llama(from, facts);
  facts.latent =
      LatentAttention{.query_rank = from.size_or("q_lora_rank", 0, estimate::kMostHidden),
                      .kv_rank = from.size({"kv_lora_rank"}, estimate::kMostHidden),
                      .nope = from.size({"qk_nope_head_dim"}, estimate::kMostHeads),
                      .rope = from.size({"qk_rope_head_dim"}, estimate::kMostHeads),
                      .value = from.size({"v_head_dim"}, estimate::kMostHeads)};
  if (from.has("n_routed_experts")) {
    facts.experts = experts_of(from, {"n_routed_experts"}, facts.intermediate);
    facts.experts->shared_intermediate =
        from.size_or("n_shared_experts", 0, 64) * facts.experts->intermediate;
    facts.experts->dense_layers = from.size_or("first_k_dense_replace", 0, estimate::kMostLayers);
  }
}

void deepseek_v3(ConfigFields& from, ModelFacts& facts) {
  deepseek_v2(from, facts);
  facts.router_bias = facts.experts.has_value();
}

void gpt_oss(ConfigFields& from, ModelFacts& facts) {
  llama(from, facts);
  facts.qkv_bias = facts.output_bias = from.flag_or("attention_bias", true);
  facts.mlp_bias = facts.router_bias = facts.attention_sinks = true;
  facts.experts = experts_of(from, {"num_local_experts"}, facts.intermediate);
  read_window(from, facts, sliding_layers(from).value_or((facts.layers + 1) / 2));
}

void bert(ConfigFields& from, ModelFacts& facts) {
  read_sizes(from, facts);
  facts.build = Build::encoder;
  facts.intermediate = wide(from, "intermediate_size", facts);
  plain_mlp(facts, true);
  facts.tied_embeddings = true;
  facts.embedding_norm = true;
  facts.position_rows = facts.max_context;
  facts.segments = from.size_or("type_vocab_size", 2, estimate::kMostHeads);
}

void t5(ConfigFields& from, ModelFacts& facts) {
  read_sizes(from, facts);
  facts.build = Build::encoder_decoder;
  facts.decoder_layers = from.size_or("num_decoder_layers", facts.layers, estimate::kMostLayers);
  facts.head_dim = from.size({"d_kv"}, estimate::kMostHeads);
  facts.intermediate = from.size({"d_ff"}, estimate::kMostIntermediate);
  facts.gated_mlp = from.text_or("feed_forward_proj", "relu").starts_with("gated");
  facts.tied_embeddings = from.flag_or("tie_word_embeddings", true);
  facts.relative_buckets = from.size_or("relative_attention_num_buckets", 32, kMostTokens);
}

void whisper(ConfigFields& from, ModelFacts& facts) {
  facts.build = Build::encoder_decoder;
  facts.layers = from.size({"encoder_layers"}, estimate::kMostLayers);
  facts.decoder_layers = from.size({"decoder_layers"}, estimate::kMostLayers);
  facts.hidden = from.size({"d_model"}, estimate::kMostHidden);
  facts.heads = facts.kv_heads =
      from.size({"encoder_attention_heads"}, std::min(estimate::kMostHeads, facts.hidden));
  facts.head_dim = facts.hidden / facts.heads;
  facts.intermediate = from.size({"encoder_ffn_dim"}, estimate::kMostIntermediate);
  facts.vocab = from.size({"vocab_size"}, estimate::kMostVocabulary);
  plain_mlp(facts, true);
  facts.tied_embeddings = true;
  facts.mel_bins = from.size_or("num_mel_bins", 80, estimate::kMostHeads);
  facts.source_positions = from.size_or("max_source_positions", 1500, estimate::kMostHidden);
  facts.max_context = from.size_or("max_target_positions", 448, estimate::kMostHidden);
  facts.position_rows = facts.max_context;
}

void musicgen(ConfigFields& from, ModelFacts& facts) {
  const json* const decoder = from.find("decoder");
  if (decoder == nullptr || !decoder->is_object()) {
    from.complain("decoder is missing");
    return;
  }
  ConfigFields inner(*decoder);
  read_sizes(inner, facts);
  facts.build = Build::conditioned;
  facts.intermediate = inner.size({"ffn_dim"}, estimate::kMostIntermediate);
  plain_mlp(facts, false);
  facts.norms_per_layer = 3;
  facts.codebooks = inner.size_or("num_codebooks", 4, 64);
  const json* const text = from.find("text_encoder");
  if (text != nullptr && text->is_object()) {
    ConfigFields encoder(*text);
    ModelFacts beside;
    t5(encoder, beside);
    if (encoder.error()) {
      from.complain("text_encoder: " + encoder.error()->message);
      return;
    }
    beside.decoder_layers = 0;  // Only its encoder runs, with one norm and one table less.
    facts.companion_parameters = estimate::count_parameters(beside).total() - beside.hidden -
                                 beside.relative_buckets * beside.heads;
    facts.condition_width = beside.hidden;
  }
  if (inner.error()) {
    from.complain("decoder: " + inner.error()->message);
  }
}

/// Four norms in each layer, as Gemma 2 has them.
void glm4(ConfigFields& from, ModelFacts& facts) {
  llama(from, facts);
  facts.norms_per_layer = 4;
}

constexpr std::array kFamilies{Family{"bert", bert},
                               Family{"bloom", bloom},
                               Family{"deepseek_v2", deepseek_v2},
                               Family{"deepseek_v3", deepseek_v3},
                               Family{"falcon", falcon},
                               Family{"gemma", gemma},
                               Family{"gemma2", gemma2},
                               Family{"gemma3", gemma3},
                               Family{"gemma3_text", gemma3},
                               Family{"glm4", glm4},
                               Family{"granite", llama},
                               Family{"gpt2", gpt2},
                               Family{"gpt_bigcode", gpt_bigcode},
                               Family{"gpt_neox", gpt_neox},
                               Family{"gpt_oss", gpt_oss},
                               Family{"gptj", gptj},
                               Family{"kimi_vl", deepseek_v3},
                               Family{"llama", llama},
                               Family{"mistral", mistral},
                               Family{"mixtral", mixtral},
                               Family{"musicgen", musicgen},
                               Family{"opt", opt},
                               Family{"phi", phi},
                               Family{"phi3", mistral},
                               Family{"qwen2", qwen2},
                               Family{"qwen2_moe", qwen2_moe},
                               Family{"qwen3", qwen3},
                               Family{"qwen3_moe", qwen3_moe},
                               Family{"t5", t5},
                               Family{"whisper", whisper}};

}  // namespace

std::span<const Family> families() { return kFamilies; }

void read_as_llama(ConfigFields& from, ModelFacts& facts) { llama(from, facts); }

}  // namespace levee::models
