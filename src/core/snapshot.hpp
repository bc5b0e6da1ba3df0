// Snapshot: one instant of everything. Made once per tick, then shared and never changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/gpu.hpp"
#include "core/reading.hpp"
#include "core/time.hpp"
#include "levee/result.hpp"

namespace levee {

/// A source that could not deliver this time, and why.
struct SourceTrouble {
  std::string source;  ///< "host", "processes", "cgroup", "pressure", "nvml", "amdgpu", "intel".
  Error error;
};

struct Snapshot {
  std::uint64_t sequence = 0;  ///< 1 for the first tick.
  Now at;
  std::string hostname;
  std::optional<Sampled<HostReading>> host;
  std::vector<ProcessReading> processes;  ///< Largest resident set first.
  std::vector<GpuReading> gpus;           ///< By index; MIG instances after their device.
  bool gpus_known = false;                ///< False: nobody has said yet which GPUs there are.
  std::vector<GpuXid> xids;               ///< New at this tick.
  std::size_t processes_seen = 0;         ///< How many processes the machine has.
  bool brake_line_reached = false;        ///< The guard thread's word, at its last look.
  std::vector<SourceTrouble> troubles;
};

}  // namespace levee
