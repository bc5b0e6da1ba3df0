// HelperProcess: the running helper and the line to it. Nothing here blocks, whatever state the
// helper is in, but wait(), which says how long. One owner thread; the helper dies with it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "levee/result.hpp"
#include "sources/file.hpp"

namespace levee::gpus {

class HelperProcess {
 public:
  /// Starts argv[0], looked up in PATH, in a process group of its own, with this process's
  /// environment, `more` ("NAME=value") before that, and its standard error. `not_found` or
  /// `permission_denied` when it cannot be run.
  [[nodiscard]] static Result<HelperProcess> start(const std::vector<std::string>& argv,
                                                   const std::vector<std::string>& more = {});

  HelperProcess(HelperProcess&&) noexcept = default;
  HelperProcess& operator=(HelperProcess&&) = delete;
  ~HelperProcess() = default;  ///< Leaves the process running: see end().

  /// Sends what the line takes right now; a helper that does not listen misses it.
  void send(std::string_view text) const;

  /// Appends what has arrived to `text`, `most` bytes at most; how much that was. Nothing when the
  /// helper has closed the line, as it does by ending.
  [[nodiscard]] std::optional<std::size_t> receive(std::string& text, std::size_t most) const;

  /// Waits until something arrives; false when nothing has after `patience`.
  [[nodiscard]] bool wait(std::chrono::nanoseconds patience) const;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// The descriptor to poll: readable when something arrives, and when it ends.
  [[nodiscard]] int line() const noexcept { return line_.get(); }

  /// Kills its whole group and closes the line. The pid is to be reaped with reap().
  [[nodiscard]] pid_t end() &&;

 private:
  HelperProcess(pid_t pid, sources::Fd line) : pid_(pid), line_(std::move(line)) {}

  pid_t pid_;
  sources::Fd line_;
};

/// The wait status of a child that has ended (0 when somebody else has reaped it); nothing while it
/// has not, for at most `patience`. A process that is killed while it sleeps in a driver stays.
[[nodiscard]] std::optional<int> reap(pid_t pid, std::chrono::milliseconds patience = {});

/// "exited with code 1", "was killed by signal 11 (Segmentation fault)".
[[nodiscard]] std::string describe_end(int wait_status);

}  // namespace levee::gpus
