// ReclaimLink: a connection to the daemon that has left HTTP for the reclaim protocol. One thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "client/find_daemon.hpp"
#include "core/lines.hpp"
#include "levee/result.hpp"
#include "reclaim/wire.hpp"

namespace levee::client {

class ReclaimLink {
 public:
  /// Connects to the daemon at `socket` and leaves HTTP. Gives up after `patience`, or when
  /// `wake_fd` becomes readable.
  [[nodiscard]] static Result<ReclaimLink> open(const std::filesystem::path& socket, Trust trust,
                                                int wake_fd, std::chrono::milliseconds patience);

  ReclaimLink(ReclaimLink&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), cutter_(std::move(other.cutter_)) {}
  ReclaimLink& operator=(ReclaimLink&&) = delete;
  ~ReclaimLink();

  [[nodiscard]] int fd() const noexcept { return fd_; }

  /// Sends all of it, or fails: after a second the daemon counts as dead.
  [[nodiscard]] Result<void> send(const reclaim::wire::Message& message);

  /// Takes in what has arrived. `unavailable` when the daemon has hung up.
  [[nodiscard]] Result<void> receive();

  /// The next message of what was taken in; nothing while there is none.
  [[nodiscard]] Result<std::optional<reclaim::wire::Message>> next();

 private:
  explicit ReclaimLink(int fd) : fd_(fd) {}
  [[nodiscard]] Result<void> connect(const std::string& path, Trust trust);
  [[nodiscard]] Result<void> leave_http(int wake_fd, std::chrono::milliseconds patience);
  [[nodiscard]] Result<void> send(std::string_view bytes);

  int fd_;
  LineCutter cutter_{reclaim::wire::kLongestLine};
};

}  // namespace levee::client
