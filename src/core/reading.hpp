// Readings: what the sources deliver, before anybody judges it.
//
// A value that could not be read is absent (std::nullopt), never zero. Plain values; no thread
// rules of their own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/process_id.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee {

/// One line of a pressure-stall file (Linux Documentation/accounting/psi.rst).
struct PressureLine {
  double avg10 = 0;            ///< Percent of time stalled, 10 s average.
  double avg60 = 0;            ///< The same over 60 s.
  double avg300 = 0;           ///< The same over 300 s.
  std::uint64_t total_us = 0;  ///< Stalled microseconds since boot.

  bool operator==(const PressureLine&) const = default;
};

/// /proc/pressure/memory: `some` task stalled, or all of them (`full`).
struct Pressure {
  std::optional<PressureLine> some;
  std::optional<PressureLine> full;

  bool operator==(const Pressure&) const = default;
};

enum class CgroupVersion { v1, v2 };

/// A cgroup memory limit above this process.
struct MemoryCeiling {
  std::string path;  ///< Directory under the mount, e.g. "/docker/3f…"; "/" is the mount's root.
  CgroupVersion version = CgroupVersion::v2;
  Bytes limit;
  Bytes used;
  Bytes reclaimable;  ///< File pages the kernel can drop: inactive_file + active_file.

  /// limit − used + reclaimable: what may still be allocated below this limit (contract G1).
  [[nodiscard]] constexpr Bytes headroom() const noexcept {
    const Bytes room = limit - (used - reclaimable);
    return room;
  }

  bool operator==(const MemoryCeiling&) const = default;
};

/// Host memory as the contract defines it (G1), with the raw figures beside it.
struct HostReading {
  Bytes total;      ///< min(MemTotal, tightest cgroup limit).
  Bytes available;  ///< min(MemAvailable, smallest headroom of a cgroup above us).

  Bytes mem_total;      ///< MemTotal of /proc/meminfo: the whole machine.
  Bytes mem_available;  ///< MemAvailable: the whole machine.
  std::optional<Bytes> mem_free;
  std::optional<Bytes> cached;  ///< Cached + Buffers + SReclaimable.
  std::optional<Bytes> shmem;   ///< tmpfs, shared and pinned GPU host memory.
  std::optional<Bytes> swap_total;
  std::optional<Bytes> swap_free;

  std::optional<MemoryCeiling> ceiling;  ///< The cgroup limit with the least headroom, if any.
  std::optional<Pressure> pressure;
  std::optional<double> cpu_percent;  ///< Busy time since the previous reading, 0 … 100, all cores.
  std::optional<double> load1;        ///< 1-minute load average.
  std::optional<unsigned> cores;

  /// total − available (contract S2-41).
  [[nodiscard]] constexpr Bytes used() const noexcept { return total - available; }
  [[nodiscard]] constexpr double used_percent() const noexcept { return percent_of(used(), total); }
};

/// Who a process is: read once, and again only when it may have changed (exec).
struct ProcessIdentity {
  ProcessId id;
  pid_t parent = 0;
  uid_t uid = 0;
  std::string user;  ///< Login name, or the number as text when it has none.
  std::string comm;  ///< Kernel's 15-byte name, made valid UTF-8.
  std::string
      command;         ///< Arguments joined by spaces, cut to 1024 bytes; comm in brackets if none.
  std::string cgroup;  ///< Path of its cgroup (v2 path, else the v1 memory controller's).
  std::string container;  ///< Container id found in the cgroup path, 64 hex digits; else empty.
  std::string pod;        ///< Uid of the Kubernetes pod found in the cgroup path; else empty.
  std::optional<std::uint32_t> slurm_job;  ///< Slurm job found in the cgroup path.
  /// Its pid in the innermost pid namespace, where that is another one than ours.
  std::optional<pid_t> container_pid;
  std::optional<int> oom_score_adj;
};

/// What a process uses. `read_at` says how old the figures are.
struct ProcessReading {
  std::shared_ptr<const ProcessIdentity> identity;
  Bytes rss;                 ///< Resident set, /proc/PID/statm field 2.
  std::optional<Bytes> pss;  ///< Proportional set; only on demand, it costs 11–15 ms per GiB.
  std::optional<double> growth_per_second;  ///< Bytes per second, over `growth_window`.
  Seconds growth_window{0};                 ///< The span the growth was measured over.
  MonoTime read_at;
};

}  // namespace levee
