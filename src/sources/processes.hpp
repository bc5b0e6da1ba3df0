// ProcessSource: the processes of the machine, cheaply.
//
// Reading thousands of processes every second would cost more than the rest of Levee. So a routine
// scan lists /proc only when a process or thread came or went, and reads every time only the new
// processes, the largest and the fastest growing ones; the others take turns, and each reading says
// how old it is. A thorough scan (after the guard's alarm) reads all of them. A process that
// vanishes in between is normal and simply left out. One owner thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/reading.hpp"
#include "core/time.hpp"
#include "levee/result.hpp"
#include "sources/pid_list.hpp"
#include "sources/root.hpp"
#include "sources/users.hpp"

namespace levee::sources {

enum class Thoroughness { routine, thorough };

struct ProcessScan {
  /// Largest resident set first. Kernel threads, which have no memory of their own, are left out,
  /// as is what the kernel hides from us (hidepid).
  std::vector<ProcessReading> processes;
  std::size_t seen = 0;            ///< All that /proc lists, kernel threads included.
  SharedPidList listed = nullptr;  ///< The last list of them, for others who need one.
};

class ProcessSource {
 public:
  struct Options {
    std::size_t top = 20;      ///< The largest processes, read at every scan.
    std::size_t growers = 10;  ///< So are this many of the fastest growing ones.
    std::size_t turns = 30;    ///< Every other process is read once in this many scans, or oftener:
    std::size_t least_reads = 32;  ///< at least this many of them take their turn in each scan.
    /// Growth is measured over up to this span, or since the last reading where that is longer.
    std::chrono::seconds growth_window{30};
  };

  ProcessSource(Root root, Options options, std::shared_ptr<UserNames> users);

  [[nodiscard]] Result<ProcessScan> scan(Thoroughness thoroughness, MonoTime now);

  void set_top(std::size_t top);

  ~ProcessSource();
  ProcessSource(ProcessSource&&) noexcept;
  ProcessSource& operator=(ProcessSource&&) noexcept;

 private:
  class Tracker;
  std::unique_ptr<Tracker> tracker_;
};

/// The proportional set size of one process (smaps_rollup; 11–15 ms per GiB, so only on demand).
/// The process must still have `start_ticks`, else not_found.
[[nodiscard]] Result<Bytes> read_pss(const Root& root, const ProcessId& id);

/// The boot id of the machine; all zero when unreadable.
[[nodiscard]] BootId read_boot_id(const Root& root);

}  // namespace levee::sources
