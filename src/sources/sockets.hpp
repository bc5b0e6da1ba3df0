// Sockets: who is behind a TCP connection on this machine, and who holds a port.
// Reads /proc/net/tcp and tcp6 below the root. Stateless; thread-safe; the parser is pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "levee/result.hpp"
#include "sources/root.hpp"

namespace levee::sources {

struct TcpEndpoint {
  std::string address;  ///< "127.0.0.1", "::1"; an IPv4-mapped address is written as IPv4.
  std::uint16_t port = 0;
  bool operator==(const TcpEndpoint&) const = default;
};

struct TcpSocket {
  TcpEndpoint local;
  TcpEndpoint remote;
  int state = 0;  ///< 1 established, 10 listening (include/net/tcp_states.h).
  uid_t uid = 0;
  std::uint64_t inode = 0;
};

/// /proc/net/tcp or /proc/net/tcp6; lines that make no sense are skipped.
[[nodiscard]] std::vector<TcpSocket> parse_net_tcp(std::string_view text);

/// The user who owns the established socket whose local end is `local` and remote end `remote`
/// (the peer's own view of a loopback connection).
[[nodiscard]] std::optional<uid_t> user_of_connection(const Root& root, const TcpEndpoint& local,
                                                      const TcpEndpoint& remote);

struct PortHolder {
  uid_t uid = 0;
  std::optional<pid_t> pid;  ///< Absent when the process belongs to somebody we may not look at.
  std::string command;
};

/// Who listens on TCP `port`, if anybody.
[[nodiscard]] std::optional<PortHolder> holder_of_port(const Root& root, std::uint16_t port);

}  // namespace levee::sources
