// HostSample: what history remembers of the host each tick. Pure; thread-safe.
#pragma once

#include <optional>
#include <span>

#include "core/snapshot.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee::history {

struct HostSample {
  Now at;
  Bytes total;
  Bytes available;
  std::optional<Bytes> swap_used;
  std::optional<double> cpu_percent;
  std::optional<double> pressure_some_avg10;  ///< Percent of time stalled for memory.
  std::optional<double> gpu_memory_percent;   ///< Of the GPU with the fullest memory.
  std::optional<double> gpu_utilization;      ///< Of the same GPU, percent.

  [[nodiscard]] double memory_percent() const noexcept {
    return percent_of(total - available, total);
  }
};

/// The sample of `host` at `at`.
[[nodiscard]] HostSample host_sample(const HostReading& host, Now at);

/// Means over some samples; a field no sample had is absent.
struct HostAverage {
  std::size_t samples = 0;
  std::optional<double> cpu_percent;
  std::optional<double> memory_percent;
  std::optional<double> gpu_memory_percent;
  std::optional<double> gpu_utilization;
};

[[nodiscard]] HostAverage average(std::span<const HostSample> samples);

}  // namespace levee::history
