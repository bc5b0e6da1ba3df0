// `levee config show` and `set` from the JSON of /api/v1/config. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// Every key with its value and origin; those that are not built in stand out. `who` says whose
/// settings these are.
[[nodiscard]] std::string render_config(const Json& answer, std::string_view who,
                                        const Style& style);

/// What a change did: the changed keys, and which of them wait for a restart.
[[nodiscard]] std::string render_change(const Json& answer, const Style& style);

}  // namespace levee::cli
