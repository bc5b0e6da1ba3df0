// HostSource: the host's memory, pressure, load and CPU use, with the cgroup limits above us.
// Keeps the previous CPU counters; one owner thread.
#pragma once

#include <optional>
#include <vector>

#include "core/reading.hpp"
#include "core/snapshot.hpp"
#include "levee/result.hpp"
#include "sources/cgroup.hpp"
#include "sources/proc_text.hpp"
#include "sources/root.hpp"

namespace levee::sources {

class HostSource {
 public:
  explicit HostSource(Root root) : root_(std::move(root)), cgroups_(root_) {}

  /// Reads everything once (about 60 µs). Fails only when /proc/meminfo cannot be read or makes no
  /// sense; what else is missing is absent in the reading and named in `troubles`.
  [[nodiscard]] Result<HostReading> read(std::vector<SourceTrouble>& troubles);

 private:
  Root root_;
  CgroupSource cgroups_;
  std::optional<CpuTimes> previous_cpu_;
};

/// The host reading of contract G1 from its parts: total and available are bounded by `ceilings`.
[[nodiscard]] HostReading combine(const MemInfo& memory,
                                  const std::vector<MemoryCeiling>& ceilings);

}  // namespace levee::sources
