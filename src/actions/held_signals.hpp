// HeldSignals: the signals that are meant for a job but reach the process that waits for it.
//
// While it lives, those signals are blocked and wait in a signalfd, so that none is lost and none
// ends us. At its end they are free again, and one that came meanwhile and was not taken does what
// it usually does. One at a time in a process; other threads must have these signals blocked.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <memory>
#include <vector>

#include "levee/result.hpp"
#include "sources/file.hpp"

namespace levee::actions {

class HeldSignals {
 public:
  struct Signal {
    int number = 0;
    bool from_kernel = false;  ///< The terminal's driver (Ctrl-C) or the kernel itself; no kill(2).
    pid_t sender = 0;          ///< 0: the kernel, or somebody outside of our pid namespace.
  };

  [[nodiscard]] static Result<std::unique_ptr<HeldSignals>> hold();

  /// What came since the last call; SIGCHLD among it when a child ended, stopped or went on.
  [[nodiscard]] std::vector<Signal> take();

  /// Readable (poll) when something came.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  /// Stops this process as `stop_signal` (SIGTSTP, SIGTTIN, SIGTTOU) does; returns when it is
  /// continued, or at once where the kernel does not stop it (no shell is left to continue it).
  void stop(int stop_signal);

  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals();

 private:
  HeldSignals() = default;

  sources::Fd fd_;
  sigset_t before_{};
};

/// What HeldSignals holds, SIGCHLD left out: what a job gets passed on.
[[nodiscard]] sigset_t signals_for_jobs();

}  // namespace levee::actions
