// Growers: which process and which user brings how much of the growth. Pure; thread-safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/gpu.hpp"
#include "core/reading.hpp"

namespace levee::forecast {

/// A process that grows, and its share of what all growing ones bring.
struct Grower {
  pid_t pid = 0;
  std::string user;  ///< Empty: it cannot be seen from here.
  std::string comm;
  double bytes_per_second = 0;
  double share = 0;  ///< In (0, 1].
};

struct GrowingUser {
  std::string user;
  double bytes_per_second = 0;
  double share = 0;
  std::size_t processes = 0;
};

/// Who grows; processes that shrink or rest are left out. Fastest first.
struct Growers {
  double bytes_per_second = 0;  ///< Of all of them.
  std::vector<Grower> processes;
  std::vector<GrowingUser> users;
};

/// Growth slower than this is no part of the answer: 1 MiB in a minute.
inline constexpr double kLeastGrowth = 1024.0 * 1024 / 60;

[[nodiscard]] Growers growers(std::vector<Grower> candidates);

/// By what they have on a device.
[[nodiscard]] Growers growers_on(const GpuReading& gpu);

/// By what they have resident.
[[nodiscard]] Growers growers_among(std::span<const ProcessReading> processes);

}  // namespace levee::forecast
