#include "server/server.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <exception>
#include <list>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "server/connection.hpp"
#include "server/listen_address.hpp"
#include "server/mailbox.hpp"
#include "server/peer.hpp"
#include "server/response_head.hpp"
#include "server/socket_file.hpp"
#include "server/tcp_listener.hpp"
#include "sources/file.hpp"
#include "sources/sockets.hpp"

namespace levee::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;
using sources::Fd;

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr auto kAcceptPause = 100ms;  ///< After running out of descriptors or memory.
constexpr int kAcceptsAtOnce = 64;    ///< Then the open connections get their turn.
constexpr auto kLeastSleep = 10ms;    ///< Between two looks at the deadlines.

/// Descriptors the rest of the daemon needs: a crowd of clients must not keep it from reading
/// /proc.
constexpr rlim_t kKeptDescriptors = 256;

std::size_t affordable_connections(std::size_t wanted) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) {
    return wanted;
  }
  const rlim_t left = files.rlim_cur > 2 * kKeptDescriptors ? files.rlim_cur - kKeptDescriptors
                                                            : files.rlim_cur / 2;
  return std::min<std::size_t>(wanted, left);
}

/// What a connection over the limit gets, written once: there may be thousands of them.
std::string full_page(std::size_t limit) {
  auto response = api::error_response(Error{
      ErrorCode::resource_exhausted, "all " + std::to_string(limit) + " connections are in use",
      "Close idle ones or streams, or try again later"});
  response.status = 503;
  response.headers.emplace_back("Retry-After", "1");
  std::string page;
  append_head(page, response, Framing::close);
  return page + *response.body;
}

}  // namespace

struct Server::Impl final : Owner {
  struct Listener {
    asio::posix::basic_stream_descriptor<Executor> descriptor;
    int family;
    sources::TcpEndpoint local;  ///< Of a TCP listener.
    Timer pause;
  };

  // Before all that uses it, to go after it.
  asio::io_context io{1};
  asio::executor_work_guard<Executor> work{io.get_executor()};
  std::shared_ptr<Mailbox> to_io = std::make_shared<Mailbox>(io);

  const Limits limit;
  const std::size_t most_connections;
  const std::string page_when_full;
  const api::Handler handler;
  const sources::Root root;

  std::optional<SocketFile> socket_file;
  std::list<Listener> listeners;  ///< At most two; the handlers keep references.
  std::uint16_t port = 0;

  std::vector<std::shared_ptr<Connection>> connections;
  Timer timer{io.get_executor()};
  TimePoint next_look = TimePoint::max();

  // Read by any thread.
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> refused = 0;
  std::atomic<std::uint64_t> open = 0;
  std::atomic<std::uint64_t> streams = 0;
  std::atomic<std::uint64_t> streams_cut = 0;

  Impl(const Limits& limits_of_server, api::Handler on_request, sources::Root file_root)
      : limit(limits_of_server),
        most_connections(affordable_connections(limits_of_server.connections)),
        page_when_full(full_page(most_connections)),
        handler(std::move(on_request)),
        root(std::move(file_root)) {}

  ~Impl() override {
    to_io->close();
    end();
  }

  Result<void> listen(const Options& options) {
    auto address = parse_listen(options.listen);
    if (!address) {
      return std::unexpected(std::move(address.error()));
    }
    if (!*address && options.socket.empty()) {
      return fail(ErrorCode::invalid_argument,
                  "there is neither an address nor a socket to listen on",
                  "Name a Unix socket with --socket, or an address with --listen");
    }
    if (!options.socket.empty()) {
      if (auto opened = listen_on_socket(options.socket); !opened) {
        return opened;
      }
    }
    return *address ? listen_on_port(**address) : Result<void>{};
  }

  Result<void> listen_on_socket(const std::filesystem::path& path) {
    auto file = SocketFile::make(path, root);
    if (!file) {
      return std::unexpected(std::move(file.error()));
    }
    socket_file.emplace(std::move(*file));
    Fd copy{::fcntl(socket_file->descriptor(), F_DUPFD_CLOEXEC, 0)};
    if (!copy) {
      return fail(ErrorCode::resource_exhausted, "no file descriptor is left for the socket",
                  "Raise the limit of open files (ulimit -n)");
    }
    add_listener(std::move(copy), AF_UNIX, {});
    return {};
  }

  Result<void> listen_on_port(const ListenAddress& address) {
    auto listener = listen_tcp(address, root);
    if (!listener) {
      return std::unexpected(std::move(listener.error()));
    }
    port = listener->port;
    add_listener(std::move(listener->fd), address.v6 ? AF_INET6 : AF_INET, {address.address, port});
    return {};
  }

  void add_listener(Fd fd, int family, sources::TcpEndpoint local) {
    asio::posix::basic_stream_descriptor<Executor> descriptor{io, fd.get()};
    std::ignore = fd.release();
    listeners.push_back(
        {std::move(descriptor), family, std::move(local), Timer{io.get_executor()}});
    wait_for_clients(listeners.back());
  }

  // --- accepting

