// bench_ledger_client SOCKET CLIENTS SECONDS: that many connections over the Unix socket, each of
// which books a megabyte of host memory and gives it back, over and over. Prints decisions per
// second and the latency of one.
//
// bench_ledger_client SOCKET wake ROUNDS: from the release of what somebody waits for to the
// waiter's answer.
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

[[noreturn]] void die(const std::string& what) {
  fmt::print(stderr, "bench_ledger_client: {}\n", what);
  std::exit(1);
}

/// One kept connection.
class Connection {
 public:
  explicit Connection(const char* path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      die(std::string("cannot connect to ") + path);
    }
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(fd_); }

  /// The status of the answer.
  int call(std::string_view method, std::string_view target, std::string_view body) {
    const std::string request = fmt::format(
        "{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\n\r\n{}",
        method, target, body.size(), body);
    if (::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      die("the daemon is gone");
    }
    text_.clear();
    std::size_t end = std::string::npos;
    std::size_t length = 0;
    while (end == std::string::npos || text_.size() < end + 4 + length) {
      std::array<char, 4096> chunk{};
      const ssize_t count = ::recv(fd_, chunk.data(), chunk.size(), 0);
      if (count <= 0) {
        die("the daemon is gone");
      }
      text_.append(chunk.data(), static_cast<std::size_t>(count));
      end = text_.find("\r\n\r\n");
      if (const auto at = text_.find("Content-Length: "); at < end) {
        length = std::strtoul(text_.c_str() + at + 16, nullptr, 10);
      }
    }
    return std::atoi(text_.c_str() + std::strlen("HTTP/1.1 "));
  }

 private:
  int fd_;
  std::string text_;
};

void expect(int status, int wanted, const char* what) {
  if (status != wanted) {
    die(fmt::format("{} was answered {}", what, status));
  }
}

void print_latency(std::vector<double>& times) {
  std::ranges::sort(times);
  const auto at = [&](double share) {
    return times.at(static_cast<std::size_t>(share * static_cast<double>(times.size() - 1)));
  };
  fmt::print("p50 {:.0f} us, p99 {:.0f} us, worst {:.0f} us\n", at(0.5), at(0.99), at(1));
}

void decisions(const char* socket, int clients, int seconds) {
  std::vector<std::vector<double>> times(static_cast<std::size_t>(clients));
  std::vector<std::jthread> threads;
  const auto end = Clock::now() + std::chrono::seconds{seconds};
  for (int client = 0; client < clients; ++client) {
    threads.emplace_back([&, client] {
      Connection connection(socket);
      const std::string id = fmt::format("bench-{}", client);
      const std::string body = fmt::format(R"({{"id": "{}", "host_memory": "1MB"}})", id);
      auto& mine = times.at(static_cast<std::size_t>(client));
      for (auto begun = Clock::now(); begun < end;) {
        expect(connection.call("POST", "/api/v1/leases", body), 201, "a request");
        const auto granted = Clock::now();
        expect(connection.call("DELETE", "/api/v1/leases?id=" + id, ""), 200, "a release");
        const auto released = Clock::now();
        mine.push_back(Microseconds(granted - begun).count());
        mine.push_back(Microseconds(released - granted).count());
        begun = released;
      }
    });
  }
  threads.clear();
  std::vector<double> all;
  for (const auto& mine : times) {
    all.insert(all.end(), mine.begin(), mine.end());
  }
  fmt::print("{:2} clients: {:.0f} decisions/s, ", clients,
             static_cast<double>(all.size()) / seconds);
  print_latency(all);
}

void wake(const char* socket, int rounds) {
  Connection holder(socket);
  Connection waiter(socket);
  Connection watcher(socket);
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    constexpr std::string_view kAll = R"({"id": "holder", "gpu_memory": "70GB"})";
    constexpr std::string_view kNext =
        R"({"id": "waiter", "gpu_memory": "70GB", "wait_seconds": 60})";
    expect(holder.call("POST", "/api/v1/leases", kAll), 201, "the holder");
    expect(waiter.call("POST", "/api/v1/leases", kNext), 202, "the waiter");
    Clock::time_point woken;
    std::jthread watching([&] {
      expect(watcher.call("GET", "/api/v1/leases?id=waiter&wait_seconds=60", ""), 200, "the watch");
      woken = Clock::now();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    const auto released = Clock::now();
    expect(holder.call("DELETE", "/api/v1/leases?id=holder", ""), 200, "the release");
    watching.join();
    times.push_back(Microseconds(woken - released).count());
    expect(waiter.call("DELETE", "/api/v1/leases?id=waiter", ""), 200, "the end");
  }
  fmt::print("release to wake-up: ");
  print_latency(times);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    die("usage: bench_ledger_client SOCKET CLIENTS SECONDS, or SOCKET wake ROUNDS");
  }
  if (std::string_view(argv[2]) == "wake") {
    wake(argv[1], std::atoi(argv[3]));
  } else {
    decisions(argv[1], std::atoi(argv[2]), std::atoi(argv[3]));
  }
}
