// Processes that can give memory back, and what came of asking one, as text. Pure.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// The answer of GET /api/v1/reclaim/clients.
[[nodiscard]] std::string render_reclaim_clients(const Json& answer, const Style& style);

/// The answer of POST /api/v1/reclaim/clients/{id}/ask.
[[nodiscard]] std::string render_reclaim_answer(const Json& answer, const Style& style);

}  // namespace levee::cli
