// `levee replay` from the JSON of engine/replay.hpp. Pure; thread-safe.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// What differs, the counts by kind, and the sentence.
[[nodiscard]] std::string render_replay(const Json& replay, const Style& style);

/// "[####      ] 40 %", as long as the terminal allows.
[[nodiscard]] std::string progress_bar(double done, const Style& style);

}  // namespace levee::cli
