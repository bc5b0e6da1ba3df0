// run_helper() on a thread of the test.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "gpus/helper.hpp"
#include "gpus/wire.hpp"
#include "sources/file.hpp"
#include "support/patience.hpp"

namespace levee::test {

/// A helper on a thread of the test, and the daemon's end of the line to it.
class RunningHelper {
 public:
  explicit RunningHelper(std::vector<gpus::DriverEntry> drivers) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours_ = sources::Fd(ends[0]);
    theirs_ = sources::Fd(ends[1]);
    thread_ = std::thread([this, moved = std::move(drivers)]() mutable {
      code_ = gpus::run_helper(std::move(moved), theirs_.get(), theirs_.get());
      ::shutdown(theirs_.get(), SHUT_WR);
    });
  }
  RunningHelper(const RunningHelper&) = delete;
  RunningHelper& operator=(const RunningHelper&) = delete;
  ~RunningHelper() { end(); }

  void say(std::string_view text) const {
    EXPECT_EQ(::send(ours_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  void ask(std::uint64_t number) const { say(gpus::wire::encode(gpus::wire::Ask{number})); }

  /// The next message; a failure when it is none in time, or not a T.
  template <class T>
  T next() {
    const auto message = next_message();
    if (!message || !std::holds_alternative<T>(*message)) {
      ADD_FAILURE() << "no such message: " << (message ? gpus::wire::encode(*message) : "(end)");
      return T{};
    }
    return std::get<T>(*message);
  }

  /// Nothing at the end, or when nothing came within `patience`.
  std::optional<gpus::wire::Message> next_message(std::chrono::milliseconds patience = kPatience) {
    while (text_.find('\n') == std::string::npos) {
      pollfd readable{.fd = ours_.get(), .events = POLLIN, .revents = 0};
      std::array<char, 4096> chunk{};
      if (::poll(&readable, 1, static_cast<int>(patience.count())) <= 0) {
        return std::nullopt;
      }
      const ssize_t count = ::read(ours_.get(), chunk.data(), chunk.size());
      if (count <= 0) {
        return std::nullopt;
      }
      text_.append(chunk.data(), static_cast<std::size_t>(count));
    }
    const auto line = text_.substr(0, text_.find('\n'));
    text_.erase(0, line.size() + 1);
    auto message = gpus::wire::decode(line);
    EXPECT_TRUE(message.has_value()) << line;
    return message ? std::optional(*message) : std::nullopt;
  }

  /// Closes the line; the exit code.
  int end() {
    if (thread_.joinable()) {
      ::shutdown(ours_.get(), SHUT_WR);
      thread_.join();
    }
    return code_;
  }
  /// Waits for it to end by itself.
  int wait() {
    thread_.join();
    return code_;
  }

 private:
  sources::Fd ours_;
  sources::Fd theirs_;
  std::thread thread_;
  std::string text_;
  int code_ = -1;
};

}  // namespace levee::test
