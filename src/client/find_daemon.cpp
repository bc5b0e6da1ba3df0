#include "client/find_daemon.hpp"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

namespace levee::client {
namespace {

/// Closes the probe on every path out of `reason_against`.
struct Probe {
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  Probe() = default;
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe() {
    if (fd >= 0) {
      ::close(fd);
    }
  }
};

/// Why the daemon at `path` cannot be used; nothing if it can.
std::optional<std::string> reason_against(const std::string& path, Trust trust, uid_t me) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const Probe probe;
  // EAGAIN: it is there, but busy; the call that follows will wait for it.
  if (::connect(probe.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EAGAIN) {
      return std::nullopt;
    }
    return errno == ENOENT         ? "no socket there"
           : errno == ECONNREFUSED ? "nobody answers"
                                   : std::generic_category().message(errno);
  }
  if (trust == Trust::anybody) {
    return std::nullopt;
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(probe.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      (peer.uid != 0 && peer.uid != me)) {
    return fmt::format("it belongs to user id {}, neither root nor you", peer.uid);
  }
  return std::nullopt;
}

}  // namespace

Result<std::filesystem::path> find_daemon(const std::vector<std::filesystem::path>& candidates,
                                          Trust trust, uid_t me) {
  std::string looked;
  for (const auto& candidate : candidates) {
    const std::string& path = candidate.native();
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path) ||
        path.find('\0') != std::string::npos) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("\"{}\" cannot be the path of a socket: it must have 1 to {} bytes",
                              path, sizeof(sockaddr_un::sun_path) - 1),
                  "Name another one with --socket or $LEVEE_SOCKET");
    }
    const auto reason = reason_against(path, trust, me);
    if (!reason) {
      return candidate;
    }
    looked += fmt::format("{}{} ({})", looked.empty() ? "" : ", ", path, *reason);
  }
  return fail(ErrorCode::unavailable, fmt::format("no daemon is running: looked at {}", looked),
              "start one with `levee serve`");
}

}  // namespace levee::client
