#include "sources/cgroup.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sources/fields.hpp"
#include "sources/proc_text.hpp"

namespace levee::sources {
namespace {

constexpr std::string_view kUsualMount = "/sys/fs/cgroup";
/// v1 writes LONG_MAX rounded down to a page for "no limit"; nobody owns 4 EiB of memory.
constexpr std::uint64_t kNoLimitFrom = std::uint64_t{1} << 62U;

bool has_item(std::string_view list, std::string_view item) {
  while (!list.empty()) {
    if (take_until(list, ',') == item) {
      return true;
    }
  }
  return false;
}

/// mountinfo writes blanks, tabs, line ends and backslashes as three octal digits: "\040".
std::string decode_octal(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = text[i] == '\\' && i + 3 < text.size()
                          ? to_number<unsigned char>(text.substr(i + 1, 3), 8)
                          : std::nullopt;
    decoded += code ? static_cast<char>(*code) : text[i];
    i += code ? 3U : 0U;
  }
  return decoded;
}

/// A mount replaces one it lies over; otherwise the usual place is preferred, then the first.
void prefer(std::optional<CgroupMount>& chosen, CgroupMount mount) {
  const auto is_usual = [](const CgroupMount& m) { return m.mount_point.starts_with(kUsualMount); };
  if (!chosen || chosen->mount_point == mount.mount_point ||
      (is_usual(mount) && !is_usual(*chosen))) {
    chosen = std::move(mount);
  }
}

/// `path` as seen below `mount`: "/" for the mounted directory itself and for what lies elsewhere.
std::string below_mount(std::string_view path, std::string_view mount_root) {
  while (path.size() > 1 && path.ends_with('/')) {
    path.remove_suffix(1);
  }
  if (mount_root != "/") {
    const bool is_below = path.starts_with(mount_root) &&
                          (path.size() == mount_root.size() || path[mount_root.size()] == '/');
    path = is_below ? path.substr(mount_root.size()) : std::string_view{};
  }
  // "/../x": a cgroup outside of the namespace that this mount shows.
  const bool climbs = path.find("/..") != std::string_view::npos;
  return path.empty() || climbs || path.front() != '/' ? "/" : std::string(path);
}

void add_places(std::vector<CgroupPlace>& places, const std::optional<std::string>& own,
                const std::optional<CgroupMount>& mount, CgroupVersion version) {
  if (!own || !mount) {
    return;
  }
  std::string path = below_mount(*own, mount->root);
  while (path != "/") {
    places.push_back({mount->mount_point + path, version, path});
    path.resize(std::max<std::size_t>(path.rfind('/'), 1));
  }
  places.push_back({mount->mount_point, version, "/"});
}

/// "2c48913c-b29f-11e7-9350-020968147796", or the hash that names a static pod: 32 hex digits.
bool is_pod_uid(std::string_view text) {
  constexpr std::size_t kWithDashes = 36;
  constexpr std::size_t kHash = 32;
  const auto is_dash = [](std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash_wanted = text.size() == kWithDashes && is_dash(i);
    const bool is_hex = std::string_view("0123456789abcdef").find(text[i]) != std::string::npos;
    if (dash_wanted ? text[i] != '-' : !is_hex) {
      return false;
    }
  }
  return text.size() == kWithDashes || text.size() == kHash;
}

/// The uid in one name of a path: "podUID" (cgroupfs), or "kubepods-burstable-podUID.slice" with
/// underscores for dashes (systemd). Empty if there is none.
std::string pod_uid_in(std::string_view name) {
  constexpr std::string_view kSlice = ".slice";
  name = name.substr(0, name.find(':'));  // "….slice:cri-containerd:ID"
  std::string uid;
  if (!name.ends_with(kSlice)) {
    uid = name.starts_with("pod") ? name.substr(3) : std::string_view{};
  } else if (const std::size_t mark = name.find("-pod"); mark != std::string_view::npos) {
    name.remove_suffix(kSlice.size());
    uid = name.substr(mark + 4);
    std::ranges::replace(uid, '_', '-');
  }
  return is_pod_uid(uid) ? uid : std::string{};
}

bool is_container_id(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

CgroupPaths parse_cgroup(std::string_view text) {
  constexpr std::string_view kDeleted = " (deleted)";
  CgroupPaths paths;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view hierarchy = take_until(line, ':');
    const std::string_view controllers = take_until(line, ':');
    if (line.ends_with(kDeleted)) {
      line.remove_suffix(kDeleted.size());
    }
    if (!line.starts_with('/')) {
      continue;
    }
    if (hierarchy == "0" && controllers.empty()) {
      paths.v2 = line;
    } else if (has_item(controllers, "memory")) {
      paths.v1_memory = line;
    }
  }
  return paths;
}

CgroupMounts parse_mountinfo(std::string_view text) {
  CgroupMounts mounts;
  while (!text.empty()) {
    // id parent major:minor ROOT MOUNT_POINT options [tags…] - TYPE source SUPER_OPTIONS
    std::string_view line = take_line(text);
    std::array<std::string_view, 6> head;
    for (std::string_view& field : head) {
      field = take_word(line);
    }
    std::string_view tag = take_word(line);
    while (!tag.empty() && tag != "-") {
      tag = take_word(line);
    }
    const std::string_view type = take_word(line);
    static_cast<void>(take_word(line));
    const std::string_view options = take_word(line);
    if (!head[3].starts_with('/') || !head[4].starts_with('/')) {
      continue;
    }
    const bool is_v1_memory = type == "cgroup" && has_item(options, "memory");
    if (type == "cgroup2" || is_v1_memory) {
      prefer(is_v1_memory ? mounts.v1_memory : mounts.v2,
             {.mount_point = decode_octal(head[4]), .root = decode_octal(head[3])});
    }
  }
  return mounts;
}

std::optional<std::optional<Bytes>> parse_limit(std::string_view text) {
  const std::string_view word = take_word(text);
  if (!take_word(text).empty()) {
    return std::nullopt;
  }
  if (word == "max") {
    return std::optional<Bytes>{};
  }
  const auto count = to_number<std::uint64_t>(word);
  if (!count) {
    return std::nullopt;
  }
  return *count >= kNoLimitFrom ? std::optional<Bytes>{} : Bytes{*count};
}

std::optional<Bytes> parse_reclaimable(std::string_view text, CgroupVersion version) {
  const bool v1 = version == CgroupVersion::v1;
  const std::string_view inactive = v1 ? "total_inactive_file" : "inactive_file";
  const std::string_view active = v1 ? "total_active_file" : "active_file";
  std::optional<Bytes> sum;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view key = take_word(line);
    if (key == inactive || key == active) {
      if (const auto count = to_number<std::uint64_t>(take_word(line))) {
        sum = sum.value_or(Bytes{}) + Bytes{*count};
      }
    }
  }
  return sum;
}

