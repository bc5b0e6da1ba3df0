// Who holds a GPU's device file: the search behind `levee doctor` when memory of a GPU is taken
// and the driver names nobody for it. It looks at the descriptors and the mappings of every
// process, which takes about 0.25 ms each: made for one look, not for every tick. Thread-safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "core/gpu.hpp"
#include "core/reading.hpp"
#include "levee/result.hpp"
#include "sources/root.hpp"
#include "sources/users.hpp"

namespace levee::sources {

/// The device files of a GPU.
struct GpuFiles {
  std::vector<std::string> own;     ///< "/dev/nvidia0"; "/dev/dri/card1", "/dev/dri/renderD128".
  std::vector<std::string> shared;  ///< Of all GPUs of its kind: "/dev/nvidia-uvm", "/dev/kfd".

  bool operator==(const GpuFiles&) const = default;
};

/// By the device's minor number; both lists are empty when that is unknown.
[[nodiscard]] GpuFiles gpu_files(const Root& root, const GpuIdentity& gpu);

struct DeviceHolder {
  ProcessIdentity identity;
  std::vector<std::string> own;  ///< Which of the files it holds, sorted.
  std::vector<std::string> shared;
  bool open = false;  ///< Else it closed them, and has them mapped still.
  /// Its first thread has ended and others hold on: it looks dead (a zombie), but is not yet.
  bool half_dead = false;
};

/// A dead process that its parent has not taken note of.
struct Zombie {
  pid_t pid = 0;
  std::string comm;
  pid_t parent = 0;
  std::string parent_comm;
};

struct DeviceHolders {
  std::vector<DeviceHolder> holders;  ///< By pid.
  std::vector<Zombie> zombies;        ///< All of the machine, by pid.
  std::size_t hidden = 0;             ///< Processes that we may not look at.
  bool as_root = false;               ///< Root was refused them: asking as root is no remedy.
  bool whole_machine = false;         ///< False in a container: others cannot be seen from here.
};

/// Fails only when the processes cannot be listed.
[[nodiscard]] Result<DeviceHolders> find_device_holders(const Root& root, const GpuFiles& files,
                                                        UserNames& users);

}  // namespace levee::sources
