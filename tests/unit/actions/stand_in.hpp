// A process that stands in for a job as `levee run` does, for tests that signal or kill it.
#pragma once

#include <fmt/core.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actions/job_process.hpp"
#include "sources/process_files.hpp"
#include "sources/process_walk.hpp"
#include "support/patience.hpp"
#include "support/temp_dir.hpp"

namespace levee::actions {

inline std::vector<std::string> shell(std::string script) {
  return {"/bin/sh", "-c", std::move(script)};
}

/// Starts, runs and waits for a command, and ends as it did.
inline int stand_in_for(const std::vector<std::string>& argv) {
  JobEnd end;
  {
    auto job = JobProcess::start(argv);
    if (!job) {
      return exit_code_of(job.error());
    }
    if (const auto gone = job->go({}); !gone) {
      return exit_code_of(gone.error());
    }
    end = job->wait().value();
  }
  die_as_the_job_did(end);
  return end.code;
}

/// A shell script that notes each signal in `notes`, "ready" first, and ends with code 7 at USR2.
inline std::vector<std::string> note_signals(const std::string& notes) {
  return shell(fmt::format(
      "for s in HUP INT QUIT TERM USR1; do trap \"echo $s >> {0}\" $s; done; trap 'exit 7' USR2; "
      "echo ready >> {0}; while :; do sleep 60 & wait $!; done",
      notes));
}

inline std::optional<sources::PidStat> stat_of(pid_t pid) {
  const auto proc = sources::open_proc(sources::Root{});
  const auto stat = sources::read_pid_stat(proc.get(), pid);
  return stat ? std::optional(*stat) : std::nullopt;
}

/// The children of `parent`, by rising pid.
inline std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& listed : sources::list_processes(sources::open_proc(sources::Root{}).get())
                                .value_or(std::vector<sources::ListedProcess>{})) {
    if (const auto stat = stat_of(listed.pid); stat && stat->parent == parent) {
      children.push_back(listed.pid);
    }
  }
  return children;
}

/// A forked process that leads a group of its own, which is killed with it. Orphans of it become
/// ours, so that a test can see how they ended.
class Starter {
 public:
  explicit Starter(const std::function<int()>& life) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setpgid(0, 0);
      ::_exit(life());
    }
    ::setpgid(pid_, pid_);
  }
  Starter(const Starter&) = delete;
  Starter& operator=(const Starter&) = delete;
  ~Starter() {
    ::kill(-pid_, SIGKILL);
    while (::waitpid(-pid_, nullptr, 0) > 0) {
    }
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }
  void signal_group(int number) const { ::kill(-pid_, number); }

  /// Its child of this kernel name, once there is one.
  [[nodiscard]] pid_t child_named(std::string_view comm) const {
    pid_t found = 0;
    static_cast<void>(test::eventually([&] {
      for (const pid_t child : children_of(pid_)) {
        const auto stat = stat_of(child);
        found = stat && stat->comm == comm ? child : found;
      }
      return found != 0;
    }));
    return found;
  }

  /// Its wait status, once it has ended.
  [[nodiscard]] int status() const {
    int status = -1;
    ::waitpid(pid_, &status, 0);
    return status;
  }
  [[nodiscard]] int code() const {
    const int end = status();
    return WIFEXITED(end) ? WEXITSTATUS(end) : -WTERMSIG(end);
  }

 private:
  pid_t pid_;
};

/// True once `pid`, one of our (perhaps adopted) children, has ended.
inline bool ends(pid_t pid) {
  return test::eventually([&] { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

}  // namespace levee::actions
