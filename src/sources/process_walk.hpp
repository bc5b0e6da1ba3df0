// What the processes of the machine hold: their open descriptors and mapped files. Only names are
// read, so no device driver is ever asked and none can make us wait. Thread-safe.
#pragma once

#include <sys/types.h>

#include <expected>
#include <functional>
#include <string_view>
#include <vector>

#include "core/process_id.hpp"
#include "sources/file.hpp"
#include "sources/root.hpp"

namespace levee::sources {

/// A process as the list of /proc shows it.
struct ListedProcess {
  pid_t pid = 0;
  ino_t inode = 0;  ///< Of /proc/PID. The same number means the same process.

  auto operator<=>(const ListedProcess&) const = default;
};

/// The processes below `proc` (a descriptor of /proc), by pid.
[[nodiscard]] std::expected<std::vector<ListedProcess>, int> list_processes(int proc);

/// The threads of `pid` without the first one, whose number is the pid.
[[nodiscard]] std::vector<pid_t> list_other_threads(int proc, pid_t pid);

/// Opens /proc below `root` for the functions of this header; empty when it is not there.
[[nodiscard]] Fd open_proc(const Root& root);

/// Hears of one open descriptor: its number and what it leads to ("/dev/nvidia0", "pipe:[42]").
/// Returns false to hear of no more.
using TellDescriptor = std::function<bool(int fd, std::string_view target)>;

/// Tells every open descriptor of `pid`. The errno when they may not be looked at, or when the
/// process is gone. A process that is dead but not yet reaped has none.
[[nodiscard]] std::expected<void, int> each_descriptor(int proc, pid_t pid,
                                                       const TellDescriptor& tell);
/// The same through one thread: its first thread may have ended while others still hold them.
[[nodiscard]] std::expected<void, int> each_descriptor(int proc, pid_t pid, pid_t thread,
                                                       const TellDescriptor& tell);

/// Hears of one mapped file; false to hear of no more.
using TellMapping = std::function<bool(std::string_view path)>;

/// Tells the files that `pid` has mapped, a file of several mappings more than once. This reads
/// /proc/PID/maps, which takes a millisecond or more for a large process.
[[nodiscard]] std::expected<void, int> each_mapping(int proc, pid_t pid, const TellMapping& tell);

/// The file named by a line of /proc/PID/maps, also when it was deleted since; empty for memory
/// without a file. Pure.
[[nodiscard]] std::string_view mapped_file(std::string_view line);

/// True when Levee sees the pids that the machine itself uses: it runs in the initial pid
/// namespace. False inside a container with a pid namespace of its own.
[[nodiscard]] bool in_initial_pid_namespace(const Root& root);

}  // namespace levee::sources
