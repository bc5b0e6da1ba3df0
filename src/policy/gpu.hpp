// GPUs judged: state, unattributed memory, memory per user, availability (contract G2, G6). Pure;
// thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/alert.hpp"
#include "core/gpu.hpp"
#include "levee/level.hpp"
#include "policy/thresholds.hpp"

namespace levee::policy {

/// True if `gpu` answers, and its reading is fresh enough to judge by.
[[nodiscard]] bool is_judged(const GpuReading& gpu, const Thresholds& thresholds, MonoTime now);

/// The state for a temperature: optimal < 65 ≤ normal < 75 ≤ throttled ≤ 85 < critical.
/// `previous` matters only with a hysteresis, which delays the way down. Unknown → unavailable.
[[nodiscard]] Level temperature_level(std::optional<double> celsius, Level previous,
                                      const Thresholds& thresholds);

/// The states of temperature and memory, and the worse of the two (F-04). One that is unknown is
/// left out; with neither, or without a usable reading, the device is unavailable.
struct GpuLevels {
  Level temperature = Level::unavailable;
  Level memory = Level::unavailable;
  Level device = Level::unavailable;
};

/// A GPU as it was judged: what alerts look at beside its reading.
struct GpuJudgement {
  GpuLevels levels;
  /// Percent of its memory that will be used in a minute. Absent: there is no telling.
  std::optional<double> projected_percent = std::nullopt;
  bool is_filling = false;  ///< The projection is of memory that grows.
};

[[nodiscard]] GpuLevels gpu_levels(const GpuReading& gpu, const GpuLevels& previous,
                                   const Thresholds& thresholds, MonoTime now);

/// Memory that is used by nobody the driver names: used − Σ processes. What a driver reports for a
/// process includes its context, so contexts of living processes are not in it. Absent when any
/// process hides its memory, when the driver names no processes, or on unified memory.
[[nodiscard]] std::optional<Bytes> unattributed_memory(const GpuReading& gpu);

/// What may still be granted on `gpu` (contract G6): total − the driver's reserve − `reserve` −
/// what is used. Absent where memory is unknown.
[[nodiscard]] std::optional<Bytes> grantable_memory(const GpuReading& gpu, Bytes reserve);

struct UserMemory {
  std::string user;  ///< "?" for processes that cannot be seen from here.
  Bytes memory;
  std::size_t processes = 0;
  bool complete = true;  ///< False: at least one of the processes hides its memory.
};

/// Totals per user, largest first.
[[nodiscard]] std::vector<UserMemory> memory_by_user(const GpuReading& gpu);

/// The process that grew most on this device, else the largest one; as find_culprit for the host.
[[nodiscard]] std::optional<Culprit> find_gpu_culprit(const GpuReading& gpu);

}  // namespace levee::policy
