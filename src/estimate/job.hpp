// Job: what is to be run, and the estimate of what it takes. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "estimate/weights.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::estimate {

enum class Framework { vllm, llama_cpp, transformers };
enum class Optimizer { adam, adam_8bit, sgd, sgd_momentum };
/// Of training: all in 32 bits; 16-bit values with 32-bit master weights; 16 bits throughout.
enum class Precision { fp32, mixed, pure_16bit };
enum class Recompute { none, selective, full };

[[nodiscard]] std::string_view to_string(Framework framework) noexcept;
[[nodiscard]] std::optional<Framework> parse_framework(std::string_view text) noexcept;
[[nodiscard]] std::optional<Optimizer> parse_optimizer(std::string_view text) noexcept;
[[nodiscard]] std::optional<Recompute> parse_recompute(std::string_view text) noexcept;

/// A version as far as it matters: 0.19.0 → {0, 19}.
struct Version {
  int major = 0;
  int minor = 0;

  auto operator<=>(const Version&) const = default;
};
[[nodiscard]] std::optional<Version> parse_version(std::string_view text) noexcept;

/// The type of cached keys or values.
struct CacheType {
  std::string name;
  double bits = 16;
};
/// "auto" (16 bits), "f16", "bf16", "f32", "fp8", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl".
[[nodiscard]] Result<CacheType> parse_cache_type(std::string_view name);

struct Training {
  Optimizer optimizer = Optimizer::adam;
  Precision precision = Precision::mixed;
  Recompute recompute = Recompute::none;
  int zero = 0;             ///< ZeRO stage; FSDP is 3.
  std::uint64_t ranks = 1;  ///< Data-parallel processes.
  /// LoRA: values of adapters that learn, while the model stands still; absent: all learns.
  std::optional<std::uint64_t> adapter_values;
  bool chunked_loss = false;  ///< Logits are never there all at once.
  bool compiled = false;      ///< torch.compile: what is cheap is made again, not kept.
};

/// How the jobs of one framework turned out on this machine: see calibration.hpp.
struct Correction {
  Framework framework = Framework::transformers;
  bool is_training = false;
  std::size_t jobs = 0;  ///< It was learned from.
  double factor = 1;     ///< What the soft terms are times what the formulas say,
  /// and e to the plus or minus of this times that are their bounds. Absent: the formulas' bounds.
  std::optional<double> spread;
};

struct Job {
  Framework framework = Framework::transformers;
  std::optional<Version> version = {};
  std::uint64_t context = 4096;  ///< Tokens of one sequence, those that are generated included.
  std::uint64_t batch = 1;       ///< Sequences at a time.
  std::optional<WeightFormat> weights = {};  ///< Absent: as they are stored.
  CacheType keys{"auto", 16};
  CacheType values{"auto", 16};
  std::uint64_t tensor_parallel = 1;
  std::uint64_t pipeline_parallel = 1;
  std::uint64_t micro_batch = 512;      ///< llama.cpp's n_ubatch.
  std::uint64_t batched_tokens = 8192;  ///< vLLM's max_num_batched_tokens,
  std::uint64_t sequences = 1024;       ///< and max_num_seqs, that it profiles with.
  std::uint64_t block = 16;             ///< vLLM's cache block, in tokens.
  bool flash_attention = true;
  bool graphs = true;  ///< vLLM records CUDA graphs.
  std::optional<Training> training = {};
  std::optional<Bytes> pool = {};  ///< What vLLM's cache is given. Absent: all that is free.
  std::optional<Correction> correction = {};  ///< What this machine's jobs have taught.

  /// Whether the framework fills what is free with its cache, whatever the job needs.
  [[nodiscard]] bool fills_memory() const noexcept {
    return framework == Framework::vllm && !training && !pool;
  }
};

enum class TermName {
  weights,
  kv_cache,
  activations,
  compute_buffer,
  gradients,
  optimizer,
  logits,
  context,
  graphs,
  slack,
  host,
};

[[nodiscard]] std::string_view to_string(TermName name) noexcept;
[[nodiscard]] std::optional<TermName> parse_term_name(std::string_view text) noexcept;

struct Term {
  TermName name{};
  Bytes low;
  Bytes expected;
  Bytes high;
  std::string reason;
};

/// Per device: of the device that holds most. `host` is beside the total.
struct Estimate {
  std::vector<Term> terms;
  Term total;  ///< Of all terms but `host`; its name is of no meaning.
  std::vector<std::string> remarks;

  [[nodiscard]] const Term* find(TermName name) const noexcept;
};

/// What a job takes. Bounds add up: all terms at their worst make the total's worst.
[[nodiscard]] Estimate estimate(const ModelFacts& facts, const Job& job);

}  // namespace levee::estimate
