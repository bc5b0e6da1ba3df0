// Weights: how many bytes a model's values take in a format. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "estimate/model_facts.hpp"
#include "estimate/parameters.hpp"
#include "levee/result.hpp"

namespace levee::estimate {

/// Bits per value, scales and zero points included. Formats treat what is not a matrix within a
/// layer differently.
struct WeightFormat {
  std::string name;
  double linear_bits = 16;
  double embedding_bits = 16;
  double output_bits = 16;    ///< Also of a tied matrix.
  double uncertainty = 0;     ///< So far the truth may be off, as a fraction.
  bool splits_tied = false;   ///< Files keep a tied output as a copy of its own.
  bool experts_only = false;  ///< Other matrices keep 16 bits.
};

/// "bf16", "fp16", "fp32", "fp8", "int8", "int4" (also "awq", "gptq"), "nf4", "nf4-dq", "mxfp4", or
/// a type of llama.cpp such as "Q4_K_M"; upper and lower case are the same.
[[nodiscard]] Result<WeightFormat> parse_weight_format(std::string_view name);

/// What a model can be converted to, the largest first: 16 bits, then those of the framework's
/// files.
[[nodiscard]] const std::vector<WeightFormat>& hub_formats();
[[nodiscard]] const std::vector<WeightFormat>& gguf_formats();

/// As the weights are stored.
[[nodiscard]] WeightFormat format_of(const ModelFacts& facts);

/// On one of `ranks` devices that share the model tensor by tensor, and of `stages` that share its
/// layers the one that holds most: the first has the embedding, the last the output.
[[nodiscard]] double weight_bytes(const Parameters& parameters, const ModelFacts& facts,
                                  const WeightFormat& format, double ranks = 1,
                                  std::uint64_t stages = 1);

/// Layers of the stage that holds most, of `layers` that are dealt out as evenly as they go.
[[nodiscard]] std::uint64_t most_layers(std::uint64_t layers, std::uint64_t stages);

/// The table of sines and cosines that vLLM makes for all positions while it loads a model, in 16
/// bits and whole on every device.
[[nodiscard]] double rotary_table_bytes(const ModelFacts& facts);

}  // namespace levee::estimate
