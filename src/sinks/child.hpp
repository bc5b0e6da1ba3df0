// Child: a program that was started in a process group of its own, with a pipe to its standard
// input. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "levee/result.hpp"

namespace levee::sinks {

class Child {
 public:
  using Clock = std::chrono::steady_clock;

  /// Starts argv[0], looked up in PATH. `environment` holds "NAME=value" texts. `not_found` when
  /// there is no such program, `permission_denied` when it cannot be executed.
  [[nodiscard]] static Result<Child> start(const std::vector<std::string>& argv,
                                           const std::vector<std::string>& environment);

  /// Feeds `input` and waits for the end: the wait status (wait(2)), or nothing when `deadline`
  /// passed or `stop` was requested first. A program that does not read its input is no error.
  [[nodiscard]] std::optional<int> finish(std::string_view input, Clock::time_point deadline,
                                          const std::stop_token& stop);

  /// SIGTERM to the whole group, SIGKILL after `grace`. Returns when the program has ended.
  void terminate(std::chrono::milliseconds grace);

  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();  ///< Kills what still runs.

 private:
  Child(pid_t pid, int pidfd, int input);
  [[nodiscard]] bool has_ended() const;
  [[nodiscard]] bool wait_until(Clock::time_point deadline, const std::stop_token& stop);
  void feed(std::string_view& input);
  void close_input();
  int reap();

  pid_t pid_ = -1;  ///< −1 once reaped.
  int pidfd_ = -1;  ///< −1 on kernels before 5.3: then has_ended() is asked now and then.
  int input_ = -1;
};

}  // namespace levee::sinks
