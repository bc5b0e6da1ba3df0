// An estimate for people: a bar per term against what is free. Pure.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// The answer of POST /api/v1/estimate; with the reason of each term if `explained`.
[[nodiscard]] std::string render_fit(const Json& answer, bool explained, const Style& style);

/// "Llama-3-8B under vllm: 21.3 GiB expected, 19.9 GiB to 23.0 GiB".
[[nodiscard]] std::string summary_of(const Json& estimate);

/// The answer of GET /api/v1/estimate/record: how jobs went, and what they have taught.
[[nodiscard]] std::string render_record(const Json& record, const Style& style);

}  // namespace levee::cli
