// Suggestions: what would relieve a memory that is too full (contract S2-62, S2-88). Each says why,
// with its numbers, and is made only where that reason holds; of what a report does not know
// nothing is said. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "estimate/model_cache.hpp"
#include "estimate/profile.hpp"
#include "estimate/validate.hpp"
#include "levee/bytes.hpp"

namespace levee::estimate {

/// Somebody who has memory.
struct Holder {
  std::string who;  ///< "python (pid 5204, alice)".
  Bytes memory;
  std::optional<double> growth_per_second;  ///< Of `memory`, bytes per second.
  bool is_idle = false;                     ///< It does not compute on the GPU at the moment.
};

/// What runs on a device, by a profile of it.
struct Work {
  MemoryProfile profile;
  std::uint64_t batch = 0;
  std::uint64_t tokens = 0;  ///< Of each sequence.
  Bytes held;                ///< What it has of the device.
};

struct DeviceReport {
  Gpu gpu;                           ///< Its free memory is what nobody uses, promised or not.
  std::vector<Holder> holders = {};  ///< In any order.
  std::optional<Bytes> unattributed = {};  ///< Used by nobody the driver names.
  std::optional<Bytes> unused_cache = {};  ///< Reserved by frameworks, and not in use.
  std::optional<Work> work = {};
};

struct MemoryReport {
  std::optional<Bytes> host_total;
  std::optional<Bytes> host_available;
  std::vector<Holder> host_holders = {};
  std::optional<Bytes> host_shared = {};  ///< Shared memory, and files in tmpfs.
  std::vector<DeviceReport> devices = {};
  const ModelCache* cache = nullptr;  ///< Null: nobody keeps account of it.

  // Percent used above which a memory is too full.
  double host_limit = 80;
  double gpu_limit = 80;
};

/// Lines for people: of each memory that is too full a header, then what would help, after "- ".
[[nodiscard]] std::vector<std::string> suggestions(const MemoryReport& report);

}  // namespace levee::estimate
