#include "server/tcp_listener.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "sources/sockets.hpp"

namespace levee::server {
namespace {

using sources::Fd;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress to_socket_address(const ListenAddress& listen) {
  SocketAddress address;
  if (listen.v6) {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(address.storage);
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(listen.port);
    ::inet_pton(AF_INET6, listen.address.c_str(), &in6.sin6_addr);
    address.size = sizeof in6;
  } else {
    auto& in4 = reinterpret_cast<sockaddr_in&>(address.storage);
    in4.sin_family = AF_INET;
    in4.sin_port = htons(listen.port);
    ::inet_pton(AF_INET, listen.address.c_str(), &in4.sin_addr);
    address.size = sizeof in4;
  }
  return address;
}

std::unexpected<Error> port_busy(std::uint16_t port, const sources::Root& root) {
  std::string message = fmt::format("port {} is already in use", port);
  if (const auto holder = sources::holder_of_port(root, port)) {
    message =
        holder->pid
            ? fmt::format("port {} is held by {} (pid {})", port, holder->command, *holder->pid)
            : fmt::format("port {} is held by a process of user id {}", port, holder->uid);
  }
  return fail(ErrorCode::already_exists, std::move(message),
              "Stop it, or listen elsewhere: --listen 127.0.0.1:0 picks a free port, "
              "--listen off uses the Unix socket only");
}

std::unexpected<Error> cannot_listen(const ListenAddress& listen, int number) {
  const auto reason = std::generic_category().message(number);
  auto message =
      fmt::format("cannot listen on {} port {}: {}", listen.address, listen.port, reason);
  switch (number) {
    case EACCES:
    case EPERM:
      return fail(ErrorCode::permission_denied, std::move(message),
                  "Ports below 1024 are for root; choose a higher one");
    case EMFILE:
    case ENFILE:
      return fail(ErrorCode::resource_exhausted, std::move(message),
                  "Raise the limit of open files (ulimit -n)");
    default:
      return fail(ErrorCode::unavailable, std::move(message),
                  "Choose another address with --listen, or --listen off");
  }
}

}  // namespace

Result<TcpListener> listen_tcp(const ListenAddress& listen, const sources::Root& root) {
  SocketAddress address = to_socket_address(listen);
  Fd fd{::socket(listen.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) {
    return cannot_listen(listen, errno);
  }
  // A restarted daemon must not wait for its predecessor's connections in TIME_WAIT; on Linux this
  // does not let two listeners share a port.
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), SOMAXCONN) != 0) {
    return errno == EADDRINUSE ? port_busy(listen.port, root) : cannot_listen(listen, errno);
  }
  if (::getsockname(fd.get(), address.get(), &address.size) != 0) {
    return cannot_listen(listen, errno);
  }
  const std::uint16_t port =
      ntohs(listen.v6 ? reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_port
                      : reinterpret_cast<const sockaddr_in&>(address.storage).sin_port);
  return TcpListener{std::move(fd), port};
}

}  // namespace levee::server
