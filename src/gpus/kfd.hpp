// KFD: the compute half of the amdgpu driver, which ROCm uses. It tells the memory of each process
// on each GPU in /sys/class/kfd/kfd/proc/PID/vram_GPUID. Thread-safe.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "levee/bytes.hpp"
#include "sources/root.hpp"

namespace levee::gpus {

/// KFD's ids of the GPU at PCI slot `slot`: one, or one per partition; none without KFD.
[[nodiscard]] std::vector<std::string> find_kfd_gpus(const sources::Root& root,
                                                     std::string_view slot);

/// Memory on these GPUs together by process, of those that have any. The pids are the machine's
/// own, also when Levee runs in a container.
[[nodiscard]] std::map<pid_t, Bytes> read_kfd_memory(const sources::Root& root,
                                                     const std::vector<std::string>& gpus);

}  // namespace levee::gpus
