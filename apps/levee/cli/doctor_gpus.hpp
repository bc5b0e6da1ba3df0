// The GPUs' part of `levee doctor`: facts and what they mean.
#pragma once

#include <vector>

#include "cli/ask.hpp"
#include "cli/doctor.hpp"
#include "levee/bytes.hpp"
#include "sources/root.hpp"

namespace levee::cli {

/// Less than this is the rounding of drivers.
inline constexpr double kNotableUnattributed = 64.0 * kMiB;

/// Looks for GPUs below `root`: cards on the PCI bus, device files, the driver's module.
[[nodiscard]] GpuFacts probe_gpus(const sources::Root& root);

/// Why no GPU is seen, if none is; else how each of them is, and whose memory nobody explains.
/// Pure.
[[nodiscard]] std::vector<Check> examine_gpus(const GpuFacts& facts);

}  // namespace levee::cli
