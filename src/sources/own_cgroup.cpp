#include "sources/own_cgroup.hpp"

#include <utility>
#include <vector>

namespace levee::sources {
namespace {

bool is_own_unit(std::string_view name) {
  if (name.ends_with(".scope")) {
    return !name.starts_with("session-") && name != "init.scope";
  }
  return name.ends_with(".service") && !name.starts_with("user@");
}

bool can_be_owned(const std::string& path) {
  return !container_id(path).empty() || slurm_job("0::" + path + "\n").has_value() ||
         is_own_unit(std::string_view(path).substr(path.rfind('/') + 1));
}

}  // namespace

std::optional<std::string> own_cgroup(std::string_view cgroup_text, const CgroupMounts& mounts) {
  CgroupPaths own = parse_cgroup(cgroup_text);
  CgroupPaths v2;
  v2.v2 = std::move(own.v2);
  CgroupPaths v1;
  v1.v1_memory = std::move(own.v1_memory);
  for (const CgroupPaths& paths : {v2, v1}) {
    const auto& path = paths.v2 ? paths.v2 : paths.v1_memory;
    if (!path || !path->starts_with('/') || !can_be_owned(*path)) {
      continue;
    }
    const std::vector<CgroupPlace> places = places_above(paths, mounts);
    if (!places.empty() && places.front().path != "/") {
      return places.front().directory;
    }
  }
  return std::nullopt;
}

}  // namespace levee::sources
