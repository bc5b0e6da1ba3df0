// The GPU helper: a process whose only work is to talk to GPU drivers, so that a driver that hangs
// or crashes takes nobody along. It answers questions from `in` on `out` (gpus/wire.hpp) and ends
// when `in` does. One thread per device, one per driver that reports errors, one that looks every
// few seconds which devices there are.
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

/// Answers the questions from `in` until it ends (0), or until a driver has failed and must be
/// loaded anew (1). Threads that hang in a driver live on: end the process with _exit().
[[nodiscard]] int run_helper(std::vector<DriverEntry> drivers, int in, int out);

}  // namespace levee::gpus
