// The cgroup of a process, where one job can have it for itself. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sources/cgroup.hpp"

namespace levee::sources {

/// The directory of the cgroup in the text of /proc/PID/cgroup, if it is a container's, lies in a
/// Slurm job, or is a systemd service or scope. Nothing for the root, slices, login sessions, a
/// user's service manager, and for what cannot be found below the mounts: there, strangers live
/// side by side. Whether one of its processes is its master, only the list of them tells.
[[nodiscard]] std::optional<std::string> own_cgroup(std::string_view cgroup_text,
                                                    const CgroupMounts& mounts);

}  // namespace levee::sources
