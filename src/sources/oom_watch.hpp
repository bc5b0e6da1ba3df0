// OomWatch: processes that the kernel killed for want of memory, and whom.
//
// /proc/vmstat counts them all; the counters of cgroups say below which limit; the kernel's log,
// where it may be read (root), names the victims. What one of them does not tell, another may. One
// owner thread; the parsers are pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/reading.hpp"
#include "levee/bytes.hpp"
#include "sources/cgroup.hpp"
#include "sources/file.hpp"
#include "sources/root.hpp"

namespace levee::sources {

/// A victim as the kernel's log names it.
struct OomKill {
  pid_t pid = 0;
  std::string comm;
  std::optional<uid_t> uid;
  std::optional<Bytes> rss;    ///< Anonymous, file and shared pages.
  std::string cgroup;          ///< Whose limit was reached; empty: the machine's memory was gone.
  std::string own_cgroup;      ///< That it lived in; empty when unknown.
  std::optional<Bytes> limit;  ///< Of `cgroup`.

  bool operator==(const OomKill&) const = default;
};

/// The line "oom_kill 3" of /proc/vmstat, of a v2 memory.events or of a v1 memory.oom_control.
[[nodiscard]] std::optional<std::uint64_t> parse_oom_count(std::string_view text);

/// Reads the kernel's log, record by record ("6,1234,5678,-;text"): a kill is two or three of them.
/// Anybody who may write to /dev/kmsg can make up such a line; records that are not the kernel's
/// own (facility 0) are left out.
class OomLog {
 public:
  /// The kills that `records` complete.
  [[nodiscard]] std::vector<OomKill> read(std::string_view records);

 private:
  struct Told {
    std::string cgroup;
    std::string own_cgroup;
    std::optional<uid_t> uid;
    std::optional<Bytes> limit;
  };
  void begin_kill(std::string_view text);
  [[nodiscard]] std::optional<OomKill> end_kill(std::string_view text);

  std::optional<Bytes> limit_;  ///< Of the cgroup that the log spoke of last.
  std::map<pid_t, Told> told_;  ///< By the line before the one that ends it.
};

/// What has happened since the last look.
struct OomReport {
  std::uint64_t kills = 0;           ///< That were counted.
  std::vector<OomKill> victims;      ///< That were named; some may have been counted before.
  std::vector<std::string> cgroups;  ///< Watched ones whose own counter rose.

  [[nodiscard]] bool is_empty() const noexcept { return kills == 0 && victims.empty(); }
};

class OomWatch {
 public:
  /// What was before is not told.
  explicit OomWatch(Root root);

  /// `cgroups`, paths below the mount, are watched from their first time here on.
  [[nodiscard]] OomReport look(std::span<const std::string> cgroups);

 private:
  [[nodiscard]] std::optional<std::uint64_t> count_of(const std::string& cgroup) const;
  void look_at_cgroups(std::span<const std::string> cgroups, bool has_risen, OomReport& report);
  [[nodiscard]] std::string read_log();

  Root root_;
  CgroupMounts mounts_;
  std::optional<std::uint64_t> total_;
  std::map<std::string, std::uint64_t> counts_;
  Fd log_file_;
  OomLog log_;
};

}  // namespace levee::sources
