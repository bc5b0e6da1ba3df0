// ModelFacts: what is known of a model's shape, from its configuration or its weight files. Plain
// values; names follow Hugging Face configuration files where those agree with each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "levee/bytes.hpp"

namespace levee::estimate {

enum class Build {
  decoder,          ///< Llama, GPT, Mixtral, …
  encoder,          ///< BERT
  encoder_decoder,  ///< T5, Whisper
  conditioned,      ///< A decoder that looks at another model's output in every layer: MusicGen.
};

/// What one norm has per hidden value: a scale, or a scale and a shift.
enum class Norm { rms, layer };

struct Experts {
  std::uint64_t count = 0;
  std::uint64_t per_token = 0;
  std::uint64_t intermediate = 0;         ///< Width of one.
  std::uint64_t shared_intermediate = 0;  ///< Width of those that every token passes, together.
  std::uint64_t dense_layers = 0;         ///< Layers that have an ordinary MLP instead.
  bool shared_gate = false;
};

/// Multi-head latent attention (DeepSeek).
struct LatentAttention {
  std::uint64_t query_rank = 0;  ///< 0: queries are not compressed.
  std::uint64_t kv_rank = 0;
  std::uint64_t nope = 0;  ///< Size of a query head without rotary positions,
  std::uint64_t rope = 0;  ///< and of what has them.
  std::uint64_t value = 0;
};

/// Layers that only look so far back.
struct SlidingWindow {
  std::uint64_t tokens = 0;
  std::uint64_t layers = 0;  ///< So many of all layers.
};

/// What the weights hold beside 16-bit values. Block sizes and ratios: see weights.hpp.
enum class Quantization { none, fp8, int8, int4_grouped, nf4, nf4_double, mxfp4 };

[[nodiscard]] std::string_view to_string(Quantization quantization) noexcept;

/// Where facts come from, the most certain first.
enum class FactsOrigin { weight_files, configuration, catalogue, name };

[[nodiscard]] std::string_view to_string(FactsOrigin origin) noexcept;

struct ModelFacts {
  std::string name;
  std::string family;  ///< The configuration's model_type: "llama".
  Build build = Build::decoder;
  FactsOrigin origin = FactsOrigin::configuration;

  std::uint64_t layers = 0;          ///< Of the decoder; of an encoder_decoder's encoder.
  std::uint64_t decoder_layers = 0;  ///< Of an encoder_decoder only.
  std::uint64_t hidden = 0;
  std::uint64_t heads = 0;
  std::uint64_t kv_heads = 0;
  std::uint64_t head_dim = 0;
  std::uint64_t intermediate = 0;
  std::uint64_t vocab = 0;
  std::uint64_t max_context = 0;  ///< As the configuration says; 0: it does not.

  bool tied_embeddings = false;
  bool gated_mlp = true;
  bool qkv_bias = false;
  bool output_bias = false;  ///< Of the attention's output.
  bool mlp_bias = false;
  bool head_bias = false;  ///< Of the output matrix.
  bool qk_norm = false;
  bool attention_sinks = false;  ///< One value per head that takes part in the softmax (gpt-oss).
  bool router_bias = false;      ///< One value per expert (DeepSeek-V3).
  bool embedding_norm = false;
  Norm norm = Norm::rms;
  std::uint64_t norms_per_layer = 2;
  std::uint64_t position_rows = 0;         ///< Learned positions; 0: none.
  std::uint64_t rotary_rows = 0;           ///< Positions of a table of sines and cosines.
  std::uint64_t relative_buckets = 0;      ///< T5
  std::uint64_t segments = 0;              ///< BERT's token types
  std::uint64_t codebooks = 0;             ///< MusicGen
  std::uint64_t condition_width = 0;       ///< MusicGen: of what it is conditioned on.
  std::uint64_t mel_bins = 0;              ///< Whisper
  std::uint64_t source_positions = 0;      ///< Whisper: length of what the decoder looks at.
  std::uint64_t companion_parameters = 0;  ///< Of models that run beside it: a text encoder.
  std::uint64_t vision_parameters = 0;     ///< Of what reads pictures, projector included.

  std::optional<Experts> experts;
  std::optional<LatentAttention> latent;
  std::optional<SlidingWindow> window;

  double bytes_per_value = 2;  ///< Of unquantised weights, as they are stored.
  Quantization quantization = Quantization::none;
  std::optional<Bytes> stored;              ///< All tensors of the weight files.
  std::optional<std::uint64_t> parameters;  ///< As the weight files, or a name, have them.
};

}  // namespace levee::estimate
