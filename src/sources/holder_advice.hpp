// What to say to a person whose GPU has memory that the driver attributes to nobody: who holds the
// device, and the exact command that would free it. Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "core/gpu.hpp"
#include "sources/device_holders.hpp"

namespace levee::sources {

struct UnattributedMemory {
  GpuIdentity gpu;
  Bytes amount;
  std::vector<pid_t> named;  ///< The processes that the driver names on this device.
};

struct HolderAdvice {
  std::string text;     ///< One sentence, without a full stop.
  std::string command;  ///< What to type, e.g. "kill 1234"; empty when there is nothing to type.

  bool operator==(const HolderAdvice&) const = default;
};

/// The likeliest explanation first. Never empty: where nothing was found, it says so and what is
/// left to do; where something could not be looked at, it says that too.
[[nodiscard]] std::vector<HolderAdvice> advise(const UnattributedMemory& memory,
                                               const DeviceHolders& found);

}  // namespace levee::sources
