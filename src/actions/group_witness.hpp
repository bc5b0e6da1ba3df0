// GroupWitness: tells a signal that was sent to us alone from one that everybody around us got.
//
// A shell's `kill %1` signals the process group, systemd and Slurm signal every process of a
// cgroup. Then the job has the signal already, and passing ours on would deliver it twice: a second
// SIGTERM makes many programs give up their cleaning up. The kernel does not tell the receiver
// which it was. So a small process stands beside the job, in our group and cgroup, that no one has
// a reason to signal by its own number. What reached it reached everybody.
//
// It ends with us, however we end. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <memory>

#include "sources/file.hpp"

namespace levee::actions {

class GroupWitness {
 public:
  /// Null when no process can be made: then nobody knows, and every signal counts as ours alone.
  /// Only async-signal-safe calls are made in the new process.
  [[nodiscard]] static std::unique_ptr<GroupWitness> start();

  /// Whether `signal`, which we just got, reached the witness as well, and no more than a second
  /// ago. Waits up to `patience` for that, as who signals many processes signals one after the
  /// other. What it saw counts once.
  [[nodiscard]] bool saw(int signal, std::chrono::milliseconds patience);

  /// Takes in what it has reported, so that it need not wait for us.
  void collect();

  GroupWitness(const GroupWitness&) = delete;
  GroupWitness& operator=(const GroupWitness&) = delete;
  ~GroupWitness();

 private:
  static constexpr std::size_t kSignals = 65;

  GroupWitness(pid_t pid, sources::Fd reports) : pid_(pid), reports_(std::move(reports)) {}

  pid_t pid_;
  sources::Fd reports_;
  /// When each was reported. A batch of signals that we take may leave out one that it has already
  /// reported: that one's turn comes.
  std::array<std::chrono::steady_clock::time_point, kSignals> seen_{};
};

}  // namespace levee::actions
