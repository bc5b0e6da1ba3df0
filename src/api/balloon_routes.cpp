// Handlers of /api/v1/balloons.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/lease_ask.hpp"
#include "api/lease_json.hpp"
#include "api/route.hpp"

namespace levee::api {

std::string_view to_string(HoldingState state) noexcept {
  switch (state) {
    case HoldingState::starting:
      return "starting";
    case HoldingState::growing:
      return "growing";
    case HoldingState::held:
      return "held";
    case HoldingState::failed:
      return "failed";
    case HoldingState::passed:
      return "passed";
  }
  return "failed";
}

namespace {

using nlohmann::ordered_json;

bool is_balloon(const ledger::Lease& lease) {
  return lease.demand.kind == ledger::LeaseKind::balloon;
}

Error no_balloon(std::string_view id) {
  return {ErrorCode::not_found, fmt::format("there is no balloon {}", in_quotes(id)),
          "GET /api/v1/balloons lists all of them"};
}

ordered_json holding_json(const Holding& holding, const View* view) {
  ordered_json index;
  for (const GpuView& gpu : view != nullptr ? view->gpus : std::vector<GpuView>{}) {
    if (gpu.reading->identity->uuid == holding.uuid) {
      index = gpu.reading->identity->index;
    }
  }
  return {{"gpu_id", index},
          {"uuid", holding.uuid},
          {"state", to_string(holding.state)},
          {"promised_bytes", holding.promised.count},
          {"passed_on_bytes", holding.passed_on.count},
          {"lost_bytes", holding.lost.count},
          {"held_bytes", holding.held.count},
          {"chunks", holding.chunks},
          {"pid", holding.pid ? ordered_json(*holding.pid) : ordered_json()},
          {"trouble", holding.trouble.empty() ? ordered_json() : ordered_json(holding.trouble)}};
}

/// A lease, and how much of it is held.
ordered_json balloon_json(const LeaseReport& report, const std::vector<Holding>& holdings,
                          const View* view, Now now) {
  ordered_json json = lease_json(report, view, now);
  ordered_json parts = ordered_json::array();
  for (const Holding& each : holdings) {
    if (each.lease == report.lease.id) {
      parts.push_back(holding_json(each, view));
    }
  }
  const auto& step = report.lease.demand.step;
  json["baton"] = step.has_value();
  json["step_bytes"] = step ? ordered_json(step->count) : ordered_json();
  json["holdings"] = std::move(parts);
  return json;
}

ordered_json balloon_json(const LeaseReport& report, const Ports& ports) {
  const auto view = ports.view();
  return balloon_json(report, ports.balloons.holdings(), view.get(), ports.now());
}

/// A balloon, and an amount of each of its GPUs.
struct Sized {
  std::string id;
  Amount size;
};

Result<std::string> wanted_id(const Call& call) {
  const std::string* const id = call.query.find("id");
  if (id == nullptr || id->empty()) {
    return fail(ErrorCode::invalid_argument, "no balloon is named", "add ?id=… to the address");
  }
  return *id;
}

Result<Sized> sized(const Call& call) {
  auto id = wanted_id(call);
  if (!id) {
    return std::unexpected(id.error());
  }
  const auto body = parse_object(call.request.body);
  if (!body) {
    return std::unexpected(body.error());
  }
  const auto size = balloon_size(*body);
  if (!size) {
    return std::unexpected(size.error());
  }
  return Sized{std::move(*id), *size};
}

/// Goes on with the balloon called `id` if there is one, and this requester may do something to it;
/// answers with why not otherwise.
void with_own_balloon(const Call& call, const std::string& id, Responder respond,
                      std::function<void(const LeaseReport&, Responder)> go_on) {
  call.ports.ledger.show(
      [id, respond = std::move(respond), go_on = std::move(go_on),
       who = requester_of(call)](const Result<std::shared_ptr<const LedgerView>>& ledger) {
        if (!ledger) {
          respond(error_response(ledger.error()));
          return;
        }
        for (const LeaseReport& report : (*ledger)->leases) {
          if (report.lease.id != id || !is_balloon(report.lease)) {
            continue;
          }
          if (!who.is_administrator && report.lease.uid != who.uid) {
            respond(error_response(
                Error{ErrorCode::permission_denied,
                      fmt::format("balloon {} belongs to user {}", in_quotes(id), report.lease.uid),
                      "only its user and the daemon's may change or end it"}));
            return;
          }
          go_on(report, respond);
          return;
        }
        respond(error_response(no_balloon(id)));
      });
}

}  // namespace

Result<void> get_balloons(const Call& call, Responder respond) {
  const std::string* const id = call.query.find("id");
  const auto make = [ports = &call.ports, wanted = id == nullptr ? std::string() : *id](
                        const std::shared_ptr<const LedgerView>& ledger) {
    const auto view = ports->view();
    const std::vector<Holding> holdings = ports->balloons.holdings();
    ordered_json balloons = ordered_json::array();
    for (const LeaseReport& report : ledger->leases) {
      if (!is_balloon(report.lease)) {
        continue;
      }
      ordered_json balloon = balloon_json(report, holdings, view.get(), ports->now());
      if (report.lease.id == wanted) {
        return json_response(balloon);
      }
      balloons.push_back(std::move(balloon));
    }
    return wanted.empty() ? json_response({{"balloons", std::move(balloons)}})
                          : error_response(no_balloon(wanted));
  };
  call.ports.ledger.show(answer_to<std::shared_ptr<const LedgerView>>(std::move(respond), make));
  return {};
}

Result<void> post_balloon(const Call& call, Responder respond) {
  auto ask = ask_of(call, balloon_body);
  if (!ask) {
    return std::unexpected(ask.error());
  }
  call.ports.ledger.ask(
      std::move(ask->request), ask->requester,
      answer_to<ledger::Answer>(std::move(respond), [ports = &call.ports](const auto& answer) {
        return response_to(
            answer, [ports](const LeaseReport& report) { return balloon_json(report, *ports); });
      }));
  return {};
}

Result<void> put_balloon(const Call& call, Responder respond) {
  const auto wanted = sized(call);
  if (!wanted) {
    return std::unexpected(wanted.error());
  }
  if (wanted->size.is_share()) {
    return fail(ErrorCode::invalid_argument, "a share of what is free is no size of a balloon",
                R"(write it with a unit: "size": "6GB")");
  }
  with_own_balloon(
      call, wanted->id, std::move(respond),
      [ports = &call.ports, who = requester_of(call), bytes = wanted->size.resolve({})](
          const LeaseReport& report, const Responder& answer_to_client) {
        ports->ledger.resize(
            report.lease.id, bytes, who,
            answer_to<ledger::Answer>(answer_to_client, [ports](const auto& done) {
              if (done.outcome == ledger::Outcome::denied) {
                return denied(done.denial);
              }
              return json_response(balloon_json(
                  {.lease = done.lease, .place = 0, .user = {}, .used = {}, .peak = {}}, *ports));
            }));
      });
  return {};
}

Result<void> post_balloon_pass_on(const Call& call, Responder respond) {
  const auto wanted = sized(call);
  if (!wanted) {
    return std::unexpected(wanted.error());
  }
  with_own_balloon(call, wanted->id, std::move(respond),
                   [ports = &call.ports, size = wanted->size](const LeaseReport& report,
                                                              const Responder& answer_to_client) {
                     ports->balloons.pass_on(
                         report.lease.id, size,
                         answer_to<Bytes>(answer_to_client, [](const Bytes& passed_on) {
                           return json_response({{"passed_on_bytes", passed_on.count}});
                         }));
                   });
  return {};
}

Result<void> delete_balloon(const Call& call, Responder respond) {
  const auto id = wanted_id(call);
  if (!id) {
    return std::unexpected(id.error());
  }
  with_own_balloon(call, *id, std::move(respond),
                   [ports = &call.ports, who = requester_of(call)](
                       const LeaseReport& report, const Responder& answer_to_client) {
                     ports->ledger.release(
                         report.lease.id, who,
                         answer_to<LeaseReport>(answer_to_client, [ports](const LeaseReport& over) {
                           return json_response({{"released", balloon_json(over, *ports)}});
                         }));
                   });
  return {};
}

}  // namespace levee::api
