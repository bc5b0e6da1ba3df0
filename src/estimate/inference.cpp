#include <fmt/format.h>

#include <algorithm>

#include "estimate/terms.hpp"

namespace levee::estimate {
namespace {

constexpr auto kGiBs = static_cast<double>(kGiB);
constexpr auto kMiBs = static_cast<double>(kMiB);

double as_double(std::uint64_t number) { return static_cast<double>(number); }

/// Values that one token's forward pass holds at its widest layer, on one device: what the MLP
/// makes (gate, up and their product), and some four times the hidden state.
double forward_values(const ModelFacts& facts, double ranks) {
  constexpr double kHiddenCopies = 4.4;  // CodeLlama-7B and Granite-3.1-8B under vLLM 0.19.
  const double products = facts.gated_mlp ? 3 : 2;
  const double width = facts.experts && facts.experts->dense_layers == 0
                           ? as_double(facts.experts->shared_intermediate)
                           : as_double(facts.intermediate);
  return products * width / ranks + kHiddenCopies * as_double(facts.hidden);
}

/// Values that the chosen experts make for one token, kept beside everything else.
double expert_values(const ModelFacts& facts, double ranks) {
  if (!facts.experts) {
    return 0;
  }
  constexpr double kProducts = 3;
  return as_double(facts.experts->per_token) *
         (kProducts * as_double(facts.experts->intermediate) / ranks + as_double(facts.hidden));
}

}  // namespace

// vLLM runs one forward pass with the largest batch it may get and as many sequences as it may
// serve, and keeps what that took. For large vocabularies choosing the next tokens dominates: some
// copies of the logits in 32 bits. Measured: 3.74 copies with 0.18 and 0.19 (Llama-3.1-8B,
// Gemma-2-2B), 9.6 with 0.15 and 0.16 (Qwen3-14B).
void add_vllm(const ModelFacts& facts, const Job& job, Estimate& estimate) {
  constexpr double kCopies = 3.74;
  constexpr double kCopiesBefore18 = 9.6;
  constexpr Version kChanged{0, 18};
  const double ranks = as_double(job.tensor_parallel);
  const double tokens = as_double(job.batched_tokens);
  const double hidden = tokens * as_double(facts.hidden) * 2;
  const double forward = tokens * forward_values(facts, ranks) * 2;
  const double experts = tokens * expert_values(facts, ranks) * 2;
  // Of a model that sees: as many pictures, already read, as a batch of tokens has room for.
  const double pictures = facts.vision_parameters > 0 ? hidden : 0;
  const auto peak = [&](double copies) {
    const double sampling = as_double(job.sequences) * as_double(facts.vocab) * 4 * copies + hidden;
    return std::max(sampling, forward) + experts + pictures;
  };
  constexpr double kSpread = 0.1;
  if (job.version) {
    const double expected = peak(*job.version < kChanged ? kCopiesBefore18 : kCopies);
    // A rank that does not choose tokens, of several in a row, has the forward pass only.
    const double least = job.pipeline_parallel > 1 ? forward + experts + pictures : expected;
    estimate.terms.push_back(term_between(
        TermName::activations, std::min(least, expected) * (1 - kSpread), expected,
        expected * (1 + kSpread),
        fmt::format("one pass of {} tokens for {} sequences", job.batched_tokens, job.sequences)));
  } else {
    estimate.terms.push_back(term_between(
        TermName::activations, peak(kCopies) * (1 - kSpread), peak(kCopies),
        peak(kCopiesBefore18) * (1 + kSpread),
        "one pass of the largest batch; versions before 0.18 take up to 2.6 times as much"));
  }
  const bool alone = job.tensor_parallel * job.pipeline_parallel == 1;
  estimate.terms.push_back(
      alone ? term_between(TermName::context, 0.4 * kGiBs, 0.51 * kGiBs, 0.7 * kGiBs,
                           "driver context and kernels, as on an H100")
            : term_between(TermName::context, 1.3 * kGiBs, 1.6 * kGiBs, 2.1 * kGiBs,
                           "driver context, kernels and collectives, as on H100s"));
  if (job.graphs) {
    estimate.terms.push_back(term_between(TermName::graphs, 0.5 * kGiBs, 0.95 * kGiBs, 1.85 * kGiBs,
                                          "CUDA graphs of vLLM 0.19"));
  }
  estimate.terms.push_back(job.tensor_parallel > 1
                               ? term_between(TermName::slack, 1.9 * kGiBs, 2.07 * kGiBs,
                                              2.3 * kGiBs, "buffers of the collectives")
                               : term_between(TermName::slack, 0.05 * kGiBs, 0.25 * kGiBs,
                                              0.35 * kGiBs,
                                              "what libraries allocate beside PyTorch"));
}

// llama.cpp plans one buffer for the whole graph: logits of a micro batch in 32 bits, and once or
// twice its hidden state. Without flash attention the scores of a layer, if those are more.
// Read off 16 logs of ik_llama.cpp and llama.cpp; exact in 10 of them with one or two states.
void add_llama_cpp(const ModelFacts& facts, const Job& job, Estimate& estimate) {
  const double rows = std::min(as_double(job.micro_batch), as_double(job.context * job.batch)) * 4;
  const double vocab = as_double(facts.vocab);
  const double hidden = as_double(facts.hidden);
  double low = rows * (vocab + hidden);
  double expected = rows * (vocab + 1.5 * hidden);
  double high = rows * (vocab + 2 * hidden) * 1.02;
  std::string reason = fmt::format("logits and states of {} tokens", job.micro_batch);
  if (!job.flash_attention && !facts.latent) {
    const double scores = as_double(job.context) * rows * as_double(facts.heads);
    expected = std::max(expected, scores + expected * 0.4);
    high += scores;
    low = std::max(low, scores);
    reason += ", or the scores of one layer without flash attention";
  }
  if (facts.latent) {
    constexpr double kWorst = 10;  // 5 GiB in a log of DeepSeek-V3 at 163,840 tokens.
    high *= job.flash_attention ? 3 : kWorst;
    reason += "; latent attention takes more, by an unknown amount";
  }
  if (facts.experts) {
    high = std::max(high, rows * vocab * 3.6);
    reason += "; more where experts stay on the CPU";
  }
  estimate.terms.push_back(term_between(TermName::compute_buffer, low, expected, high, reason));
  estimate.terms.push_back(term_between(TermName::context, 250 * kMiBs, 309 * kMiBs, 500 * kMiBs,
                                        "driver context and kernels of llama.cpp"));
}

// transformers holds the prompt's forward pass of one layer while it reads it. 4.46 takes what the
// MLP makes of all of the prompt; 4.51, measured, almost nothing (Qwen3-4B to -30B, 30,720 tokens).
void add_transformers(const ModelFacts& facts, const Job& job, Estimate& estimate) {
  constexpr Version kFrugal{4, 51};
  constexpr double kHiddenCopies = 3.5;
  const double products = facts.gated_mlp ? 3 : 2;
  const double tokens = as_double(job.context * job.batch);
  const double wide =
      tokens * 2 *
      (products * as_double(facts.intermediate) + kHiddenCopies * as_double(facts.hidden));
  const double scores = job.flash_attention
                            ? 0
                            : as_double(job.batch) * as_double(facts.heads) *
                                  as_double(job.context) * as_double(job.context) * 6;
  // Four-bit kernels make one matrix at a time whole again; the largest is the output's.
  const bool unpacks = job.weights && job.weights->name.starts_with("nf4");
  const double floor =
      20 * kMiBs + (unpacks ? as_double(facts.vocab) * as_double(facts.hidden) * 2 : 0);
  const bool frugal = job.version && *job.version >= kFrugal;
  if (frugal) {
    estimate.terms.push_back(term_between(TermName::activations, scores, scores + 2 * floor,
                                          scores + 0.5 * wide + 5 * floor,
                                          "4.51 and later read the prompt in little memory"));
  } else if (job.version) {
    estimate.terms.push_back(term_between(TermName::activations, scores + 0.75 * wide,
                                          scores + wide + floor, scores + 1.25 * wide + 5 * floor,
                                          "one layer's MLP for the whole prompt"));
  } else {
    estimate.terms.push_back(term_between(
        TermName::activations, scores, scores + 0.5 * wide + floor,
        scores + 1.25 * wide + 5 * floor, "one layer's MLP for the prompt, in some versions"));
  }
  estimate.terms.push_back(term_between(TermName::context, 300 * kMiBs, 500 * kMiBs, 1400 * kMiBs,
                                        "driver context and kernels; measured from 0.5 GiB on an "
                                        "H100 to 1.3 GiB on a V100"));
  estimate.terms.push_back(term_between(TermName::slack, 0, 0.02 * (wide + scores),
                                        0.1 * wide + scores * 0.3,
                                        "what the allocator holds and does not use"));
}

}  // namespace levee::estimate
