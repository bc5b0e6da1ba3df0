// Handlers of /api/v1/leases and /api/v1/queue, and the documented bookings of /api/gpu/memory/….
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/find_gpu.hpp"
#include "api/lease_ask.hpp"
#include "api/lease_json.hpp"
#include "api/lease_request.hpp"
#include "api/route.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr int kGone = 410;
constexpr std::uint64_t kLongestWatch = 300;

/// Answers with what `render` makes of the ledger.
void show(const Call& call, Responder respond,
          ordered_json (*render)(const LedgerView& ledger, const View* view, Now now)) {
  call.ports.ledger.show(answer_to<std::shared_ptr<const LedgerView>>(
      std::move(respond),
      [render, ports = &call.ports](const std::shared_ptr<const LedgerView>& ledger) {
        return json_response(render(*ledger, ports->view().get(), ports->now()));
      }));
}

Result<std::string> wanted_id(const Call& call) {
  const std::string* const id = call.query.find("id");
  if (id == nullptr || id->empty()) {
    return fail(ErrorCode::invalid_argument, "no lease is named", "add ?id=… to the address");
  }
  return *id;
}

Response standing_response(const LeaseStanding& standing, const std::string& id,
                           const Ports& ports) {
  if (standing.report) {
    const auto view = ports.view();
    return json_response(lease_json(*standing.report, view.get(), ports.now()));
  }
  if (standing.why_over.empty()) {
    return error_response(Error{ErrorCode::not_found,
                                fmt::format("there is no lease {}", in_quotes(id)),
                                "GET /api/v1/leases lists all of them"});
  }
  return with_status(
      kGone, {{"detail", fmt::format("lease {} is over: {}", in_quotes(id), standing.why_over)},
              {"hint", "ask again to get back in line"},
              {"code", "timed_out"},
              {"reason", standing.why_over}});
}

}  // namespace

Result<void> post_lease(const Call& call, Responder respond) {
  auto ask = ask_of(call, lease_body);
  if (!ask) {
    return std::unexpected(ask.error());
  }
  call.ports.ledger.ask(
      std::move(ask->request), ask->requester,
      answer_to<ledger::Answer>(std::move(respond), [ports = &call.ports](const auto& answer) {
        return response_to(answer, [ports](const LeaseReport& report) {
          const auto view = ports->view();
          return lease_json(report, view.get(), ports->now());
        });
      }));
  return {};
}

Result<void> get_leases(const Call& call, Responder respond) {
  const auto patience = call.query.number("wait_seconds", 0, kLongestWatch, 0);
  if (!patience) {
    return std::unexpected(patience.error());
  }
  if (call.query.find("id") == nullptr) {
    if (call.query.find("wait_seconds") != nullptr) {
      return fail(ErrorCode::invalid_argument, "wait_seconds is about one lease",
                  "add ?id=… to the address");
    }
    show(call, std::move(respond), ledger_json);
    return {};
  }
  const auto id = wanted_id(call);
  if (!id) {
    return std::unexpected(id.error());
  }
  call.ports.ledger.watch(
      *id, std::chrono::seconds{static_cast<std::int64_t>(*patience)},
      answer_to<LeaseStanding>(std::move(respond),
                               [id = *id, ports = &call.ports](const LeaseStanding& standing) {
                                 return standing_response(standing, id, *ports);
                               }));
  return {};
}

Result<void> delete_lease(const Call& call, Responder respond) {
  const auto id = wanted_id(call);
  if (!id) {
    return std::unexpected(id.error());
  }
  const auto make = [ports = &call.ports](const LeaseReport& report) {
    const auto view = ports->view();
    return json_response({{"released", lease_json(report, view.get(), ports->now())}});
  };
  call.ports.ledger.release(*id, requester_of(call),
                            answer_to<LeaseReport>(std::move(respond), make));
  return {};
}

Result<void> get_queue(const Call& call, Responder respond) {
  show(call, std::move(respond), queue_json);
  return {};
}

Result<void> post_gpu_allocate(const Call& call, Responder respond) {
  auto ask = ask_of(call, booking_body);
  if (!ask) {
    return std::unexpected(ask.error());
  }
  const auto make = [](const ledger::Answer& answer) {
    if (answer.outcome != ledger::Outcome::granted) {
      return denied(answer.denial);
    }
    const ledger::DeviceShare& share = answer.lease.shares.front();
    return json_response({{"success", true},
                          {"data",
                           {{"allocated", true},
                            {"allocation_id", answer.lease.id},
                            {"allocated_mb", share.bytes.count / kMiB},
                            {"uuid", share.uuid}}}});
  };
  call.ports.ledger.ask(std::move(ask->request), ask->requester,
                        answer_to<ledger::Answer>(std::move(respond), make));
  return {};
}

Result<void> post_gpu_deallocate(const Call& call, Responder respond) {
  const auto json = parse_object(call.request.body);
  if (!json) {
    return std::unexpected(json.error());
  }
  const auto id = booking_id(*json);
  if (!id) {
    return std::unexpected(id.error());
  }
  const auto make = [](const LeaseReport& report) {
    return json_response(
        {{"success", true}, {"data", {{"deallocated", true}, {"allocation_id", report.lease.id}}}});
  };
  call.ports.ledger.release(*id, requester_of(call),
                            answer_to<LeaseReport>(std::move(respond), make));
  return {};
}

Result<void> get_gpu_available(const Call& call, Responder respond) {
  const auto gpu = find_gpu(call);
  if (!gpu) {
    return std::unexpected(gpu.error());
  }
  const auto make = [uuid = (*gpu)->reading->identity->uuid, view = call.view,
                     free = (*gpu)->reading->memory](const std::shared_ptr<const LedgerView>& now) {
    const auto line = std::ranges::find(now->devices, uuid, &DeviceLine::uuid);
    if (line == now->devices.end() || !line->why_not.empty()) {
      return error_response(Error{
          ErrorCode::unavailable,
          line == now->devices.end()
              ? "the GPU has just come; ask again in a second"
              : fmt::format("nothing can be promised on GPU {}: {}", line->index, line->why_not),
          "nothing is granted by old figures; see `levee status`"});
    }
    return json_response(
        {{"success", true},
         {"data",
          {{"gpu_id", line->index},
           {"available_mb", line->limited.count / kMiB},
           {"free_mb", free ? ordered_json(free->free.count / kMiB) : ordered_json()},
           {"limit_mb", line->limit.count / kMiB},
           {"reserve_mb", view->settings->config().gpu_manager.memory_reserve.count / kMiB}}}});
  };
  call.ports.ledger.show(answer_to<std::shared_ptr<const LedgerView>>(std::move(respond), make));
  return {};
}

}  // namespace levee::api
