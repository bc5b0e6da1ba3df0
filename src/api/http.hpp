// Request and Response as plain values: the API can be called without a socket.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/authorize.hpp"
#include "api/dialogue.hpp"
#include "levee/result.hpp"

namespace levee::api {

struct Request {
  std::string method;  ///< "GET", "POST", …
  std::string target;  ///< As sent: path and query.
  std::string body;
  std::string host;           ///< The Host header, empty if absent.
  std::string origin;         ///< The Origin header, empty if absent.
  std::string accept;         ///< The Accept header.
  std::string content_type;   ///< The Content-Type header.
  std::string last_event_id;  ///< The Last-Event-ID header.
  std::string upgrade;        ///< The Upgrade header, where Connection names it, too.
  Peer::Via via = Peer::Via::loopback;
  /// Finds the peer's user; asked only when a change is wanted, since it costs a look at /proc.
  std::function<std::optional<uid_t>()> peer_uid;
  /// The process that opened a Unix socket, as the kernel noted it; absent when it cannot be seen
  /// from here.
  std::optional<pid_t> peer_pid = {};
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::shared_ptr<const std::string>
      body;  ///< Never null; shared so that a cached page is not copied.
  std::vector<std::pair<std::string, std::string>> headers;  ///< Further ones, e.g. Allow.
  /// True: the connection becomes a stream of server-sent events; `body` is sent first, then every
  /// frame the server is told to broadcast.
  bool stream = false;
  /// Not null: the connection leaves HTTP for this dialogue; the status is 101, the body empty.
  std::shared_ptr<Dialogue> dialogue = nullptr;
};

/// Called exactly once, from any thread.
using Responder = std::function<void(Response)>;

/// What the server calls for each request; must not block.
using Handler = std::function<void(Request, Responder)>;

/// The path and the decoded query of `target`.
struct Target {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
};

/// Splits and percent-decodes; refuses bad escapes, NUL bytes and paths without a leading slash.
[[nodiscard]] Result<Target> parse_target(std::string_view target);

/// {"detail": message, "hint": …, "code": …} with the HTTP status that belongs to the error.
[[nodiscard]] Response error_response(const Error& error);

/// The HTTP status of an error code.
[[nodiscard]] int http_status(ErrorCode code) noexcept;

}  // namespace levee::api
