// ProcessFiles: the files of one process, read through its /proc/PID directory held open, so that
// all of them tell of the same process even if the pid is used again in between. Thread-safe.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "core/process_id.hpp"
#include "core/reading.hpp"
#include "sources/file.hpp"
#include "sources/proc_text.hpp"
#include "sources/users.hpp"

namespace levee::sources {

class ProcessFiles {
 public:
  /// `proc`: a descriptor of /proc. The errno when the process is gone or may not be looked at.
  [[nodiscard]] static std::expected<ProcessFiles, int> open(int proc, pid_t pid);

  [[nodiscard]] std::expected<PidStat, int> stat() const;

  /// Who this is. What cannot be read stays empty; the owner of the directory stands for an
  /// unreadable status. A process that is ending no longer has its command line: then that of
  /// `before` stands, which is what was known of it.
  [[nodiscard]] ProcessIdentity identity(const PidStat& stat, const BootId& boot, UserNames& users,
                                         const ProcessIdentity* before = nullptr) const;

  /// The real user.
  [[nodiscard]] std::expected<uid_t, int> uid() const;

  /// Whether this is a process; the threads of one have directories, too, that no listing shows.
  [[nodiscard]] std::expected<bool, int> is_leader(pid_t pid) const;

  /// /proc/PID/cgroup.
  [[nodiscard]] std::expected<std::string, int> cgroups() const;

  /// A variable of the environment that the program was started with (the first MiB of it), if it
  /// is there. A program may have written over it since. Only root and the process's own user may
  /// look (EACCES).
  [[nodiscard]] std::expected<std::optional<std::string>, int> variable(
      std::string_view name) const;

  /// /proc/PID/smaps_rollup.
  [[nodiscard]] std::expected<Bytes, int> pss() const;

 private:
  explicit ProcessFiles(Fd directory) : directory_(std::move(directory)) {}
  Fd directory_;
};

/// Opens /proc/PID/statm: kept open, it costs a fifth of a fresh read and fails once its process
/// is dead, also when the pid is used again.
[[nodiscard]] Fd open_statm(int proc, pid_t pid);

/// /proc/PID/stat below `proc`, in three system calls.
[[nodiscard]] std::expected<PidStat, int> read_pid_stat(int proc, pid_t pid);

}  // namespace levee::sources
