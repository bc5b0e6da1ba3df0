// Who is on the other side of a connection. Thread-safe.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <functional>
#include <optional>

#include "api/authorize.hpp"
#include "sources/root.hpp"
#include "sources/sockets.hpp"

namespace levee::server {

struct Peer {
  api::Peer::Via via = api::Peer::Via::loopback;
  /// The peer's user; may be slow, to be asked only if a request needs it.
  std::function<std::optional<uid_t>()> uid;
  /// The process that connected to our Unix socket; absent when it cannot be seen from here.
  std::optional<pid_t> pid = {};
};

/// The kernel noted the user when the client connected to our Unix socket.
[[nodiscard]] Peer peer_of_unix_socket(int fd);

/// The user is looked up below `root` when first asked for, and then remembered.
[[nodiscard]] Peer peer_of_tcp(const sources::Root& root, const sockaddr_storage& theirs,
                               const sources::TcpEndpoint& ours);

}  // namespace levee::server