std::string container_id(std::string_view cgroup_path) {
  while (!cgroup_path.empty()) {
    const std::size_t slash = cgroup_path.rfind('/');
    std::string_view name = cgroup_path.substr(slash == std::string_view::npos ? 0 : slash + 1);
    cgroup_path = cgroup_path.substr(0, slash == std::string_view::npos ? 0 : slash);
    if (name.ends_with(".scope")) {
      name.remove_suffix(6);
    }
    // "docker-ID", "cri-containerd-ID", "kubepods-….slice:cri-containerd:ID", or the bare ID.
    const std::size_t mark = name.find_last_of("-:");
    const std::string_view id = mark == std::string_view::npos ? name : name.substr(mark + 1);
    // "libpod-conmon-ID" is the monitor, which runs outside of its container.
    const bool is_monitor = name.substr(0, name.size() - id.size()).ends_with("conmon-");
    if (is_container_id(id) && !is_monitor) {
      return std::string(id);
    }
  }
  return {};
}

std::string pod_uid(std::string_view cgroup_path) {
  if (cgroup_path.find("kubepods") == std::string_view::npos) {
    return {};  // elsewhere "pod" is any word
  }
  std::string deepest;
  while (!cgroup_path.empty()) {
    std::string uid = pod_uid_in(take_until(cgroup_path, '/'));
    if (!uid.empty()) {
      deepest = std::move(uid);
    }
  }
  return deepest;
}

std::optional<std::uint32_t> slurm_job(std::string_view cgroup_text) {
  constexpr std::string_view kJob = "job_";
  constexpr std::string_view kScope = "slurmstepd.scope";
  while (!cgroup_text.empty()) {
    // "slurm", "slurm_NODE" and "NODE_slurmstepd.scope" stand somewhere above the job.
    std::string_view path = take_line(cgroup_text);
    bool is_below_slurm = false;
    while (!path.empty()) {
      const std::string_view name = take_until(path, '/');
      const auto job = is_below_slurm && name.starts_with(kJob)
                           ? to_number<std::uint32_t>(name.substr(kJob.size()))
                           : std::nullopt;
      if (job) {
        return job;
      }
      is_below_slurm =
          is_below_slurm || name == "slurm" || name.starts_with("slurm_") || name.ends_with(kScope);
    }
  }
  return std::nullopt;
}

