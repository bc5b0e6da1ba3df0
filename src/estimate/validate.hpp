// validate: does a model fit this machine now? The answer names everything that falls short, what
// would be tight, and what would help. It books nothing: two who ask at once may both be told yes.
//
// What is unknown: memory that cannot be read counts as missing; a compute capability that cannot
// be read (only CUDA has one) is warned of. Pure; thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/gpu.hpp"
#include "estimate/model_cache.hpp"
#include "estimate/requirements.hpp"
#include "levee/bytes.hpp"

namespace levee::estimate {

/// A device that work can be started on: a GPU, or an instance of one in MIG mode.
struct Gpu {
  std::string uuid;
  int index = 0;
  std::string name;  ///< "NVIDIA H100"; of an instance also its profile.
  std::optional<Bytes> free;
  std::optional<Bytes> total;
  std::optional<ComputeCapability> compute;
  bool shares_host_memory = false;  ///< Its memory is the host's: both needs come from one pool.
  std::string unusable;             ///< "is lost": why nothing can start there; empty if it can.
};

/// "GPU 0 (NVIDIA H100)".
[[nodiscard]] std::string name_of(const Gpu& gpu);

/// Memory that somebody has been promised for a time, used or not.
struct Holding {
  std::string who;                                  ///< "train.py (lease-3)".
  std::vector<std::pair<std::string, Bytes>> gpus;  ///< By UUID.
  Bytes host;
  std::optional<std::chrono::seconds> ends_in;  ///< Absent: nobody knows.
};

/// Free is what nobody uses and nobody was promised.
struct Machine {
  std::optional<Bytes> host_available;
  std::optional<Bytes> host_total;
  std::vector<Gpu> gpus;
  std::vector<Holding> holdings = {};
};

enum class Resource { host_memory, gpu_memory, compute_capability, gpu };

[[nodiscard]] std::string_view to_string(Resource resource) noexcept;

struct Shortfall {
  Resource resource{};
  std::string text;  ///< All of it for people.
  // Memory only:
  std::optional<Bytes> have;  ///< Absent: it cannot be read.
  Bytes need;
  Bytes missing;
  // Compute capability only:
  std::optional<ComputeCapability> have_compute;
  std::optional<ComputeCapability> need_compute;
};

/// What `requirements` meet on one machine.
struct Judgement {
  /// The GPU that suits best: of those that fit with slack the one with least left over, of those
  /// that just fit the one with most; where none fits, the nearest to it. Absent: none is needed,
  /// or there is none that could be used.
  std::optional<Gpu> gpu;
  std::optional<Bytes> host_left;  ///< After loading; absent when it does not fit.
  std::optional<Bytes> gpu_left;
  std::vector<std::string> warnings;
  std::vector<Shortfall> shortfalls;
};

/// `gpu_uuid` names the only GPU to look at; one that is not there falls short.
[[nodiscard]] Judgement judge(const Requirements& requirements, const Machine& machine,
                              const std::optional<std::string>& gpu_uuid = std::nullopt);

/// Something that would make room, or do without it.
struct Help {
  enum class Kind { smaller_model, evict_models, other_gpu, wait };
  Kind kind{};
  std::string text;
  std::vector<std::string> models = {};            ///< The smaller one, or those to evict.
  std::optional<Gpu> gpu = {};                     ///< The other one, or the one to wait for.
  std::optional<std::chrono::seconds> after = {};  ///< How long to wait; absent: nobody knows.
};

[[nodiscard]] std::string_view to_string(Help::Kind kind) noexcept;

enum class Outcome { fits, fits_with_warnings, refused };

[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

struct Verdict {
  std::string model;  ///< As it was asked for.
  Lookup lookup;
  Outcome outcome = Outcome::refused;
  Judgement judgement;     ///< Its warnings begin with the lookup's.
  std::vector<Help> help;  ///< Only where it is refused.
};

/// `id` must have passed check_model_id().
[[nodiscard]] Verdict validate(std::string_view id, const ModelRegistry& registry,
                               const ModelCache& cache, const Machine& machine,
                               const std::optional<std::string>& gpu_uuid = std::nullopt);

}  // namespace levee::estimate