  void wait_for_clients(Listener& listener) {
    listener.descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                                   [this, &listener](error_code error) {
                                     if (!error) {
                                       accept_clients(listener);
                                     }
                                   });
  }

  void accept_clients(Listener& listener) {
    bool exhausted = false;
    try {
      exhausted = !accept_some(listener);
    } catch (const std::exception&) {
      exhausted = true;
    }
    if (!exhausted) {
      wait_for_clients(listener);
      return;
    }
    // Without a pause this would be a busy loop until somebody closes a descriptor.
    listener.pause.expires_after(kAcceptPause);
    listener.pause.async_wait([this, &listener](error_code error) {
      if (!error) {
        wait_for_clients(listener);
      }
    });
  }

  /// False when the machine has no descriptor or memory left for another client.
  bool accept_some(Listener& listener) {
    for (int i = 0; i < kAcceptsAtOnce; ++i) {
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      Fd fd{::accept4(listener.descriptor.native_handle(), reinterpret_cast<sockaddr*>(&address),
                      &size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
      if (fd) {
        admit(std::move(fd), address, listener);
      } else if (errno == EAGAIN) {
        return true;
      } else if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
        return false;  // EMFILE, ENFILE, ENOBUFS, ENOMEM
      }
    }
    return true;
  }

  void admit(Fd fd, const sockaddr_storage& address, const Listener& listener) {
    if (connections.size() >= most_connections) {
      turn_away(fd);
      return;
    }
    const bool tcp = listener.family != AF_UNIX;
    if (tcp) {
      const int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    Peer peer = tcp ? peer_of_tcp(root, address, listener.local) : peer_of_unix_socket(fd.get());
    Socket socket{io.get_executor()};
    socket.assign(asio::generic::stream_protocol{listener.family, 0}, fd.get());
    std::ignore = fd.release();
    auto connection = std::make_shared<Connection>(*this, std::move(socket), std::move(peer));
    connection->index = connections.size();
    connections.push_back(connection);
    open = connections.size();
    connection->start();
  }

  void turn_away(const Fd& fd) {
    ++refused;
    std::array<char, 4096> unread{};
    std::ignore =
        ::send(fd.get(), page_when_full.data(), page_when_full.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    // Closing with unread bytes would reset the connection and could destroy the answer.
    ::shutdown(fd.get(), SHUT_WR);
    std::ignore = ::recv(fd.get(), unread.data(), unread.size(), MSG_DONTWAIT);
  }

  // --- what connections ask for

  [[nodiscard]] const Limits& limits() const noexcept override { return limit; }
  [[nodiscard]] const std::shared_ptr<Mailbox>& mailbox() const noexcept override { return to_io; }

  void handle(api::Request request, api::Responder respond) override {
    ++requests;
    try {
      handler(std::move(request), std::move(respond));
    } catch (...) {  // The responder is gone by now, and has answered for itself.
      return;
    }
  }

  void stream_opened() override { ++streams; }
  void stream_closed(bool too_slow) override {
    --streams;
    streams_cut += too_slow ? 1 : 0;
  }

  void closed(Connection& connection) override {
    const std::size_t index = connection.index;
    std::swap(connections[index], connections.back());
    connections[index]->index = index;
    connections.pop_back();
    open = connections.size();
  }

  // --- time: one timer for all, which only moves when somebody is due earlier

  void wake_by(TimePoint when) override {
    if (when >= next_look) {
      return;
    }
    next_look = when;
    timer.expires_at(when);
    timer.async_wait([this](error_code error) {
      if (!error) {
        look_at_deadlines();
      }
    });
  }

  void look_at_deadlines() {
    const auto now = std::chrono::steady_clock::now();
    next_look = TimePoint::max();
    TimePoint next = TimePoint::max();
    for_each_connection([&](Connection& connection) {
      connection.on_due(now);
      next = std::min(next, connection.due());
    });
    if (next != TimePoint::max()) {
      wake_by(std::max(next, now + kLeastSleep));
    }
  }

  /// Backwards, because the visited connection may leave: the last one then takes its place.
  template <class Visit>
  void for_each_connection(Visit visit) {
    for (std::size_t i = connections.size(); i-- > 0;) {
      const auto connection = connections[i];
      visit(*connection);
    }
  }

  // --- the life of the server

  void run() {
    while (!io.stopped()) {
      try {
        io.run();
      } catch (const std::exception&) {
        // Out of memory in one connection's step: its deadline will close it; the others go on.
        continue;
      }
    }
    end();
  }

  void end() {
    listeners.clear();
    socket_file.reset();
    for_each_connection([](Connection& connection) { connection.close(); });
  }

  void broadcast(std::shared_ptr<const std::string> frame) {
    // Not `streams`: a stream whose first page is being made right now must not miss this one.
    if (open == 0) {
      return;
    }
    asio::post(io, [this, frame = std::move(frame)] {
      for_each_connection([&](Connection& connection) { connection.send_frame(frame); });
    });
  }
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::make(const Options& options, api::Handler handler,
                                             sources::Root root) {
  auto impl = std::make_unique<Impl>(options.limits, std::move(handler), std::move(root));
  if (auto listening = impl->listen(options); !listening) {
    return std::unexpected(std::move(listening.error()));
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::run() { impl_->run(); }
void Server::stop() { impl_->io.stop(); }

void Server::broadcast(std::shared_ptr<const std::string> frame) {
  impl_->broadcast(std::move(frame));
}

std::uint16_t Server::port() const noexcept { return impl_->port; }

Server::Counts Server::counts() const noexcept {
  return {impl_->requests, impl_->refused, impl_->open, impl_->streams, impl_->streams_cut};
}

}  // namespace levee::server
