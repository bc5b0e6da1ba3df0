// The cache of keys and values: exact, once a framework's rounding is known. Pure.
#pragma once

#include "estimate/job.hpp"

namespace levee::estimate {

/// Bytes for `sequences` of `tokens` each, on one device of job.tensor_parallel.
[[nodiscard]] double cache_bytes(const ModelFacts& facts, const Job& job, std::uint64_t tokens,
                                 std::uint64_t sequences);

/// Tokens that a vLLM pool of so many bytes holds, in whole blocks.
[[nodiscard]] std::uint64_t pool_tokens(const ModelFacts& facts, const Job& job, Bytes pool);

}  // namespace levee::estimate
