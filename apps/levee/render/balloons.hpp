// Balloons as text. Pure.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// The answer of GET /api/v1/balloons.
[[nodiscard]] std::string render_balloons(const Json& answer, const Style& style);

/// "holding 2.10 GiB of 4.00 GiB [##########..........]".
[[nodiscard]] std::string progress_of(const Json& balloon);

/// "4.00 GiB on GPU 0 (4.39 GiB with the driver's context)".
[[nodiscard]] std::string held_of(const Json& balloon);

}  // namespace levee::cli
