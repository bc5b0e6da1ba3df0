#include "sources/oom_watch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

namespace levee::sources {
namespace {

constexpr std::size_t kMostTold = 64;  ///< Kills that were begun and never ended.
constexpr std::size_t kLongestLog = std::size_t{1} << 20U;

template <class T>
std::optional<T> number_in(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} ? std::optional(number) : std::nullopt;
}

/// What follows `name` in `text`, up to `end`.
std::optional<std::string_view> after(std::string_view text, std::string_view name,
                                      std::string_view end) {
  const std::size_t place = text.find(name);
  if (place == std::string_view::npos) {
    return std::nullopt;
  }
  text.remove_prefix(place + name.size());
  return text.substr(0, std::min(text.find_first_of(end), text.size()));
}

/// "anon-rss:20480kB" and the like, of "Killed process …".
std::optional<Bytes> resident(std::string_view text) {
  std::optional<Bytes> sum;
  for (const std::string_view name : {"anon-rss:", "file-rss:", "shmem-rss:"}) {
    const auto part = after(text, name, "k,");
    if (const auto count = part ? number_in<std::uint64_t>(*part) : std::nullopt) {
      sum = sum.value_or(Bytes{}) + kib(*count);
    }
  }
  return sum;
}

/// The text of a record of the kernel's own; nothing for those of programs.
std::optional<std::string_view> kernel_text(std::string_view record) {
  constexpr unsigned kLevels = 8;  // The rest of the number is the facility: 0 is the kernel.
  const auto priority = number_in<unsigned>(record);
  const std::size_t semicolon = record.find(';');
  if (!priority || *priority >= kLevels || semicolon == std::string_view::npos) {
    return std::nullopt;
  }
  return record.substr(semicolon + 1);
}

}  // namespace

std::optional<std::uint64_t> parse_oom_count(std::string_view text) {
  constexpr std::string_view kName = "oom_kill ";
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(kName)) {
      return number_in<std::uint64_t>(line.substr(kName.size()));
    }
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

std::vector<OomKill> OomLog::read(std::string_view records) {
  std::vector<OomKill> kills;
  while (!records.empty()) {
    const std::string_view record = records.substr(0, records.find('\n'));
    records.remove_prefix(std::min(record.size() + 1, records.size()));
    const std::string_view text = kernel_text(record).value_or("");
    if (text.starts_with("memory: usage ")) {
      const auto limit = after(text, ", limit ", "k,");
      const auto count = limit ? number_in<std::uint64_t>(*limit) : std::nullopt;
      limit_ = count ? std::optional(kib(*count)) : std::nullopt;
    } else if (text.starts_with("oom-kill:")) {
      begin_kill(text);
    } else if (text.starts_with("Out of memory") || text.starts_with("Memory cgroup out")) {
      if (auto kill = end_kill(text)) {
        kills.push_back(std::move(*kill));
      }
    }
  }
  return kills;
}

// oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,
//   oom_memcg=/job,task_memcg=/job/a,task=python,pid=77,uid=1000
// The name of the task may hold anything, commas too: pid and uid are looked for from the end.
void OomLog::begin_kill(std::string_view text) {
  const auto limit = std::exchange(limit_, std::nullopt);
  const std::size_t place = text.rfind(",pid=");
  const std::string_view tail = place == std::string_view::npos ? "" : text.substr(place);
  const auto number = after(tail, ",pid=", ",");
  const auto pid = number ? number_in<pid_t>(*number) : std::nullopt;
  if (!pid) {
    return;
  }
  if (told_.size() >= kMostTold) {
    told_.clear();
  }
  const auto uid = after(tail, ",uid=", ",");
  Told told{.cgroup = std::string(after(text, ",oom_memcg=", ",").value_or("")),
            .own_cgroup = std::string(after(text, ",task_memcg=", ",").value_or("")),
            .uid = uid ? number_in<uid_t>(*uid) : std::nullopt,
            .limit = {}};
  if (!told.cgroup.empty()) {
    told.limit = limit;
  }
  told_[*pid] = std::move(told);
}

