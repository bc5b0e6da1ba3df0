#include "sources/process_files.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "sources/cgroup.hpp"
#include "sources/fields.hpp"

// Buffers are filled by the read; making them zero first would cost as much as some reads do.
// NOLINTBEGIN(cppcoreguidelines-pro-type-member-init)

namespace levee::sources {
namespace {

using Path = std::array<char, 32>;

/// "123/stat", without an allocation; `file` is short.
Path path_of(pid_t pid, std::string_view file) {
  Path path{};
  char* const end = std::to_chars(path.data(), path.data() + path.size(), pid).ptr;
  std::ranges::copy(file, end);
  return path;
}

std::expected<PidStat, int> parse(const RawRead& text) {
  if (!text) {
    return std::unexpected(text.error());
  }
  auto stat = parse_pid_stat(*text);
  return stat ? std::expected<PidStat, int>(std::move(*stat)) : std::unexpected(EINVAL);
}

}  // namespace

std::expected<PidStat, int> read_pid_stat(int proc, pid_t pid) {
  std::array<char, 2048> buffer;
  return parse(read_start_at(proc, path_of(pid, "/stat").data(), buffer));
}

Fd open_statm(int proc, pid_t pid) {
  return Fd(::openat(proc, path_of(pid, "/statm").data(), O_RDONLY | O_CLOEXEC));
}

std::expected<ProcessFiles, int> ProcessFiles::open(int proc, pid_t pid) {
  Fd directory(::openat(proc, path_of(pid, "").data(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return directory ? std::expected<ProcessFiles, int>(ProcessFiles(std::move(directory)))
                   : std::unexpected(errno);
}

std::expected<PidStat, int> ProcessFiles::stat() const {
  std::array<char, 2048> buffer;
  return parse(read_start_at(directory_.get(), "stat", buffer));
}

ProcessIdentity ProcessFiles::identity(const PidStat& stat, const BootId& boot, UserNames& users,
                                       const ProcessIdentity* before) const {
  std::array<char, 8192> buffer;
  const auto file = [&](const char* name) {
    return read_start_at(directory_.get(), name, buffer).value_or(std::string_view{});
  };
  ProcessIdentity who;
  who.id = {.boot = boot, .pid = stat.pid, .start_ticks = stat.start_ticks};
  who.parent = stat.parent;
  const std::string_view status = file("status");
  if (const auto uid = parse_status_uid(status)) {
    who.uid = *uid;
    who.container_pid = parse_status_container_pid(status);
  } else {
    struct stat owner{};
    ::fstat(directory_.get(), &owner);
    who.uid = owner.st_uid;
  }
  who.user = users.name(who.uid);
  who.comm = printable(stat.comm);
  who.command = parse_cmdline(file("cmdline"));
  if (who.command.empty()) {
    const bool is_ending = before != nullptr && before->id == who.id;
    who.command = is_ending ? before->command : fmt::format("[{}]", who.comm);
  }
  const std::string_view cgroups = file("cgroup");
  const CgroupPaths cgroup = parse_cgroup(cgroups);
  // On a hybrid machine v2 is often an empty tree: the path that is not "/" tells more.
  const bool v2_tells = cgroup.v2 && (*cgroup.v2 != "/" || !cgroup.v1_memory);
  const std::string& path = (v2_tells ? cgroup.v2 : cgroup.v1_memory).value_or("");
  who.cgroup = printable(path);
  who.container = container_id(path);
  who.pod = pod_uid(path);
  who.slurm_job = slurm_job(cgroups);
  std::string_view score = file("oom_score_adj");
  who.oom_score_adj = to_number<int>(take_word(score));
  return who;
}

std::expected<uid_t, int> ProcessFiles::uid() const {
  std::array<char, 4096> buffer;
  const RawRead status = read_start_at(directory_.get(), "status", buffer);
  if (!status) {
    return std::unexpected(status.error());
  }
  const auto uid = parse_status_uid(*status);
  return uid ? std::expected<uid_t, int>(*uid) : std::unexpected(EINVAL);
}

std::expected<bool, int> ProcessFiles::is_leader(pid_t pid) const {
  std::array<char, 4096> buffer;
  const RawRead status = read_start_at(directory_.get(), "status", buffer);
  if (!status) {
    return std::unexpected(status.error());
  }
  return parse_status_leader(*status) == pid;
}

std::expected<std::string, int> ProcessFiles::cgroups() const {
  std::array<char, 8192> buffer;
  const RawRead text = read_start_at(directory_.get(), "cgroup", buffer);
  return text ? std::expected<std::string, int>(*text) : std::unexpected(text.error());
}

std::expected<std::optional<std::string>, int> ProcessFiles::variable(std::string_view name) const {
  const Fd file(::openat(directory_.get(), "environ", O_RDONLY | O_CLOEXEC));
  if (!file) {
    return std::unexpected(errno);
  }
  const auto find = [&](std::string_view text) {
    const auto value = parse_environ(text, name);
    return value ? std::optional<std::string>(*value) : std::nullopt;
  };
  // Most environments fit into the first.
  std::array<char, std::size_t{16} * 1024> buffer;
  const RawRead start = read_start(file.get(), buffer);
  if (!start) {
    return std::unexpected(start.error());
  }
  if (start->size() < buffer.size()) {
    return find(*start);
  }
  std::string large(std::size_t{1024} * 1024, '\0');
  const RawRead text = read_start(file.get(), large);
  return text ? std::expected<std::optional<std::string>, int>(find(*text))
              : std::unexpected(text.error());
}

std::expected<Bytes, int> ProcessFiles::pss() const {
  std::array<char, 4096> buffer;
  const RawRead text = read_start_at(directory_.get(), "smaps_rollup", buffer);
  if (!text) {
    return std::unexpected(text.error());
  }
  const auto pss = parse_smaps_rollup_pss(*text);
  // A process that is ending has no memory map any more; its file is then empty.
  return pss ? std::expected<Bytes, int>(*pss) : std::unexpected(ESRCH);
}

}  // namespace levee::sources

// NOLINTEND(cppcoreguidelines-pro-type-member-init)
