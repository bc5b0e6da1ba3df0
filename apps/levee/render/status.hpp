// `levee status` from the JSON of GET /api/v1/overview. Pure; thread-safe.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// Whose word it is.
enum class Source { daemon, one_look, one_look_beside_a_silent_daemon };

/// Head, the host's line in gpustat's manner ('|' between fields, MiB), then what is wrong.
[[nodiscard]] std::string render_status(const Json& overview, Source source, const Style& style);

/// "alice:python/5204 (811 MiB, +210 MiB/min)" of a culprit or process; empty when there is none.
[[nodiscard]] std::string process_text(const Json& process);

/// "+210 MiB/min"; empty below a tenth of a MiB a minute, which is noise.
[[nodiscard]] std::string growth_text(double bytes_per_second);

// An alert's numbers: "82.1 %", "> 80 %", and both: "1.8 GB < 2 GB".
[[nodiscard]] std::string value_text(const Json& alert);
[[nodiscard]] std::string threshold_text(const Json& alert);
[[nodiscard]] std::string crossing_text(const Json& alert);

}  // namespace levee::cli
