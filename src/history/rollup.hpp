// Roll-up: many points become few buckets (1 s → 10 s → 1 min → 1 h). Pure; thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.hpp"
#include "history/gpu_sample.hpp"
#include "history/host_sample.hpp"

namespace levee::history {

/// The widths of the stored resolutions, finest first.
inline constexpr std::array<std::chrono::seconds, 4> kResolutions{
    std::chrono::seconds{1}, std::chrono::seconds{10}, std::chrono::minutes{1},
    std::chrono::hours{1}};

/// One value of one series, e.g. {"host/memory_available_bytes", t, 1.2e10}.
struct Point {
  std::string series;
  WallTime at;
  double value = 0;
};

/// All points of one series within [start, start + width).
struct Bucket {
  std::string series;
  WallTime start;
  double min = 0;
  double max = 0;
  double sum = 0;
  std::uint64_t count = 0;

  [[nodiscard]] double mean() const { return count == 0 ? 0.0 : sum / static_cast<double>(count); }
  bool operator==(const Bucket&) const = default;
};

/// The buckets of `width` that `points` fall into, ordered by (series, start). Buckets start at
/// multiples of `width` since the Unix epoch, so that two roll-ups of one bucket can be merged.
[[nodiscard]] std::vector<Bucket> roll_up(std::span<const Point> points,
                                          std::chrono::seconds width);

/// The series of one host sample: host/memory_total_bytes, host/memory_available_bytes,
/// host/swap_used_bytes, host/cpu_percent, host/memory_pressure_percent, host/gpu_memory_percent,
/// host/gpu_utilization_percent (those that are known).
[[nodiscard]] std::vector<Point> points_of(const HostSample& sample);

/// The series of one GPU: gpu/<uuid>/memory_used_bytes, …/memory_percent, …/utilization_percent,
/// …/temperature_celsius, …/power_watts (those that are known).
[[nodiscard]] std::vector<Point> points_of(std::string_view uuid, const GpuSample& sample);

/// The finest resolution that still covers `window`, given how long each is kept.
[[nodiscard]] std::chrono::seconds resolution_for(
    std::chrono::seconds window, std::span<const std::chrono::seconds, 4> retention);

}  // namespace levee::history
