// MemoryProfile: what a model takes on a GPU, as a straight line, and the questions it answers: how
// many sequences fit, and how long they may be (contract G7).
//
//   need(B, T) = base + B × (per_batch + T × per_token)
//
// T counts the tokens of each sequence, not of all of them: the safe reading, and the physical one,
// since every sequence has a key-value cache of its own. All functions are exact for any 64-bit
// input: a need beyond 2⁶⁴ − 1 bytes fits nowhere. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "estimate/model_facts.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::estimate {

struct MemoryProfile {
  std::string name;       ///< The model's; it is registered under it.
  Bytes base_usage;       ///< Of the loaded model: weights, driver context, kernels.
  Bytes per_batch_usage;  ///< Of each sequence, however short.
  Bytes per_token_usage;  ///< Of each token of each sequence.

  bool operator==(const MemoryProfile&) const = default;
};

inline constexpr int kMostBatch = 1'000'000;
inline constexpr std::uint64_t kMostTokens = 1'000'000'000;  ///< Of a sequence.

/// What requests are taken for that do not say how long they get.
inline constexpr std::uint64_t kUsualTokens = 2'048;

/// Refuses what no model can need: nothing at all, and more than the registry takes. The name is
/// check_model_id()'s to judge.
[[nodiscard]] Result<void> check(const MemoryProfile& profile);

/// What `batch` sequences of `tokens` each need; 2⁶⁴ − 1 bytes stand for all that is more.
[[nodiscard]] Bytes need(const MemoryProfile& profile, std::uint64_t batch, std::uint64_t tokens);

/// Nine tenths, rounded down, of what is free and what the asking process already holds for the
/// model: the rest is for what no straight line knows, such as fragmentation.
[[nodiscard]] Bytes usable(Bytes free, Bytes held = {});

/// The most sequences of `tokens` each that fit into `usable`; 0 when not even one does. Never more
/// than kMostBatch, which is also the answer where sequences cost nothing.
[[nodiscard]] std::uint64_t estimate_max_batch(const MemoryProfile& profile, Bytes usable,
                                               std::uint64_t tokens = kUsualTokens);

/// The most tokens that each of `batch` sequences may have within `usable`; 0 when there is no room
/// for any. Never more than kMostTokens, which is also the answer where tokens cost nothing.
[[nodiscard]] std::uint64_t estimate_safe_context_size(const MemoryProfile& profile, Bytes usable,
                                                       std::uint64_t batch);

/// The profile that a model's shape makes, with weights and cache in 16 bits.
[[nodiscard]] MemoryProfile profile_of(std::string name, const ModelFacts& facts);

}  // namespace levee::estimate
