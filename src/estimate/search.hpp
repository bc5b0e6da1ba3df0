// Search: the nearest settings that fit. Totals grow with batch, context and bits, so that halving
// finds the limit; frameworks' rounding is in the totals. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "estimate/job.hpp"

namespace levee::estimate {

enum class Fit { fits, tight, does_not_fit };

[[nodiscard]] std::string_view to_string(Fit fit) noexcept;

/// Fits: even at its worst. Tight: as expected, but not at its worst.
[[nodiscard]] Fit judge(const Estimate& estimate, Bytes free) noexcept;

/// Where answers end when nothing else bounds them.
inline constexpr std::uint64_t kMostSequences = 1'000'000;
inline constexpr std::uint64_t kMostContext = std::uint64_t{1} << 27;
inline constexpr std::uint64_t kMostDevices = 64;

/// The largest batch that fits; 0: not even one sequence.
[[nodiscard]] std::uint64_t largest_batch(const ModelFacts& facts, Job job, Bytes free);

/// The longest context that fits; 0: none does. Not beyond what the model was made for.
[[nodiscard]] std::uint64_t longest_context(const ModelFacts& facts, Job job, Bytes free);

/// The fewest devices, each with so much free, that share the model tensor by tensor; a power of
/// two, as frameworks want it. Absent: more than kMostDevices.
[[nodiscard]] std::optional<std::uint64_t> fewest_devices(const ModelFacts& facts, Job job,
                                                          Bytes free);

/// The format with the most bits that fits and has fewer than job's; of those that the framework
/// reads.
[[nodiscard]] std::optional<WeightFormat> best_format(const ModelFacts& facts, Job job, Bytes free);

}  // namespace levee::estimate
