// The GPU helper: a process whose only work is to talk to GPU drivers, so that a driver that hangs
// or crashes takes nobody along. It answers questions from `in` on `out` (gpus/wire.hpp) and ends
// when `in` does. One thread per device, one per driver that reports errors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gpus/device.hpp"
#include "sources/root.hpp"

namespace levee::gpus {

struct DriverEntry {
  std::string source;  ///< "nvml", "amdgpu", "intel".
  Result<std::unique_ptr<Driver>> driver;
};

/// Every driver of the machine: NVML through the dynamic loader, AMD and Intel below `root`.
[[nodiscard]] std::vector<DriverEntry> find_drivers(const sources::Root& root);

/// Runs until `in` ends. Returns the exit code.
[[nodiscard]] int run_helper(std::vector<DriverEntry> drivers, int in, int out);

}  // namespace levee::gpus
