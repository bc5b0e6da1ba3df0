// CgroupSource: the memory limits above this process, cgroup v2 and v1, own cgroup and all parents.
//
// Inside a container the limit of the container counts, also where the container sees its own
// cgroup as "/" of the mount. One owner thread; the parsers are pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/reading.hpp"
#include "core/snapshot.hpp"
#include "levee/result.hpp"
#include "sources/root.hpp"

namespace levee::sources {

/// The cgroup paths of /proc/PID/cgroup that matter for memory.
struct CgroupPaths {
  std::optional<std::string> v2;         ///< The "0::" line.
  std::optional<std::string> v1_memory;  ///< The line of the memory controller.
};
[[nodiscard]] CgroupPaths parse_cgroup(std::string_view text);

/// Where the memory hierarchies are mounted, from /proc/self/mountinfo (octal escapes decoded).
struct CgroupMount {
  std::string mount_point;  ///< e.g. "/sys/fs/cgroup" or "/sys/fs/cgroup/memory".
  std::string root;         ///< Field 4: the path of the hierarchy that is mounted there.
};
struct CgroupMounts {
  std::optional<CgroupMount> v2;
  std::optional<CgroupMount> v1_memory;
};
[[nodiscard]] CgroupMounts parse_mountinfo(std::string_view text);

/// A limit or usage file: a number, or "max". v1 writes a huge number for "no limit" (≥ 2⁶²).
/// Outer nothing: makes no sense. Inner nothing: no limit.
[[nodiscard]] std::optional<std::optional<Bytes>> parse_limit(std::string_view text);

/// The file pages of memory.stat that can be dropped: inactive_file + active_file, on v1 their
/// total_ forms (the plain ones leave out the cgroups below). Nothing if neither line is there.
[[nodiscard]] std::optional<Bytes> parse_reclaimable(std::string_view text, CgroupVersion version);

/// The 64-hex-digit container id in a cgroup path (docker, containerd, cri-o, podman, kubepods and
/// ECS forms), else empty. The deepest one wins, for containers inside containers.
[[nodiscard]] std::string container_id(std::string_view cgroup_path);

/// The uid of the Kubernetes pod in a cgroup path, with dashes as the API writes it; else empty.
/// Knows the paths of the kubelet's cgroupfs and systemd drivers, also below a kubelet's own root.
/// The deepest one wins.
[[nodiscard]] std::string pod_uid(std::string_view cgroup_path);

/// The Slurm job in /proc/PID/cgroup ("/slurm/uid_1000/job_42/…", ".../slurmstepd.scope/job_42/…").
/// On v1 any hierarchy will do: Slurm need not have put the job into the memory controller's.
[[nodiscard]] std::optional<std::uint32_t> slurm_job(std::string_view cgroup_text);

/// The files of one cgroup directory that bear on its limit.
struct CgroupFiles {
  std::string_view limit;
  std::string_view usage;
  std::string_view stat = "memory.stat";
};
[[nodiscard]] CgroupFiles cgroup_files(CgroupVersion version) noexcept;

/// A directory that may hold a limit on us.
struct CgroupPlace {
  std::string directory;  ///< Absolute, as the machine sees it (not yet below a Root).
  CgroupVersion version = CgroupVersion::v2;
  std::string path;  ///< Below the mount: "/docker/3f…"; "/" is the mount's own directory.
  bool operator==(const CgroupPlace&) const = default;
};

/// The own cgroup and all its parents up to the mounts' roots, nearest first, v2 before v1. Where
/// the own path does not lie below what is mounted (another cgroup namespace), the mount's root
/// stands for it.
[[nodiscard]] std::vector<CgroupPlace> places_above(const CgroupPaths& own,
                                                    const CgroupMounts& mounts);

class CgroupSource {
 public:
  explicit CgroupSource(Root root) : root_(std::move(root)) {}

  /// Every limit above this process, the nearest first; empty when there is none. Where a process
  /// has several directories to look in (v1 and v2), both are read. What cannot be read is left
  /// out and named in `troubles`.
  [[nodiscard]] std::vector<MemoryCeiling> read(std::vector<SourceTrouble>& troubles);

  /// The directories to look in, whether or not a limit is set there now: limits come and go.
  /// Empty on a machine without a memory cgroup.
  [[nodiscard]] Result<std::vector<CgroupPlace>> places() const;

 private:
  /// The ceiling at `place`; nothing when no limit is set there.
  [[nodiscard]] Result<std::optional<MemoryCeiling>> read_place(const CgroupPlace& place) const;

  Root root_;
  /// mountinfo can be long; it is read again only when this process moved to another cgroup.
  std::string known_cgroup_text_;
  std::vector<CgroupPlace> known_places_;
};

}  // namespace levee::sources
