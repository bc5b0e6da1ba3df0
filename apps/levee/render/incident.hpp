// `levee incidents` from the JSON of /api/v1/incidents. Pure; thread-safe.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// A table, the newest first.
[[nodiscard]] std::string render_incidents(const Json& answer, const Style& style);

/// One page: what filled, who grew, what Levee did, what would have helped.
[[nodiscard]] std::string render_incident(const Json& verdict, const Style& style);

}  // namespace levee::cli