// Memory cgroup out of memory: Killed process 77 (python) total-vm:1kB, anon-rss:2kB, …
std::optional<OomKill> OomLog::end_kill(std::string_view text) {
  const auto rest = after(text, "Killed process ", "\n");
  const auto pid = rest ? number_in<pid_t>(*rest) : std::nullopt;
  if (!pid) {
    return std::nullopt;
  }
  OomKill kill{.pid = *pid,
               .comm = {},
               .uid = {},
               .rss = resident(*rest),
               .cgroup = {},
               .own_cgroup = {},
               .limit = {}};
  const std::size_t open = rest->find('(');
  const std::size_t close = rest->find(") total-vm");
  if (open != std::string_view::npos && close != std::string_view::npos && close > open) {
    kill.comm = rest->substr(open + 1, close - open - 1);
  }
  if (auto told = told_.extract(*pid)) {
    kill.uid = told.mapped().uid;
    kill.cgroup = std::move(told.mapped().cgroup);
    kill.own_cgroup = std::move(told.mapped().own_cgroup);
    kill.limit = told.mapped().limit;
  }
  return kill;
}

OomWatch::OomWatch(Root root) : root_(std::move(root)) {
  if (const auto text = root_.read("/proc/self/mountinfo", std::size_t{1} << 20U)) {
    mounts_ = parse_mountinfo(*text);
  }
  const auto counters = root_.read("/proc/vmstat");
  total_ = counters ? parse_oom_count(*counters) : std::nullopt;
  log_file_ = Fd(::open(root_.at("/dev/kmsg").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (log_file_) {
    ::lseek(log_file_.get(), 0, SEEK_END);
  }
}

std::optional<std::uint64_t> OomWatch::count_of(const std::string& cgroup) const {
  const auto count = [&](const std::optional<CgroupMount>& mount, std::string_view file) {
    const auto text = mount ? root_.read(mount->mount_point + cgroup + "/" + std::string(file))
                            : fail(ErrorCode::not_found, "");
    return text ? parse_oom_count(*text) : std::nullopt;
  };
  const auto v2 = count(mounts_.v2, "memory.events");
  return v2 ? v2 : count(mounts_.v1_memory, "memory.oom_control");
}

void OomWatch::look_at_cgroups(std::span<const std::string> cgroups, bool has_risen,
                               OomReport& report) {
  std::map<std::string, std::uint64_t> counts;
  for (const std::string& cgroup : cgroups) {
    const auto known = counts_.find(cgroup);
    // As long as the total has not risen, none of them has.
    const auto count =
        known != counts_.end() && !has_risen ? std::optional(known->second) : count_of(cgroup);
    if (count) {
      counts[cgroup] = *count;
      if (known != counts_.end() && *count > known->second) {
        report.cgroups.push_back(cgroup);
      }
    }
  }
  counts_ = std::move(counts);
}

OomReport OomWatch::look(std::span<const std::string> cgroups) {
  OomReport report;
  const auto counters = root_.read("/proc/vmstat");
  const auto total = counters ? parse_oom_count(*counters) : std::nullopt;
  if (total && total_ && *total > *total_) {
    report.kills = *total - *total_;
  }
  look_at_cgroups(cgroups, !total || report.kills > 0, report);
  report.victims = log_.read(read_log());
  if (!total) {
    report.kills = std::max(report.victims.size(), report.cgroups.size());
  }
  total_ = total ? total : total_;
  return report;
}

std::string OomWatch::read_log() {
  std::string text;
  std::array<char, 8192> record{};  // The longest record; a shorter buffer would be refused.
  while (log_file_ && text.size() < kLongestLog) {
    const ssize_t count = ::read(log_file_.get(), record.data(), record.size());
    if (count > 0) {
      text.append(record.data(), static_cast<std::size_t>(count));
    } else if (count == 0 || errno != EPIPE) {  // EPIPE: records were overwritten; read on.
      break;
    }
  }
  return text;
}

}  // namespace levee::sources
