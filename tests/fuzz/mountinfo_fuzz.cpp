#include <algorithm>

#include "fuzz/fuzz_check.hpp"
#include "sources/cgroup.hpp"

using namespace levee;
using namespace levee::sources;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  // The first line is the own cgroup, the rest the mounts.
  const std::size_t line = std::min(text.find('\n'), size);
  const CgroupPaths own = parse_cgroup(text.substr(0, line));
  const CgroupMounts mounts = parse_mountinfo(text.substr(line));
  for (const CgroupPlace& place : places_above(own, mounts)) {
    const auto& mount = place.version == CgroupVersion::v2 ? mounts.v2 : mounts.v1_memory;
    check(mount && place.directory.starts_with(mount->mount_point), "no place above its mount");
    check(place.path.starts_with('/'), "the path of a place is absolute");
    check(place.path.find("/../") == std::string::npos, "no place climbs");
  }
  return 0;
}
