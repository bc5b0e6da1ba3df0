// Handlers of what is done about memory that runs out: recovery, cleanup, failed allocations.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/find_gpu.hpp"
#include "api/json_parts.hpp"
#include "api/lease_ask.hpp"
#include "api/members.hpp"
#include "api/recovery_view.hpp"
#include "api/route.hpp"

namespace levee::api {

namespace {

using control::Rung;
using nlohmann::ordered_json;

constexpr std::array<std::string_view, 5> kFailureMembers{"gpu", "memory", "memory_bytes", "pid",
                                                          "device"};

ordered_json pressure_or_null(std::optional<Severity> pressure) {
  return pressure ? ordered_json(to_string(*pressure)) : ordered_json();
}

ordered_json remedy_json(const control::Remedy& remedy) {
  return {{"step", control::to_string(remedy.rung)},
          {"target", remedy.target},
          {"priority", remedy.priority},
          {"offer_bytes", bytes_or_null(remedy.offer)}};
}

ordered_json remedies_json(const std::vector<control::Remedy>& remedies) {
  ordered_json all = ordered_json::array();
  std::ranges::transform(remedies, std::back_inserter(all), remedy_json);
  return all;
}

ordered_json device_json(const RecoveryDevice& device) {
  return {{"device", device.name},
          {"label", device.label},
          {"pressure", pressure_or_null(device.pressure)},
          {"used_bytes", device.used.count},
          {"line_bytes", device.line.count},
          {"under_way", device.under_way ? remedy_json(device.under_way->remedy) : ordered_json()},
          {"paused", !device.paused.empty()},
          {"remedies", remedies_json(device.remedies)}};
}

ordered_json step_json(const RecoveryStep& step) {
  const control::StepReport& report = step.report;
  return {{"timestamp", to_iso8601(step.at)},
          {"device", step.device},
          {"label", step.label},
          {"step", control::to_string(report.step.remedy.rung)},
          {"who", step.who},
          {"pressure", pressure_or_null(report.step.pressure)},
          {"result", control::to_string(report.answer.end)},
          {"message", report.answer.message},
          {"wanted_bytes", report.step.wanted.count},
          {"said_bytes", bytes_or_null(report.answer.said)},
          {"before_bytes", report.step.before.count},
          {"after_bytes", report.after.count},
          {"freed_bytes", report.freed().count},
          {"dry_run", step.dry_run}};
}

std::string_view mode_name(config::RecoveryMode mode) {
  switch (mode) {
    case config::RecoveryMode::on:
      return "on";
    case config::RecoveryMode::dry_run:
      return "dry-run";
    case config::RecoveryMode::off:
      return "off";
  }
  return "on";
}

Result<bool> flag(const Query& query, std::string_view name) {
  const std::string* const text = query.find(name);
  if (text == nullptr || *text == "false") {
    return false;
  }
  if (*text == "true") {
    return true;
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("{} is {}, which is neither true nor false", name, in_quotes(*text)),
              fmt::format("for example {}=true", name));
}

ordered_json cleanup_json(const CleanedUp& done) {
  return {
      {"success", true},  // The request was carried out; what it freed is said beside it.
      {"cpu_memory_freed_gb", gb(done.cpu_freed)},
      {"gpu_memory_freed_gb", gb(done.gpu_freed)},
      {"message", !done.message.empty()
                      ? done.message
                      : fmt::format("Cleanup completed. CPU: {:.1f}GB freed, GPU: {:.1f}GB freed",
                                    to_gb(done.cpu_freed), to_gb(done.gpu_freed))}};
}

/// What a cleanup would do, in its order.
Response rehearsal(const RecoveryView& recovery, bool force) {
  const Rung last = force ? Rung::offload : Rung::deflate_balloon;
  ordered_json steps = ordered_json::array();
  for (const RecoveryDevice& device : recovery.devices) {
    for (const control::Remedy& remedy : device.remedies) {
      if (remedy.rung >= Rung::clear_cache && remedy.rung <= last) {
        ordered_json step = remedy_json(remedy);
        step["device"] = device.name;
        step["label"] = device.label;
        steps.push_back(std::move(step));
      }
    }
  }
  ordered_json json =
      cleanup_json({.cpu_freed = {},
                    .gpu_freed = {},
                    .message = fmt::format("A dry run: {} steps would be taken", steps.size())});
  json["steps"] = std::move(steps);
  return json_response(json);
}

/// The device that an allocation failed on.
Result<std::string> failed_device(const Call& call, Members& members) {
  const ordered_json* const gpu = members.find("gpu");
  const std::string device = members.id("device");
  if ((gpu != nullptr) == !device.empty()) {
    return fail(ErrorCode::invalid_argument, "it does not say where the allocation failed",
                R"(write "gpu": 0, or "device": "host")");
  }
  if (device == kReclaimHost) {
    return device;
  }
  const std::string name = gpu == nullptr     ? device
                           : gpu->is_string() ? gpu->get<std::string>()
                                              : gpu->dump();
  const auto found = find_gpu(*call.view, name);
  return found ? Result<std::string>((*found)->reading->identity->uuid)
               : std::unexpected(found.error());
}

/// Whether the peer may speak for process `pid`.
Result<void> may_speak_for(const Call& call, std::optional<std::int64_t> pid) {
  if (!pid) {
    return fail(ErrorCode::invalid_argument, "it does not say whose allocation failed",
                R"(write "pid": the number of the process)");
  }
  const auto owner = call.ports.ledger.find_process(static_cast<pid_t>(*pid));
  if (!owner) {
    return fail(ErrorCode::not_found, fmt::format("there is no process {}", *pid),
                "name one that is running");
  }
  return authorize(call.ports.authority,
                   {.via = call.request.via,
                    .uid = call.request.peer_uid ? call.request.peer_uid() : std::nullopt},
                   owner->uid);
}

}  // namespace

Result<Response> get_recovery(const Call& call) {
  const auto& recovery = call.view->daemon.recovery;
  if (recovery == nullptr) {
    return fail(ErrorCode::unavailable, "nobody acts against memory pressure here",
                "start a daemon with `levee serve`");
  }
  ordered_json devices = ordered_json::array();
  std::ranges::transform(recovery->devices, std::back_inserter(devices), device_json);
  ordered_json recent = ordered_json::array();
  std::ranges::transform(recovery->recent, std::back_inserter(recent), step_json);
  return json_response({{"mode", mode_name(recovery->mode)},
                        {"devices", std::move(devices)},
                        {"recent", std::move(recent)}});
}

Result<void> post_cleanup(const Call& call, Responder respond) {
  const auto force = flag(call.query, "force");
  const auto is_dry_run = flag(call.query, "dry_run");
  if (!force || !is_dry_run) {
    return std::unexpected(force ? is_dry_run.error() : force.error());
  }
  if (*is_dry_run) {
    const auto view = call.ports.view();
    const auto recovery = view == nullptr ? nullptr : view->daemon.recovery;
    respond(rehearsal(recovery == nullptr ? RecoveryView{} : *recovery, *force));
    return {};
  }
  call.ports.command(Cleanup{.force = *force},
                     answer_with<CleanedUp>(std::move(respond), [](const CleanedUp& done) {
                       return json_response(cleanup_json(done));
                     }));
  return {};
}

Result<void> post_allocation_failure(const Call& call, Responder respond) {
  const auto body = parse_object(call.request.body);
  if (!body) {
    return std::unexpected(body.error());
  }
  Members members(*body, kFailureMembers, "a failed allocation");
  const auto memory = members.amount("memory");
  if (!memory) {
    members.refuse("it does not say how much memory was wanted", R"(write "memory": "2GB")");
  }
  const auto pid = members.number("pid", 1, std::numeric_limits<pid_t>::max());
  auto device = failed_device(call, members);
  if (!device) {
    members.refuse(device.error());
  }
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  if (auto allowed = may_speak_for(call, pid); !allowed) {
    return allowed;
  }
  call.ports.command(ReportShortage{.device = *device,
                                    .bytes = *memory,
                                    .is_administrator = requester_of(call).is_administrator},
                     answer_with<Noted>(std::move(respond), [device = *device](const Noted&) {
                       return json_response({{"device", device}, {"noted", true}});
                     }));
  return {};
}

}  // namespace levee::api
