// The soft terms, by framework and by kind of training. Internal to the room. Pure.
//
// Constants say where they were measured. Their report: docs/estimate-report.md.
#pragma once

#include "estimate/job.hpp"

namespace levee::estimate {

/// `expected` bytes between `low` and `high` times that.
[[nodiscard]] Term term(TermName name, double expected, double low, double high,
                        std::string reason);
/// Bounds of its own.
[[nodiscard]] Term term_between(TermName name, double low, double expected, double high,
                                std::string reason);

/// Everything beside weights and cache that serving takes.
void add_vllm(const ModelFacts& facts, const Job& job, Estimate& estimate);
void add_llama_cpp(const ModelFacts& facts, const Job& job, Estimate& estimate);
void add_transformers(const ModelFacts& facts, const Job& job, Estimate& estimate);

/// Everything that training takes, weights included.
void add_training(const ModelFacts& facts, const Job& job, const Training& training,
                  Estimate& estimate);

}  // namespace levee::estimate
