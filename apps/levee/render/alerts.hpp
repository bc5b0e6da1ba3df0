// `levee alerts` from the JSON of GET /api/v1/monitoring/alerts. Pure; thread-safe.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "core/time.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// A table, newest first; `now` ends the duration of alerts that last.
[[nodiscard]] std::string render_alerts(const Json& answer, WallTime now, const Style& style);

}  // namespace levee::cli
