// Server: sockets and HTTP, no decisions. One I/O thread serves a loopback TCP port and a Unix
// socket; requests become api::Request values, answers come back through a Responder from any
// thread. Limits on size, time and number keep slow or hostile clients from holding it up.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "api/http.hpp"
#include "levee/result.hpp"
#include "sources/root.hpp"

namespace levee::server {

struct Limits {
  std::size_t header_bytes = std::size_t{16} * 1024;  ///< Request line and headers; else 431.
  std::size_t body_bytes = std::size_t{256} * 1024;   ///< Else 413.
  /// Streams included; further ones get 503. Fewer where the process may not open that many files:
  /// 256 descriptors, or half if there are under 512, are left to the rest of the daemon.
  std::size_t connections = 1024;
  std::size_t stream_queue_bytes = std::size_t{256} * 1024;  ///< A slower reader is cut off.
  /// From the first byte to the last of a request; else 408.
  std::chrono::milliseconds request_time = std::chrono::seconds{10};
  /// Before the first request, and between requests, of a connection.
  std::chrono::milliseconds idle_time = std::chrono::seconds{60};
  /// For one answer, or for what is queued on a stream.
  std::chrono::milliseconds write_time = std::chrono::seconds{10};
  /// A comment line on streams that were quiet for so long.
  std::chrono::milliseconds heartbeat = std::chrono::seconds{15};
};

struct Options {
  std::string listen = "127.0.0.1:8000";  ///< "host:port"; port 0 picks one; "off" for none.
  /// Unix socket, mode 0666; its directory is made if missing. Empty for none.
  std::filesystem::path socket;
  Limits limits;
};

class Server {
 public:
  /// Binds both. A busy port or socket is `already_exists`, naming who holds it and what to do; an
  /// address that is not loopback is `invalid_argument`. A socket file nobody answers on is
  /// replaced. `root` is where the owner of a port or a connection is looked up.
  [[nodiscard]] static Result<std::unique_ptr<Server>> make(const Options& options,
                                                            api::Handler handler,
                                                            sources::Root root = sources::Root{});

  /// Call it after run() has returned. Answers that come later are dropped.
  ~Server();

  /// Serves until stop(), at most once; the handler is called on this thread. Closes all
  /// connections and removes the socket file before it returns.
  void run();

  /// Ends run() soon; open requests and streams are cut off. Thread-safe, idempotent.
  void stop();

  /// Sends `frame` to every open event stream. Thread-safe, never blocks.
  void broadcast(std::shared_ptr<const std::string> frame);

  [[nodiscard]] std::uint16_t port() const noexcept;  ///< 0 when there is no TCP listener.

  struct Counts {
    std::uint64_t requests = 0;  ///< Handed to the handler.
    std::uint64_t refused_connections = 0;
    std::uint64_t open_connections = 0;
    std::uint64_t streams = 0;      ///< Open now.
    std::uint64_t streams_cut = 0;  ///< Streams closed because their reader was too slow.
  };
  [[nodiscard]] Counts counts() const noexcept;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::server