CgroupFiles cgroup_files(CgroupVersion version) noexcept {
  return version == CgroupVersion::v2
             ? CgroupFiles{.limit = "memory.max", .usage = "memory.current"}
             : CgroupFiles{.limit = "memory.limit_in_bytes", .usage = "memory.usage_in_bytes"};
}

std::vector<CgroupPlace> places_above(const CgroupPaths& own, const CgroupMounts& mounts) {
  std::vector<CgroupPlace> places;
  add_places(places, own.v2, mounts.v2, CgroupVersion::v2);
  add_places(places, own.v1_memory, mounts.v1_memory, CgroupVersion::v1);
  return places;
}

Result<std::vector<CgroupPlace>> CgroupSource::places() const {
  const auto own = root_.read("/proc/self/cgroup");
  if (!own && own.error().code == ErrorCode::not_found) {
    return {};  // a kernel without cgroups
  }
  if (!own) {
    return std::unexpected(own.error());
  }
  // A host of many containers has thousands of mounts.
  constexpr std::size_t kLongestMountinfo = std::size_t{8} * 1024 * 1024;
  const auto mountinfo = root_.read("/proc/self/mountinfo", kLongestMountinfo);
  if (!mountinfo) {
    return std::unexpected(mountinfo.error());
  }
  return places_above(parse_cgroup(*own), parse_mountinfo(*mountinfo));
}

std::vector<MemoryCeiling> CgroupSource::read(std::vector<SourceTrouble>& troubles) {
  const std::string own = root_.read("/proc/self/cgroup").value_or("");
  if (own.empty() || own != known_cgroup_text_) {
    auto found = places();
    if (!found) {
      known_cgroup_text_.clear();
      troubles.push_back({"cgroup", found.error()});
      return {};
    }
    known_cgroup_text_ = own;
    known_places_ = std::move(*found);
  }
  std::vector<MemoryCeiling> ceilings;
  for (const CgroupPlace& place : known_places_) {
    auto ceiling = read_place(place);
    if (!ceiling) {
      known_cgroup_text_.clear();  // the mounts may have changed: look anew next time
      troubles.push_back({"cgroup", ceiling.error()});
    } else if (*ceiling) {
      ceilings.push_back(std::move(**ceiling));
    }
  }
  return ceilings;
}

Result<std::optional<MemoryCeiling>> CgroupSource::read_place(const CgroupPlace& place) const {
  const CgroupFiles files = cgroup_files(place.version);
  const auto file = [&](std::string_view name) {
    return fmt::format("{}/{}", place.directory, name);
  };
  const auto nonsense = [&](std::string_view name, std::string_view text) {
    return fail(ErrorCode::corrupt, fmt::format("{} holds \"{}\", want a number of bytes",
                                                file(name), printable(text.substr(0, 40))));
  };
  const auto limit_text = root_.read(file(files.limit));
  if (!limit_text) {
    // The root of a v2 hierarchy has no limit file, nor has a directory that is not shown here.
    if (limit_text.error().code == ErrorCode::not_found) {
      return std::nullopt;
    }
    return std::unexpected(limit_text.error());
  }
  const auto limit = parse_limit(*limit_text);
  if (!limit) {
    return nonsense(files.limit, *limit_text);
  }
  if (!*limit) {
    return std::nullopt;
  }
  const auto usage_text = root_.read(file(files.usage));
  if (!usage_text) {
    return std::unexpected(usage_text.error());
  }
  std::string_view rest = *usage_text;
  const auto used = to_number<std::uint64_t>(take_word(rest));
  if (!used) {
    return nonsense(files.usage, *usage_text);
  }
  // Without the statistics nothing counts as reclaimable: too careful rather than too bold.
  const auto stat = root_.read(file(files.stat));
  const auto reclaimable = stat ? parse_reclaimable(*stat, place.version) : std::nullopt;
  return MemoryCeiling{.path = place.path,
                       .version = place.version,
                       .limit = **limit,
                       .used = Bytes{*used},
                       .reclaimable = reclaimable.value_or(Bytes{})};
}

}  // namespace levee::sources
