// The JSON of processes that can give memory back, and of what came of asking them. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "api/view.hpp"
#include "core/time.hpp"
#include "reclaim/roster.hpp"

namespace levee::api {

/// GET /api/v1/reclaim/clients. `view`, for the indices of GPUs, may be null.
[[nodiscard]] nlohmann::ordered_json roster_json(const reclaim::Roster& roster, const View* view,
                                                 MonoTime now);

/// The answer of POST /api/v1/reclaim/clients/{id}/ask.
[[nodiscard]] nlohmann::ordered_json asked_json(const reclaim::Asked& asked, const View* view,
                                                MonoTime now);

}  // namespace levee::api
