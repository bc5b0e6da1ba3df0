// A real web server for the tests of the webhook: it accepts one connection at a time, keeps the
// requests, and answers as told.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace levee::sinks {

class WebServer {
 public:
  /// Gets the number of the request (1, 2, …); what it returns is sent as it is. "" = no answer:
  /// the connection is held open until the end.
  using Script = std::function<std::string(int)>;

  explicit WebServer(Script script) : script_(std::move(script)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, generic, &size) != 0) {
      throw std::runtime_error("no local socket");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;
  ~WebServer() {
    ::shutdown(listener_, SHUT_RDWR);  // Wakes accept().
    thread_.join();
    ::close(listener_);
    for (const int held : held_) {
      ::close(held);
    }
  }

  [[nodiscard]] std::string url(const std::string& path = "/hook") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  [[nodiscard]] std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] std::size_t count() const { return requests().size(); }

  static std::string status(const std::string& line, const std::string& headers = {}) {
    return "HTTP/1.1 " + line + "\r\n" + headers + "Content-Length: 0\r\nConnection: close\r\n\r\n";
  }

 private:
  void serve() {
    for (int fd = -1; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      std::string request = receive(fd);
      int number = 0;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
        number = static_cast<int>(requests_.size());
      }
      const std::string answer = script_(number);
      if (answer.empty()) {
        held_.push_back(fd);
        continue;
      }
      for (std::size_t sent = 0; sent < answer.size();) {
        const ssize_t n = ::send(fd, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) {
          break;
        }
        sent += static_cast<std::size_t>(n);
      }
      ::close(fd);
    }
  }

  static std::string receive(int fd) {
    std::string text;
    std::string block(65'536, '\0');
    for (;;) {
      const auto head = text.find("\r\n\r\n");
      const auto length = text.find("Content-Length: ");
      if (head != std::string::npos && length != std::string::npos &&
          text.size() >= head + 4 + std::strtoul(text.c_str() + length + 16, nullptr, 10)) {
        return text;
      }
      const ssize_t n = ::recv(fd, block.data(), block.size(), 0);
      if (n <= 0) {
        return text;
      }
      text.append(block, 0, static_cast<std::size_t>(n));
    }
  }

  const Script script_;
  int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<int> held_;
  std::thread thread_;
};

}  // namespace levee::sinks
