// The lines of the GPUs in `levee status`. Pure.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// One line per GPU and MIG instance, the first four fields between bars as gpustat has them:
///
///     [0] NVIDIA H200 | 68°C,  20 % |  3072 / 143771 MiB | ada:python/5204(2048M) | normal 0.8x
///
/// Then, where there is something to say, what else one should know. Unknown is "-".
[[nodiscard]] std::string gpu_lines(const Json& overview, const Style& style);

}  // namespace levee::cli
