// TcpListener: a bound, listening, non-blocking loopback socket. Stateless; thread-safe.
#pragma once

#include <cstdint>

#include "levee/result.hpp"
#include "server/listen_address.hpp"
#include "sources/file.hpp"
#include "sources/root.hpp"

namespace levee::server {

struct TcpListener {
  sources::Fd fd;
  std::uint16_t port = 0;  ///< The real one where 0 was asked for.
};

/// A busy port is `already_exists` and names its holder, looked up below `root`.
[[nodiscard]] Result<TcpListener> listen_tcp(const ListenAddress& address,
                                             const sources::Root& root);

}  // namespace levee::server
