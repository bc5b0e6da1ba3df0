// Parameters: how many values a model's shape makes. Pure.
//
// Formulas: docs/estimate.md, "Weights". They reproduce the published counts of BLOOM-176B, GPT-2,
// GPT-NeoX-20B, DeepSeek-V3 and others to the last value.
#pragma once

#include <cstdint>

#include "estimate/model_facts.hpp"

namespace levee::estimate {

struct Parameters {
  std::uint64_t embedding = 0;  ///< Tokens and positions; counted once where the output is tied.
  std::uint64_t output = 0;     ///< The output matrix, if it is one of its own.
  std::uint64_t linear = 0;     ///< Matrices within the layers: what quantisation applies to.
  std::uint64_t other = 0;      ///< Norms, biases, routers, convolutions.
  std::uint64_t vision = 0;     ///< What reads pictures; quantisation leaves it alone.
  std::uint64_t experts = 0;    ///< Of all: experts that are chosen per token,
  std::uint64_t expert_linear = 0;  ///< and of `linear`: their matrices.
  std::uint64_t active = 0;         ///< What one token of text passes.
  std::uint64_t layer = 0;          ///< The largest layer.

  [[nodiscard]] std::uint64_t total() const noexcept {
    return embedding + output + linear + other + vision;
  }
};

/// The largest sizes that are believed; products of them fit into 64 bits.
inline constexpr std::uint64_t kMostLayers = 2'048;
inline constexpr std::uint64_t kMostHidden = std::uint64_t{1} << 18;
inline constexpr std::uint64_t kMostIntermediate = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMostHeads = 4'096;
inline constexpr std::uint64_t kMostExperts = 4'096;
inline constexpr std::uint64_t kMostVocabulary = std::uint64_t{1} << 24;
inline constexpr std::uint64_t kLongestContext = std::uint64_t{1} << 30;

/// `facts` must be within the sizes above.
[[nodiscard]] Parameters count_parameters(const ModelFacts& facts);

}  // namespace levee::estimate
