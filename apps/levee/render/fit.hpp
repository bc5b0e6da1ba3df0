// An estimate for people: a bar per term against what is free. Pure.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// The answer of POST /api/v1/estimate; with the reason of each term if `explained`.
[[nodiscard]] std::string render_fit(const Json& answer, bool explained, const Style& style);

}  // namespace levee::cli
