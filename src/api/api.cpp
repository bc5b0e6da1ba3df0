#include "api/api.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <exception>

#include "api/route.hpp"
#include "config/nearest.hpp"

namespace levee::api {
namespace {

/// An answer that may come later. The first one counts; if none comes at all (a command that was
/// dropped at shutdown), whoever waits is told so.
class Pending {
 public:
  explicit Pending(Responder respond) : respond_(std::move(respond)) {}
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending() {
    if (!answered_) {
      answer(error_response(Error{.code = ErrorCode::unavailable,
                                  .message = "the daemon did not come to answer this",
                                  .hint = "it may be stopping; ask again"}));
    }
  }

  void answer(Response response) {
    if (!answered_.exchange(true)) {
      respond_(std::move(response));
    }
  }

 private:
  Responder respond_;
  std::atomic<bool> answered_ = false;
};

Error no_such_path(std::string_view path) {
  std::vector<std::string> paths;
  for (const Route& route : routes()) {
    paths.emplace_back(route.path);
  }
  const auto nearest = config::nearest(path, paths);
  return Error{.code = ErrorCode::not_found,
               .message = fmt::format("nothing is at {}", in_quotes(path)),
               .hint = fmt::format("{}all paths are listed at /",
                                   nearest ? fmt::format("did you mean {}? ", *nearest) : "")};
}

/// What stands in `path` for the "{name}" of `pattern`, slashes included; empty where it has none.
/// Nothing where they differ.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
  const std::size_t open = pattern.find('{');
  if (open == std::string_view::npos) {
    return pattern == path ? std::optional(std::string_view{}) : std::nullopt;
  }
  const std::string_view before = pattern.substr(0, open);
  const std::string_view after = pattern.substr(pattern.find('}') + 1);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) ||
      !path.ends_with(after)) {
    return std::nullopt;
  }
  return path.substr(before.size(), path.size() - before.size() - after.size());
}

/// The parameter that `target` has in its path, as one of its query.
void take_path_parameter(const Route& route, Target& target) {
  const std::size_t open = route.path.find('{');
  if (open != std::string_view::npos) {
    const std::string_view name = route.path.substr(open + 1, route.path.find('}') - open - 1);
    target.query.emplace_back(name, match(route.path, target.path).value_or(""));
  }
}

/// "GET, HEAD, PUT, OPTIONS": what `path` answers to; empty if there is no such path.
std::string allowed_methods(std::string_view path) {
  std::vector<std::string_view> methods;
  for (const Route& route : routes()) {
    if (match(route.path, path)) {
      methods.push_back(route.method);
      if (route.method == "GET") {
        methods.emplace_back("HEAD");
      }
    }
  }
  return methods.empty() ? std::string{} : fmt::format("{}, OPTIONS", fmt::join(methods, ", "));
}

const Route* find_route(std::string_view method, std::string_view path) {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  const auto found = std::ranges::find_if(routes(), [&](const Route& route) {
    return route.method == wanted && match(route.path, path).has_value();
  });
  return found == routes().end() ? nullptr : &*found;
}

/// The answer where no route has both the path and the method.
Response no_route(std::string_view method, std::string_view path) {
  const std::string allowed = allowed_methods(path);
  if (allowed.empty()) {
    return error_response(no_such_path(path));
  }
  if (method == "OPTIONS") {
    return Response{.status = 204,
                    .body = std::make_shared<const std::string>(),
                    .headers = {{"Allow", allowed}}};
  }
  Response response = error_response(
      Error{.code = ErrorCode::invalid_argument,
            .message = fmt::format("{} does not answer to {}", path, in_quotes(method)),
            .hint = fmt::format("it answers to {}", allowed)});
  response.status = 405;
  response.headers = {{"Allow", allowed}};
  return response;
}

/// Runs a handler that answers later; whatever it does, `respond` is called exactly once.
void start(Start handler, const Call& call, Responder respond) {
  const auto pending = std::make_shared<Pending>(std::move(respond));
  try {
    const Result<void> started =
        handler(call, [pending](Response response) { pending->answer(std::move(response)); });
    if (!started) {
      pending->answer(error_response(started.error()));
    }
  } catch (const std::exception& exception) {
    pending->answer(defect_response(exception));
  }
}

}  // namespace

struct Api::Impl {
  Ports ports;
  Pages pages;

  /// The answer; nothing when it comes later, through `respond`.
  [[nodiscard]] std::optional<Response> dispatch(const Request& request, Responder& respond);
  [[nodiscard]] Result<void> may(const Request& request, Action action) const;
};

Result<void> Api::Impl::may(const Request& request, Action action) const {
  Peer peer{.via = request.via, .uid = {}};
  if (action != Action::read && request.peer_uid) {
    peer.uid = request.peer_uid();
  }
  return authorize(ports.authority, peer, action);
}

std::optional<Response> Api::Impl::dispatch(const Request& request, Responder& respond) {
  if (const auto allowed = check_origin(request.via, request.host, request.origin); !allowed) {
    return error_response(allowed.error());
  }
  auto target = parse_target(request.target);
  if (!target) {
    return error_response(target.error());
  }
  const Route* route = find_route(request.method, target->path);
  if (route == nullptr) {
    return no_route(request.method, target->path);
  }
  if (const auto allowed = may(request, route->action); !allowed) {
    return error_response(allowed.error());
  }
  take_path_parameter(*route, *target);
  const auto query = Query::check(std::move(target->query), route->query);
  if (!query) {
    return error_response(query.error());
  }
  if (auto refusal = refuse_body(*route, request)) {
    return refusal;
  }
  const Call call{
      .ports = ports, .pages = pages, .request = request, .query = *query, .view = ports.view()};
  if (route->needs == Needs::view && !call.view) {
    return error_response(Error{.code = ErrorCode::unavailable,
                                .message = "nothing has been measured yet",
                                .hint = "ask again in a second"});
  }
  if (const auto* answer = std::get_if<Answer>(&route->handle)) {
    Result<Response> response = (*answer)(call);
    return response ? std::move(*response) : error_response(response.error());
  }
  start(std::get<Start>(route->handle), call, std::move(respond));
  return std::nullopt;
}

Api::Api(Ports ports)
    : impl_(std::make_unique<Impl>(Impl{.ports = std::move(ports), .pages = {}})) {}
Api::~Api() = default;

void Api::handle(const Request& request, Responder respond) {
  std::optional<Response> response;
  if (request.target.starts_with("/api/gpu/")) {
    respond = [plain = std::move(respond)](Response answer) {
      constexpr int kFirstError = 400;
      plain(answer.status < kFirstError ? std::move(answer) : in_gpu_envelope(std::move(answer)));
    };
  }
  try {
    response = impl_->dispatch(request, respond);
  } catch (const std::exception& exception) {
    response = defect_response(exception);
  }
  if (response) {
    respond(std::move(*response));
  }
}

std::string Api::frame(const StreamedEvent& event) {
  std::string frame = fmt::format("id: {}\nevent: {}\n", event.id, event.kind);
  // A line break inside the data would end it; each line gets its own field.
  std::string_view rest = event.json;
  while (true) {
    const auto line = rest.substr(0, rest.find('\n'));
    frame += fmt::format("data: {}\n", line);
    if (line.size() == rest.size()) {
      break;
    }
    rest.remove_prefix(line.size() + 1);
  }
  frame += '\n';
  return frame;
}

}  // namespace levee::api
