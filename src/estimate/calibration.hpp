// Calibration: what the jobs of this machine teach about those terms of an estimate that no formula
// gives for sure. Pure.
//
// A job's peak less what is fixed, over what the formulas expected of the rest, is how much more,
// or less, that rest was. The factor of a framework is the median of those, drawn towards 1 while
// there are few jobs; the bounds follow from how far the jobs lie apart. Fixed terms are never
// touched.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/prediction.hpp"
#include "estimate/job.hpp"

namespace levee::estimate {

/// Whether a term is learned: activations, compute buffer, context, graphs, slack.
[[nodiscard]] bool is_soft(TermName name) noexcept;

/// How a job turned out beside what was told of it.
enum class Turnout {
  inside,    ///< Between low and high.
  below,     ///< It took less,
  above,     ///< or more.
  unloaded,  ///< It ended before it had loaded what is fixed: nothing to compare.
  filling,   ///< Its framework fills what is free: nothing to compare.
};

[[nodiscard]] std::string_view to_string(Turnout turnout) noexcept;
[[nodiscard]] Turnout turnout_of(const JobRecord& record) noexcept;

/// So many jobs of a kind are learned from, the newest.
inline constexpr std::size_t kJobsLearned = 32;

/// What jobs teach; the oldest first. By framework, inference before training.
[[nodiscard]] std::vector<Correction> learn(std::span<const JobRecord> records);

/// The one for such a job; none: nothing was learned yet.
[[nodiscard]] std::optional<Correction> correction_for(std::span<const Correction> corrections,
                                                       const Job& job);

/// Corrects the soft terms; the total has to be added up again.
void correct(const Correction& correction, std::vector<Term>& terms);

}  // namespace levee::estimate
