// `levee models` and `levee validate` from the JSON of /api/v1/models…. Pure; thread-safe.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// What each model needs, a line each, then which ones are cached.
[[nodiscard]] std::string render_models(const Json& answer, const Style& style);

/// What the model needs (contract S2-99), whether it fits, what is missing and what would help.
[[nodiscard]] std::string render_verdict(const Json& verdict, const Style& style);

/// Whether the verdict lets the model be loaded.
[[nodiscard]] bool fits(const Json& verdict);

}  // namespace levee::cli
