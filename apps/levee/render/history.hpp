// `levee history` from the JSON of GET /api/v1/monitoring/history. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/json.hpp"
#include "levee/result.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// "memory", "cpu", "swap", "pressure".
[[nodiscard]] std::vector<std::string> series_names();

/// A chart of `series`, then now, least, mean and most, and the span that is covered. Refuses
/// names that are not series.
[[nodiscard]] Result<std::string> render_history(const Json& answer, std::string_view series,
                                                 const Style& style);

}  // namespace levee::cli
