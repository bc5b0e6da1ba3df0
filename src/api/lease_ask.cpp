#include "api/lease_ask.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "api/lease_json.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr int kCreated = 201;
constexpr int kAccepted = 202;
constexpr int kConflict = 409;
constexpr int kTooMany = 429;

/// The process a lease is to die with: the one named, which must be the requester's own.
Result<ProcessId> owner_of(const LedgerPort& port, std::optional<pid_t> pid,
                           const ledger::Requester& requester) {
  if (!pid) {
    return ProcessId{.boot = port.boot(), .pid = 0, .start_ticks = 0};
  }
  const auto owner = port.find_process(*pid);
  if (!owner) {
    return fail(ErrorCode::invalid_argument, fmt::format("there is no process {}", *pid),
                "owner_pid is a process of this machine, as the daemon sees it");
  }
  if (owner->uid != requester.uid && !requester.is_administrator) {
    return fail(ErrorCode::permission_denied,
                fmt::format("process {} belongs to user {}", *pid, owner->uid),
                "a lease may die with a process of your own");
  }
  return owner->id;
}

/// Processes that share a ledger make up ids at the same moment, so no clock will do.
std::string made_up_id() {
  std::random_device random;
  return fmt::format("lease-{:08x}{:08x}", random(), random());
}

}  // namespace

Response with_status(int status, const ordered_json& json) {
  Response response = json_response(json);
  response.status = status;
  return response;
}

Response denied(const ledger::Denial& denial) {
  const bool does_not_fit = !denial.shortfalls.empty();
  const bool is_over_quota = denial.error.code == ErrorCode::resource_exhausted;
  return with_status(does_not_fit    ? kConflict
                     : is_over_quota ? kTooMany
                                     : http_status(denial.error.code),
                     denial_json(denial));
}

ledger::Requester requester_of(const Call& call) {
  const auto uid = call.request.peer_uid ? call.request.peer_uid() : std::nullopt;
  const Peer peer{.via = call.request.via, .uid = uid};
  return {
      .uid = uid.value_or(static_cast<uid_t>(-1)),
      .is_administrator = authorize(call.ports.authority, peer, Action::administer).has_value()};
}

Result<Ask> ask_of(const Call& call,
                   Result<LeaseBody> (*read)(const ordered_json& body, const View& view)) {
  const auto json = parse_object(call.request.body);
  if (!json) {
    return std::unexpected(json.error());
  }
  auto body = read(*json, *call.view);
  if (!body) {
    return std::unexpected(body.error());
  }
  const ledger::Requester requester = requester_of(call);
  auto owner = owner_of(call.ports.ledger, body->owner_pid, requester);
  if (!owner) {
    return std::unexpected(owner.error());
  }
  body->request.owner = *owner;
  if (body->request.id.empty()) {
    body->request.id = made_up_id();
  }
  return Ask{std::move(body->request), requester};
}

Response response_to(const ledger::Answer& answer,
                     const std::function<ordered_json(const LeaseReport&)>& show) {
  if (answer.outcome == ledger::Outcome::denied) {
    return denied(answer.denial);
  }
  return with_status(
      answer.outcome == ledger::Outcome::granted ? kCreated : kAccepted,
      show({.lease = answer.lease, .place = answer.place, .user = {}, .used = {}, .peak = {}}));
}

}  // namespace levee::api
