// Asking for a lease: who asks, for whose process, and the answer to it; common to leases and
// balloons. Internal to the room.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "api/lease_request.hpp"
#include "api/route.hpp"

namespace levee::api {

/// A request, and who makes it.
struct Ask {
  ledger::Request request;
  ledger::Requester requester;
};

/// What the body asks for, in the form that `read` knows; with an id in any case.
[[nodiscard]] Result<Ask> ask_of(const Call& call,
                                 Result<LeaseBody> (*read)(const nlohmann::ordered_json& body,
                                                           const View& view));

[[nodiscard]] ledger::Requester requester_of(const Call& call);

[[nodiscard]] Response with_status(int status, const nlohmann::ordered_json& json);

/// A request that does not fit is refused with 409, one beyond its user's quota with 429, anything
/// else with its usual status.
[[nodiscard]] Response denied(const ledger::Denial& denial);

/// 201 granted or 202 in line with what `show` makes of the lease, else why it was denied.
[[nodiscard]] Response response_to(
    const ledger::Answer& answer,
    const std::function<nlohmann::ordered_json(const LeaseReport&)>& show);

}  // namespace levee::api
