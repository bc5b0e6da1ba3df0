// The DRM query for an Intel GPU's local memory, the only exact source that mainline kernels have
// (include/uapi/drm/{xe,i915}_drm.h; the layouts are declared here anew). The decoders are pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "levee/bytes.hpp"

namespace levee::gpus {

/// The memory on the card.
struct LocalMemory {
  Bytes total;
  std::optional<Bytes> used;  ///< Told to CAP_PERFMON only.

  bool operator==(const LocalMemory&) const = default;
};

/// The reply to DRM_XE_DEVICE_QUERY_MEM_REGIONS; nothing for a GPU without memory of its own, and
/// for a reply that makes no sense.
[[nodiscard]] std::optional<LocalMemory> parse_xe_regions(std::span<const std::byte> reply);
/// The reply to DRM_I915_QUERY_MEMORY_REGIONS, likewise.
[[nodiscard]] std::optional<LocalMemory> parse_i915_regions(std::span<const std::byte> reply);

/// Asks the driver ("xe" or "i915") through `node` ("/dev/dri/renderD128"), which is opened for
/// this question only. Nothing when it cannot be asked: mostly for lack of permission.
[[nodiscard]] std::optional<LocalMemory> query_local_memory(const std::string& driver,
                                                            const std::string& node);

}  // namespace levee::gpus
