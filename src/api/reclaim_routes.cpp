// Handlers of /api/v1/reclaim: processes that can give memory back.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/find_gpu.hpp"
#include "api/members.hpp"
#include "api/reclaim_json.hpp"
#include "api/route.hpp"
#include "reclaim/wire.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr int kSwitchingProtocols = 101;
constexpr int kUpgradeRequired = 426;
constexpr int kTooMany = 429;

constexpr std::array<std::string_view, 6> kAskMembers{"strategy",     "device",      "memory",
                                                      "memory_bytes", "deadline_ms", "reason"};

/// The device that `name` means: the host, or a GPU by index or UUID. A GPU that is not there now
/// keeps the name that was given.
Result<std::string> device_called(const std::string& name, const View* view) {
  if (name == kReclaimHost || view == nullptr) {
    return name;
  }
  const auto gpu = find_gpu(*view, name);
  if (!gpu && gpu.error().code != ErrorCode::not_found) {
    return std::unexpected(gpu.error());
  }
  return gpu ? (*gpu)->reading->identity->uuid : name;
}

/// The one device for which `client` offers the strategy.
Result<std::string> only_device(const reclaim::Client& client, ReclaimStrategy strategy) {
  std::string devices;
  std::string device;
  std::size_t count = 0;
  for (const reclaim::Offer& offer : client.offers) {
    if (offer.strategy == strategy) {
      devices += fmt::format("{}{}", devices.empty() ? "" : ", ", offer.device);
      device = offer.device;
      ++count;
    }
  }
  if (count == 1) {
    return device;
  }
  return fail(ErrorCode::invalid_argument,
              count == 0
                  ? fmt::format("{} does not offer {}", client.id, to_string(strategy))
                  : fmt::format("{} offers {} for several devices", client.id, to_string(strategy)),
              count == 0 ? std::string("GET /api/v1/reclaim/clients shows what each one offers")
                         : fmt::format("name one: {}", devices));
}

Result<reclaim::Ask> ask_of(const Call& call, const reclaim::Client& client) {
  const auto body = parse_object(call.request.body);
  if (!body) {
    return std::unexpected(body.error());
  }
  Members members(*body, kAskMembers, "a request for memory");
  reclaim::Ask ask;
  const std::string strategy = members.text("strategy");
  const auto known = parse_reclaim_strategy(strategy);
  if (!known) {
    members.refuse(strategy.empty() ? std::string("no strategy is named")
                                    : fmt::format("there is no strategy {}", in_quotes(strategy)),
                   fmt::format("write one of {}", reclaim_strategy_names()));
  }
  const auto memory = members.amount("memory");
  if (!memory) {
    members.refuse("it does not say how much memory is wanted", R"(write "memory": "1GB")");
  }
  const std::string device = members.id("device");
  ask.deadline = std::chrono::milliseconds(
      members
          .number("deadline_ms", reclaim::kShortestDeadline.count(),
                  std::chrono::milliseconds(reclaim::kLongestDeadline).count())
          .value_or(ask.deadline.count()));
  ask.reason = members.text("reason");
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  ask.strategy = *known;
  ask.bytes = *memory;
  auto found =
      device.empty() ? only_device(client, ask.strategy) : device_called(device, call.view.get());
  if (!found) {
    return std::unexpected(found.error());
  }
  ask.device = std::move(*found);
  return ask;
}

}  // namespace

Result<Response> get_reclaim(const Call& call) {
  const auto protocol = reclaim::wire::choose_protocol(call.request.upgrade);
  if (!protocol || call.request.method != "GET") {
    Response response = error_response(
        protocol ? Error{ErrorCode::invalid_argument, "only GET can leave HTTP", "send GET"}
                 : protocol.error());
    response.status = kUpgradeRequired;
    response.headers.emplace_back("Upgrade", reclaim::wire::kProtocol);
    return response;
  }
  const auto uid = call.request.peer_uid ? call.request.peer_uid() : std::nullopt;
  if (call.request.via != Peer::Via::unix_socket || !uid || !call.request.peer_pid) {
    return fail(ErrorCode::permission_denied, "the process that asks could not be found",
                "connect to the daemon's Unix socket, from a process that the daemon can see in "
                "/proc");
  }
  const bool is_administrator =
      authorize(call.ports.authority, Peer{.via = call.request.via, .uid = uid}, Action::administer)
          .has_value();
  auto dialogue = call.ports.reclaim.converse(*call.request.peer_pid, *uid, is_administrator);
  if (!dialogue) {
    Response response = error_response(dialogue.error());
    if (dialogue.error().code == ErrorCode::resource_exhausted) {
      response.status = kTooMany;
    }
    return response;
  }
  return Response{.status = kSwitchingProtocols,
                  .body = std::make_shared<const std::string>(),
                  .headers = {},
                  .stream = false,
                  .dialogue = std::move(*dialogue)};
}

Result<Response> get_reclaim_clients(const Call& call) {
  const auto roster = call.ports.reclaim.roster();
  if (roster == nullptr) {
    return ReclaimPort::nobody();
  }
  return json_response(roster_json(*roster, call.view.get(), call.ports.now().mono));
}

Result<void> post_reclaim_ask(const Call& call, Responder respond) {
  const std::string* const id = call.query.find("id");
  const auto roster = call.ports.reclaim.roster();
  if (roster == nullptr) {
    return ReclaimPort::nobody();
  }
  const reclaim::Client* const client = id != nullptr ? roster->find(*id) : nullptr;
  if (client == nullptr) {
    return fail(ErrorCode::not_found,
                fmt::format("there is no client {}", in_quotes(id != nullptr ? *id : "")),
                "GET /api/v1/reclaim/clients lists all of them");
  }
  const Peer peer{.via = call.request.via,
                  .uid = call.request.peer_uid ? call.request.peer_uid() : std::nullopt};
  if (auto allowed = authorize(call.ports.authority, peer, client->caller.uid); !allowed) {
    return allowed;
  }
  auto ask = ask_of(call, *client);
  if (!ask) {
    return std::unexpected(ask.error());
  }
  ask->despite_record = true;  // A person may want to see whether it does better now.
  if (ask->reason.empty()) {
    ask->reason = fmt::format("asked for by hand, by user {}", *peer.uid);
  }
  call.ports.reclaim.ask(
      client->id, std::move(*ask),
      answer_to<reclaim::Asked>(
          std::move(respond), [ports = &call.ports](const reclaim::Asked& asked) {
            const auto view = ports->view();
            return json_response(asked_json(asked, view.get(), ports->now().mono));
          }));
  return {};
}

}  // namespace levee::api
