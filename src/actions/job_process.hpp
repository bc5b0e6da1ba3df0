// JobProcess: a command that has a process before it may run.
//
// start() forks a process at once, which waits. Its pid and start time can own a request for memory
// while that stands in the queue, and the lease after: execution does not change either. go() makes
// the command out of it. Should the starter die before that, however it dies, the waiting process
// ends without a word and the command never runs.
//
// The command runs as if a shell had started it: same terminal, same process group, same open
// descriptors, default signals (but a SIGHUP, SIGINT or SIGQUIT that was ignored before, as nohup
// does, stays ignored), nothing blocked. After go() the starter only stands in for it:
//
//   Ctrl-C, Ctrl-\, resize   the terminal tells both; the starter takes no notice and waits on.
//   Ctrl-Z, fg, bg           both stop and both go on: the starter stops when its command does,
//   unless
//                            somebody stopped that with SIGSTOP, which is his to undo.
//   kill STARTER             HUP, INT, QUIT, TERM, USR1, USR2, TSTP, WINCH and CONT are passed on.
//                            Once only where the command got it as well, because the signal went to
//                            the group or the cgroup (see GroupWitness).
//   kill -9 STARTER          the command lives on.
//
// Signals before go() do what they always do to the starter. Between go() and the end of the
// object those above are held back, and passed on only inside wait() and wait_for(): call one of
// them at least every second.
//
// One owner thread, which must be the only one when start() and go() are called; one JobProcess in
// a process at a time. Start it before opening what the waiting process must not hold as well
// (locks, listening sockets). SIGCHLD gets its default disposition, or the kernel would reap the
// process behind our back.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actions/group_witness.hpp"
#include "actions/held_signals.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"
#include "sources/file.hpp"

namespace levee::actions {

/// How a job ended.
struct JobEnd {
  int code = 0;               ///< What a shell reports: the exit code, or 128 + the signal.
  std::optional<int> signal;  ///< That ended it.
  /// Largest resident set of the process or of one it waited for, shared pages included. Never less
  /// than what Levee itself used at start(), some MiB: the process began as a copy of it.
  Bytes peak_rss;
  Seconds user_time{0};    ///< Of the process and of those that it waited for.
  Seconds system_time{0};  ///< The same.
};

/// Variables to set, and (std::nullopt) to take away; the rest is as in our own environment.
using EnvironmentChanges = std::map<std::string, std::optional<std::string>>;

class JobProcess {
 public:
  /// Makes the waiting process. argv[0] is looked up in PATH by go(); no shell is involved.
  [[nodiscard]] static Result<JobProcess> start(std::vector<std::string> argv);

  /// The process; also the command's, later on. Ours until its end was reported: its number is not
  /// used again before.
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  /// Runs the command. Returns once it runs, or with the reason why it cannot (exit_code_of()):
  /// then the process is gone. `unavailable` when somebody ended it while it waited. To be called
  /// once.
  [[nodiscard]] Result<void> go(const EnvironmentChanges& changes);

  /// The end of the process, or nothing when `timeout` passed first. Passes signals on meanwhile.
  /// The end stays known: later calls return it again. Fails only (`internal`) when someone else in
  /// this program reaped the process.
  [[nodiscard]] Result<std::optional<JobEnd>> wait_for(std::chrono::milliseconds timeout);
  [[nodiscard]] Result<JobEnd> wait();

  /// Ends the process if it still waits; the command is never run. After go() the command is left
  /// alone: the lease is its own, and goes on with it. The destructor does the same.
  void abandon();

  JobProcess(JobProcess&& other) noexcept;
  JobProcess& operator=(JobProcess&&) = delete;
  ~JobProcess();

 private:
  JobProcess(pid_t pid, std::string program, sources::Fd line);

  [[nodiscard]] Result<void> hand_over(const EnvironmentChanges& changes);
  [[nodiscard]] Error ended_while_waiting();
  void pass_on_signals();
  [[nodiscard]] bool wants(const HeldSignals::Signal& signal) const;
  [[nodiscard]] Result<std::optional<JobEnd>> reap(bool patiently);
  void sleep_until(std::chrono::steady_clock::time_point deadline) const;

  pid_t pid_;
  std::string program_;
  sources::Fd line_;   ///< To the waiting process; closed once it is one no more.
  sources::Fd pidfd_;  ///< Empty on kernels before 5.3.
  bool running_ = false;
  std::optional<JobEnd> end_;
  std::unique_ptr<HeldSignals> held_;      ///< From go() on.
  std::unique_ptr<GroupWitness> witness_;  ///< From go() on; may be missing.
};

/// The exit code for a command that could not be run, as shells have it: 127 when there is no such
/// program, else 126.
[[nodiscard]] int exit_code_of(const Error& error) noexcept;

/// Dies of SIGINT or SIGQUIT if the job did, without a core file; else returns. For the last line
/// of a program that stood in for a job: a shell script ends at Ctrl-C only when it sees that its
/// command died of it, an exit code of 130 does not tell it. The JobProcess must be gone.
void die_as_the_job_did(const JobEnd& end);

}  // namespace levee::actions
