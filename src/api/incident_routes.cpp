// Incidents: what the flight recorder saved, and the wish that it saves something.
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "api/members.hpp"
#include "api/route.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr std::array<std::string_view, 7> kKnown{"note", "wait",   "lease",    "command",
                                                 "pid",  "signal", "exit_code"};
constexpr std::size_t kLongestText = 1024;
constexpr int kAccepted = 202;
constexpr int kCreated = 201;
constexpr int kKilled = 137;  ///< 128 + SIGKILL: how shells and containers report it.

Response json_text(int status, const std::string& json) {
  return {.status = status, .body = std::make_shared<const std::string>(json), .headers = {}};
}

/// Answers with the JSON that comes, as it is.
IncidentPort::Answer pass_on(Responder respond) {
  return [respond = std::move(respond)](const Result<std::string>& json) {
    respond_with(respond,
                 [&] { return json ? json_text(200, *json) : error_response(json.error()); });
  };
}

Result<std::string> wanted(const Call& call) {
  const std::string* const id = call.query.find("id");
  return id != nullptr ? Result<std::string>(*id)
                       : fail(ErrorCode::invalid_argument, "which incident is not said",
                              "add ?id=…; GET /api/v1/incidents lists them");
}

/// What a body asks for, and whether it wants to wait until that is saved.
struct Asked {
  IncidentAsk ask;
  bool wait = false;
};

void read_job(Members& members, IncidentAsk& ask) {
  const auto signal = members.number("signal", 1, 64);
  const auto code = members.number("exit_code", 0, 255);
  const auto pid = members.number("pid", 1, 1 << 30);
  const std::string lease = members.text("lease");
  const std::string command = members.text("command").substr(0, kLongestText);
  if (!signal && !code) {
    if (pid || !lease.empty() || !command.empty()) {
      members.refuse("how the job ended is not said", "give signal or exit_code");
    }
    return;
  }
  constexpr int kKillSignal = 9;
  if ((signal && *signal != kKillSignal) || (!signal && *code != kKilled)) {
    members.refuse("a job that ended so was not killed",
                   "only signal 9 and exit_code 137 make an incident");
  }
  ask.job = IncidentAsk::KilledJob{
      .lease = lease,
      .command = command,
      .pid = pid ? std::optional(static_cast<pid_t>(*pid)) : std::nullopt,
      .signal = signal ? std::optional(static_cast<int>(*signal)) : std::nullopt};
}

Result<Asked> read_ask(const Call& call) {
  const auto body = parse_object(call.request.body);
  if (!body) {
    return std::unexpected(body.error());
  }
  Members members(*body, kKnown, "an incident");
  Asked asked;
  asked.ask.note = members.text("note");
  asked.wait = members.flag("wait");
  read_job(members, asked.ask);
  if (asked.ask.note.size() > kLongestText) {
    members.refuse(fmt::format("the note has {} bytes", asked.ask.note.size()),
                   fmt::format("write at most {}", kLongestText));
  }
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  asked.ask.uid = call.request.peer_uid ? call.request.peer_uid() : std::nullopt;
  return asked;
}

}  // namespace

Result<void> get_incidents(const Call& call, Responder respond) {
  if (const std::string* const id = call.query.find("id")) {
    call.ports.incidents.show(*id, pass_on(std::move(respond)));
  } else {
    call.ports.incidents.list(pass_on(std::move(respond)));
  }
  return {};
}

Result<void> post_incident(const Call& call, Responder respond) {
  auto asked = read_ask(call);
  if (!asked) {
    return std::unexpected(std::move(asked.error()));
  }
  if (!asked->wait) {
    call.ports.incidents.record(std::move(asked->ask), [](const auto&) {});
    respond(json_text(kAccepted, ordered_json{{"accepted", true}}.dump()));
    return {};
  }
  call.ports.incidents.record(
      std::move(asked->ask), [respond = std::move(respond)](const Result<std::string>& saved) {
        respond_with(respond, [&] {
          return saved ? json_text(kCreated, *saved) : error_response(saved.error());
        });
      });
  return {};
}

Result<void> delete_incident(const Call& call, Responder respond) {
  const auto id = wanted(call);
  if (!id) {
    return std::unexpected(id.error());
  }
  call.ports.incidents.remove(*id, pass_on(std::move(respond)));
  return {};
}

}  // namespace levee::api
