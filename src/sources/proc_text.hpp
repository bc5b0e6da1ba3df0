// Pure parsers of the kernel's text files. Bytes in, values out; no file is opened here, so each
// can be tested by text alone and fuzzed. All tolerate missing lines and refuse nonsense; none
// throws or reads outside its input. Thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/reading.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::sources {

/// /proc/meminfo (man 5 proc). MemTotal is required; MemAvailable is estimated as MemFree + Cached
/// + Buffers + SReclaimable − Shmem on kernels before 3.14.
struct MemInfo {
  Bytes total;
  Bytes available;
  std::optional<Bytes> free, buffers, cached, shmem, reclaimable, swap_total, swap_free;
};
[[nodiscard]] Result<MemInfo> parse_meminfo(std::string_view text);

/// The first line of /proc/stat, in clock ticks, and the count of forks since boot.
struct CpuTimes {
  std::uint64_t busy = 0;              ///< user + nice + system + irq + softirq + steal.
  std::uint64_t total = 0;             ///< busy + idle + iowait.
  std::optional<std::uint64_t> forks;  ///< "processes": rises with every fork and thread.
  unsigned cores = 0;                  ///< Number of cpuN lines.
};
[[nodiscard]] Result<CpuTimes> parse_stat(std::string_view text);

/// 100 × busy time between two readings; nothing if no time has passed or a counter went backwards.
[[nodiscard]] std::optional<double> cpu_percent(const CpuTimes& before, const CpuTimes& after);

/// /proc/pressure/memory, or a cgroup's memory.pressure.
[[nodiscard]] Result<Pressure> parse_pressure(std::string_view text);

/// The first field of /proc/loadavg.
[[nodiscard]] std::optional<double> parse_loadavg(std::string_view text);

/// /proc/PID/stat. `comm` may contain spaces and parentheses.
struct PidStat {
  pid_t pid = 0;
  std::string comm;
  char state = '?';
  pid_t parent = 0;
  std::uint64_t cpu_ticks = 0;  ///< User and system time since it started, in clock ticks.
  std::uint64_t start_ticks = 0;
  std::uint64_t rss_pages = 0;
  bool kernel_thread = false;  ///< PF_KTHREAD of the flags: has no memory of its own.
};
[[nodiscard]] Result<PidStat> parse_pid_stat(std::string_view text);

/// Resident pages: field 2 of /proc/PID/statm.
[[nodiscard]] std::optional<std::uint64_t> parse_statm_resident(std::string_view text);

/// The real uid of /proc/PID/status.
[[nodiscard]] std::optional<uid_t> parse_status_uid(std::string_view text);

/// Tgid of /proc/PID/status: the process that a thread belongs to.
[[nodiscard]] std::optional<pid_t> parse_status_leader(std::string_view text);

/// The last number of NSpid in /proc/PID/status, if there are several: the pid that the process
/// itself sees, in a pid namespace below ours. Kernels before 4.1 do not tell.
[[nodiscard]] std::optional<pid_t> parse_status_container_pid(std::string_view text);

/// The value of `name` in /proc/PID/environ ("NAME=value", a NUL after each); the first one wins,
/// as it does for getenv. A last entry without its NUL is cut off, so its value is not known.
[[nodiscard]] std::optional<std::string_view> parse_environ(std::string_view text,
                                                            std::string_view name);

/// /proc/PID/cmdline (NUL between arguments) as one line of valid UTF-8 without control characters,
/// at most `limit` bytes; empty for kernel threads.
[[nodiscard]] std::string parse_cmdline(std::string_view text, std::size_t limit = 1024);

/// Text with bad UTF-8 and control characters replaced by U+FFFD and '?'.
[[nodiscard]] std::string printable(std::string_view text);

/// /etc/passwd: uid → login name (the first one wins).
[[nodiscard]] std::map<uid_t, std::string> parse_passwd(std::string_view text);

/// PSS in bytes from /proc/PID/smaps_rollup.
[[nodiscard]] std::optional<Bytes> parse_smaps_rollup_pss(std::string_view text);

}  // namespace levee::sources
