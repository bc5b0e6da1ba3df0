// fdinfo: what the kernel tells of one open DRM descriptor in /proc/PID/fdinfo/FD (Linux
// Documentation/gpu/drm-usage-stats.rst). Bytes in, values out; pure and thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "levee/bytes.hpp"

namespace levee::gpus {

/// What a client has in one memory region. Kernels tell one to three of the figures; older ones
/// only `memory`, which is what newer ones call `resident`.
struct RegionUse {
  std::optional<Bytes> resident;
  std::optional<Bytes> memory;
  std::optional<Bytes> total;  ///< With what was evicted or never touched.

  /// What it occupies, by the most exact figure that there is.
  [[nodiscard]] std::optional<Bytes> in_use() const noexcept {
    return resident ? resident : memory ? memory : total;
  }

  bool operator==(const RegionUse&) const = default;
};

/// How long a client has kept one class of engines busy. Either nanoseconds of wall time
/// (drm-engine-*: amdgpu, i915), or cycles of the engine's clock (drm-cycles-*: xe). The counters
/// may step back for a moment; the greatest value seen is the right one then.
struct EngineUse {
  std::optional<std::uint64_t> busy_ns;
  std::optional<std::uint64_t> busy_cycles;
  std::optional<std::uint64_t> total_cycles;  ///< Cycles of one such engine so far, idle or not.
  std::uint64_t capacity = 1;                 ///< Engines of this class; never 0.

  bool operator==(const EngineUse&) const = default;
};

/// One open of a DRM device. Descriptors that were duplicated or inherited show the same client.
struct DrmClient {
  std::string driver;                                     ///< "amdgpu", "i915", "xe".
  std::string pdev;                                       ///< "0000:03:00.0"; empty when not told.
  std::optional<std::uint64_t> id;                        ///< Unique at least per device.
  std::map<std::string, RegionUse, std::less<>> regions;  ///< "vram", "gtt", "local0", "system".
  std::map<std::string, EngineUse, std::less<>> engines;  ///< "gfx", "render", "rcs".
};

/// Nothing when the text is not of a DRM descriptor. Lines that make no sense are left out.
[[nodiscard]] std::optional<DrmClient> parse_fdinfo(std::string_view text);

}  // namespace levee::gpus
