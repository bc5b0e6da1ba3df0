// bench_paced_client PORT PATH RATE SECONDS: asks at a fixed rate over one kept connection and
// prints the latency, measured from the instant each request was due, so that a stall is not
// hidden by the requests it delayed.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    die("connect");
  }
  return fd;
}

/// Reads one answer with a Content-Length; returns the size of its body.
std::size_t read_answer(int fd, std::string& buffer) {
  buffer.clear();
  std::array<char, 65536> chunk{};
  std::size_t needed = std::string::npos;
  std::size_t body = 0;
  while (buffer.size() < needed) {
    const ssize_t got = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (got <= 0) {
      die("recv");
    }
    buffer.append(chunk.data(), static_cast<std::size_t>(got));
    const std::size_t end = buffer.find("\r\n\r\n");
    if (needed == std::string::npos && end != std::string::npos) {
      const std::size_t length = buffer.find("Content-Length: ");
      if (!buffer.starts_with("HTTP/1.1 200") || length == std::string::npos) {
        fmt::print(stderr, "unexpected answer: {}\n", buffer.substr(0, 200));
        std::exit(1);
      }
      body = std::strtoul(buffer.c_str() + length + 16, nullptr, 10);
      needed = end + 4 + body;
    }
  }
  return body;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: {} PORT PATH RATE_PER_SECOND SECONDS\n", argv[0]);
    return 2;
  }
  const int rate = std::atoi(argv[3]);
  const int total = rate * std::atoi(argv[4]);
  const int fd = connect_to(std::atoi(argv[1]));
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n", argv[2]);
  std::string buffer;
  std::size_t body = 0;
  std::vector<double> micros;
  micros.reserve(static_cast<std::size_t>(total));
  const auto start = Clock::now();
  for (int i = 0; i < total; ++i) {
    const auto due = start + std::chrono::nanoseconds(std::int64_t{1'000'000'000} * i / rate);
    std::this_thread::sleep_until(due);
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) {
      die("send");
    }
    body = read_answer(fd, buffer);
    micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - due).count());
  }
  ::close(fd);
  std::ranges::sort(micros);
  const auto at = [&](double share) {
    return micros[static_cast<std::size_t>(share * static_cast<double>(micros.size() - 1))];
  };
  fmt::print(
      "{} at {}/s: {} requests, {} bytes each, p50 {:.0f} us, p99 {:.0f} us, max {:.0f} us\n",
      argv[2], rate, micros.size(), body, at(0.5), at(0.99), at(1.0));
  return 0;
}
