// A forecast as text. Pure; thread-safe.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// "full in ~4 min: alice/python 5204 +210 MiB/min": the forecast of a GPU or of the host in a
/// status line; empty without an estimate.
[[nodiscard]] std::string full_text(const Json& forecast);

/// What `levee forecast` says of a recorded series; `leak` may be null.
[[nodiscard]] std::string render_forecast(const Json& forecast, const Json& leak,
                                          const Style& style);

}  // namespace levee::cli
