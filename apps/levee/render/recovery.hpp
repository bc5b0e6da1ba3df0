// Text of /api/v1/recovery and of a cleanup. Pure.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

[[nodiscard]] std::string render_recovery(const Json& recovery, const Style& style);
[[nodiscard]] std::string render_cleanup(const Json& cleanup, const Style& style);

}  // namespace levee::cli
