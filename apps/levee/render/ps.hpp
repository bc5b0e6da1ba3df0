// `levee ps` from the JSON of GET /api/v1/processes. Pure; thread-safe.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

struct PsView {
  bool with_pss = false;
  bool from_daemon = true;
};

/// A table with one line per process, in the order of the answer; then what should be known about
/// it: how many were left out, and which figures cannot be known.
[[nodiscard]] std::string render_ps(const Json& answer, const PsView& view, const Style& style);

}  // namespace levee::cli
