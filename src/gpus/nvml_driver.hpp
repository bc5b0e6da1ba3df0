// NvmlDriver: NVIDIA's driver, through NVML.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gpus/device.hpp"
#include "levee/result.hpp"

namespace levee::gpus {

/// The driver of this machine. `not_found` where there is none; `unavailable`, with a hint, where
/// it refuses to work. May take seconds, or hang. `names` are the libraries to try.
[[nodiscard]] Result<std::unique_ptr<Driver>> find_nvml(const std::vector<std::string>& names = {
                                                            "libnvidia-ml.so.1",
                                                            "libnvidia-ml.so"});

}  // namespace levee::gpus
