// AMD and Intel GPUs through the kernel's own files: sysfs, hwmon, fdinfo and KFD. No library of
// the vendor is needed. Every file is read below `root`, so a tree of files stands for a machine.
#pragma once

#include <memory>

#include "gpus/device.hpp"
#include "levee/result.hpp"
#include "sources/root.hpp"

namespace levee::gpus {

/// GPUs of the amdgpu driver; not_found when there is none now.
[[nodiscard]] Result<std::unique_ptr<Driver>> find_amdgpu(const sources::Root& root);

/// GPUs of the xe and i915 drivers; not_found when there is none now.
[[nodiscard]] Result<std::unique_ptr<Driver>> find_intel(const sources::Root& root);

}  // namespace levee::gpus
