#include "cli/ask.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "api/api.hpp"
#include "client/error_reply.hpp"
#include "engine/clock.hpp"
#include "engine/look.hpp"

namespace levee::cli {
namespace {

api::Ports ports_around(std::shared_ptr<const api::View> view) {
  const Error no_daemon{ErrorCode::unavailable, "no daemon is running",
                        "start one with `levee serve`"};
  return {
      .view = [view = std::move(view)] { return view; },
      .command = [=](const auto&, const auto& answer) { answer(std::unexpected(no_daemon)); },
      .stored_history = [=](const auto&,
                            const auto& answer) { answer(std::unexpected(no_daemon)); },
      .stored_events = [=](const auto&, const auto& answer) { answer(std::unexpected(no_daemon)); },
      .ledger = {},
      .now = engine::read_clock,
      .authority = {}};
}

/// What only a daemon has is unknown, not zero.
void leave_out_daemon(Json& json) {
  for (const char* part : {"daemon", "guard", "store", "cache"}) {
    if (json.is_object() && json.contains(part)) {
      json[part] = nullptr;
    }
  }
}

/// True when another try, or another way of asking, may succeed.
bool is_passing(const Error& error) {
  return error.code == ErrorCode::unavailable || error.code == ErrorCode::timed_out;
}

Result<Json> get(Client& client, std::string_view target) {
  auto reply = client.get(target);
  return reply ? parse_answer(reply->body) : std::unexpected(std::move(reply.error()));
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool is_plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    result += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

std::string remarks_on(const Answer& answer, const Style& style) {
  std::string text;
  if (!answer.note.empty()) {
    text += line({{"trouble: ", Color::orange}, {answer.note}}, style);
  }
  if (answer.bad_settings) {
    text += line({{"trouble: ", Color::orange},
                  {fmt::format("judged by built-in settings: {}", answer.bad_settings->message)}},
                 style);
  }
  return text;
}

Result<Json> parse_answer(std::string_view body) {
  Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return fail(ErrorCode::corrupt, "the daemon answered with something that is not JSON",
                "is it Levee that listens there? `levee doctor` shows the socket");
  }
  return json;
}

Result<Client> connect(const Connection& connection) {
  const auto patience = connection.patience();
  if (!patience) {
    return std::unexpected(patience.error());
  }
  auto client = Client::connect(connection.socket);
  if (client) {
    client->set_timeout(*patience);
  }
  return client;
}

Result<Json> ask_daemon(const Connection& connection, std::string_view target) {
  auto client = connect(connection);
  return client ? get(*client, target) : std::unexpected(std::move(client.error()));
}

Result<Json> look(const config::Settings& settings, std::string_view target) {
  api::Api api(ports_around(engine::look_once(std::make_shared<const config::Settings>(settings),
                                              sources::Root{}, gpu_helper())));
  api::Request request;
  request.method = "GET";
  request.target = target;
  request.via = api::Peer::Via::unix_socket;
  api::Response response;
  api.handle(request, [&](api::Response answer) { response = std::move(answer); });
  const std::string_view body = response.body ? std::string_view(*response.body) : "";
  if (response.status >= 400) {
    return std::unexpected(client::error_of_reply(response.status, body));
  }
  auto json = parse_answer(body);
  if (json) {
    leave_out_daemon(*json);
    if (json->contains("current")) {
      leave_out_daemon((*json)["current"]);
    }
  }
  return json;
}

Result<Answer> ask_or_look(const Connection& connection, const std::optional<std::string>& config,
                           const Surroundings& surroundings, std::string_view target) {
  Answer answer;
  auto client = connect(connection);
  if (client) {
    auto body = get(*client, target);
    if (body) {
      return Answer{.body = std::move(*body), .from_daemon = true, .note = {}, .bad_settings = {}};
    }
    if (!is_passing(body.error()) || connection.socket) {
      return std::unexpected(std::move(body.error()));
    }
    answer.note = std::move(body.error().message);
  } else if (!is_passing(client.error()) || connection.socket) {
    return std::unexpected(std::move(client.error()));
  }
  auto settings = config::Settings::load(inputs_for(surroundings, config));
  if (!settings) {
    if (config) {
      // A file that was named and cannot be used, or read, is for the caller to mend.
      settings.error().code = ErrorCode::invalid_argument;
      return std::unexpected(std::move(settings.error()));
    }
    answer.bad_settings = std::move(settings.error());
    settings = config::Settings::load({});
  }
  auto body = look(*settings, target);
  if (!body) {
    return std::unexpected(std::move(body.error()));
  }
  answer.body = std::move(*body);
  return answer;
}

}  // namespace levee::cli
