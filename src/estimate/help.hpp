// What would help where a model does not fit. Internal to the room. Pure.
#pragma once

#include "estimate/validate.hpp"

namespace levee::estimate {

/// Another GPU than the one that was asked for, the largest smaller variant that fits, the cached
/// models that would make room, and waiting for promises to end; each only if it would do.
[[nodiscard]] std::vector<Help> what_would_help(const Verdict& refused,
                                                const ModelRegistry& registry,
                                                const ModelCache& cache, const Machine& machine,
                                                const std::optional<std::string>& gpu_uuid);

}  // namespace levee::estimate
