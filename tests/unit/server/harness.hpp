// A real server on a free port and a socket in a temporary folder, and a client that speaks raw
// bytes, so that tests can be as rude as real clients are.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "server/server.hpp"
#include "sources/file.hpp"
#include "support/temp_dir.hpp"

namespace levee::server::testing {

using namespace std::chrono_literals;
using test::TempDir;

/// How long a test waits for what should come at once; only a failing test waits that long.
inline constexpr auto kPatience = 10s;

struct Answer {
  int status = 0;
  std::string head;
  std::string body;

  [[nodiscard]] bool has(std::string_view text) const {
    return head.find(text) != std::string::npos;
  }
};

/// One connection of a client, with deadlines.
class Wire {
 public:
  static Wire tcp(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return Wire{AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address};
  }

  static Wire unix_socket(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.native().size());
    return Wire{AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address};
  }

  /// Sends all of it; false if the server closed before.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void finish_sending() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_ = sources::Fd{}; }
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Everything up to and including `mark`; fails the test if it does not come.
  std::string read_to(std::string_view mark) {
    for (;;) {
      if (const auto at = received_.find(mark); at != std::string::npos) {
        return cut(at + mark.size());
      }
      if (!receive()) {
        ADD_FAILURE() << "no \"" << mark << "\" came, only: " << received_;
        return {};
      }
    }
  }

  std::string read_bytes(std::size_t count) {
    while (received_.size() < count) {
      if (!receive()) {
        ADD_FAILURE() << "only " << received_.size() << " of " << count << " bytes came";
        return {};
      }
    }
    return cut(count);
  }

  /// One answer with a Content-Length; `with_body` is false for HEAD.
  Answer answer(bool with_body = true) {
    Answer answer;
    answer.head = read_to("\r\n\r\n");
    if (answer.head.size() > 12) {
      answer.status = std::stoi(answer.head.substr(9, 3));
    }
    const auto at = answer.head.find("Content-Length: ");
    if (with_body && at != std::string::npos) {
      answer.body = read_bytes(std::stoul(answer.head.substr(at + 16)));
    }
    return answer;
  }

  Answer ask(std::string_view bytes, bool with_body = true) {
    send(bytes);
    return answer(with_body);
  }

  /// The rest, until the server closes; nothing if it does not in time.
  std::optional<std::string> read_to_end() {
    while (receive()) {
    }
    return ended_ ? std::optional{std::exchange(received_, {})} : std::nullopt;
  }

  /// True if a byte or the end comes within `time`.
  [[nodiscard]] bool stirs_within(std::chrono::milliseconds time) const {
    pollfd entry{fd_.get(), POLLIN, 0};
    return !received_.empty() || ::poll(&entry, 1, static_cast<int>(time.count())) > 0;
  }

 private:
  Wire(int family, const sockaddr* address, socklen_t size)
      : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (::connect(fd_.get(), address, size) != 0) {
      ADD_FAILURE() << "cannot connect: " << std::strerror(errno);
    }
  }

  bool receive() {
    pollfd entry{fd_.get(), POLLIN, 0};
    if (::poll(&entry, 1, std::chrono::milliseconds{kPatience}.count()) <= 0) {
      return false;
    }
    char bytes[65536];
    const auto size = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    ended_ = size <= 0;
    if (size > 0) {
      received_.append(bytes, static_cast<std::size_t>(size));
    }
    return size > 0;
  }

  std::string cut(std::size_t count) {
    std::string front = received_.substr(0, count);
    received_.erase(0, count);
    return front;
  }

  sources::Fd fd_;
  std::string received_;
  bool ended_ = false;
};

inline api::Response page(std::string text) {
  api::Response response;
  response.content_type = "text/plain";
  response.body = std::make_shared<const std::string>(std::move(text));
  return response;
}

inline api::Response stream_of(std::string first) {
  api::Response response = page(std::move(first));
  response.stream = true;
  return response;
}

/// Answers "METHOD target body".
inline void echo(const api::Request& request, const api::Responder& respond) {
  respond(page(request.method + " " + request.target + " " + request.body));
}

inline Options on_a_free_port(Limits limits = {}) {
  Options options;
  options.listen = "127.0.0.1:0";
  options.limits = limits;
  return options;
}

/// A server with its thread; stops and joins at the end of the test.
class RunningServer {
 public:
  explicit RunningServer(Options options, api::Handler handler = echo) {
    auto made = Server::make(std::move(options), std::move(handler));
    if (!made) {
      ADD_FAILURE() << made.error().message;
      return;
    }
    server_ = std::move(*made);
    thread_ = std::thread([this] { server_->run(); });
  }
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;
  ~RunningServer() { stop(); }

  void stop() {
    if (thread_.joinable()) {
      server_->stop();
      thread_.join();
    }
  }
  void destroy() {
    stop();
    server_.reset();
  }

  Server* operator->() { return server_.get(); }
  [[nodiscard]] Wire connect() const { return Wire::tcp(server_->port()); }

  /// Waits until `condition` holds for the counts.
  template <class Condition>
  [[nodiscard]] bool reaches(Condition condition) const {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition(server_->counts())) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }

 private:
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

}  // namespace levee::server::testing
