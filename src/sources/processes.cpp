#include "sources/processes.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "sources/fields.hpp"
#include "sources/file.hpp"
#include "sources/growth.hpp"
#include "sources/pid_list.hpp"
#include "sources/proc_text.hpp"
#include "sources/process_files.hpp"

namespace levee::sources {
namespace {

/// An identity is read again after so many turns: exec under the same name, a changed title.
constexpr unsigned kIdentityTurns = 10;
constexpr unsigned kYoung = kIdentityTurns - 1;
/// Of the processes that may have died and left their pid to another, so many are verified per
/// scan. The kernel forgetting its directory entries (memory pressure!) makes all look so.
constexpr std::size_t kMostVerified = 64;

enum class Kind { unread, user, kernel, hidden };

/// What is known of one pid between two scans.
struct Tracked {
  pid_t pid = 0;
  /// Inode of the /proc/PID directory: the same number means the same process.
  ino_t inode = 0;
  ino_t verified_inode = 0;
  Kind kind = Kind::unread;
  bool gone = false;
  bool watched = false;
  unsigned identity_turns = 0;
  std::string comm;
  std::shared_ptr<const ProcessIdentity> identity;
  std::uint64_t start_ticks = 0;
  Bytes rss;
  MonoTime read_at;
  std::optional<Growth> growth;
  GrowthMarks marks;
  Fd statm;  ///< Kept open while watched.

  /// Read once since it came: it may still become another one (fork, then exec or setuid).
  [[nodiscard]] bool is_young() const { return identity_turns == kYoung; }
};

}  // namespace

class ProcessSource::Tracker {
 public:
  Tracker(Root root, Options options, std::shared_ptr<UserNames> users)
      : options_(options),
        users_(std::move(users)),
        boot_(read_boot_id(root)),
        page_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))),
        pids_(std::move(root)) {}

  Result<ProcessScan> scan(Thoroughness thoroughness, MonoTime now);

  void set_top(std::size_t top) { options_.top = top; }

 private:
  [[nodiscard]] std::optional<Error> list(bool thorough);
  void read_watched(MonoTime now);
  void read_turns(std::size_t share, MonoTime now);
  void read(Tracked& process, MonoTime now);
  void meet(Tracked& process, MonoTime now);
  void keep_identity_fresh(Tracked& process, const PidStat& stat);
  void note(Tracked& process, std::uint64_t pages, MonoTime now);
  [[nodiscard]] ProcessScan result();
  void watch(const std::vector<Tracked*>& by_size);
  void set_watched(Tracked& process, bool watched) const;
  [[nodiscard]] int proc() const { return pids_.proc(); }

  Options options_;
  std::shared_ptr<UserNames> users_;
  BootId boot_;
  std::uint64_t page_;
  PidList pids_;
  SharedPidList listed_;
  std::vector<std::unique_ptr<Tracked>> tracked_;  ///< By pid, rising.
  pid_t last_turn_ = 0;                            ///< The turns go on behind this pid.
  std::optional<MonoTime> previous_;               ///< The scan before this one.
};

Result<ProcessScan> ProcessSource::Tracker::scan(Thoroughness thoroughness, MonoTime now) {
  const bool thorough = thoroughness == Thoroughness::thorough;
  if (auto error = list(thorough)) {
    return std::unexpected(std::move(*error));
  }
  std::size_t verified = 0;
  for (const auto& process : tracked_) {
    const bool is_new = process->kind == Kind::unread;
    const bool is_suspect = process->inode != process->verified_inode;
    if (is_new || (is_suspect && verified++ < kMostVerified)) {
      read(*process, now);
    }
  }
  const std::size_t turns = std::max<std::size_t>(options_.turns, 1);
  const std::size_t share = (tracked_.size() + turns - 1) / turns;
  read_turns(thorough ? tracked_.size() : std::max(share, options_.least_reads), now);
  read_watched(now);
  if (std::erase_if(tracked_, [](const auto& process) { return process->gone; }) > 0) {
    pids_.distrust();  // a freed pid may be in use again already: list anew
  }
  previous_ = now;
  return result();
}

/// Takes over who is there, if somebody came or went since the last time.
std::optional<Error> ProcessSource::Tracker::list(bool thorough) {
  auto changes = pids_.changes(thorough);
  if (!changes) {
    return std::move(changes.error());
  }
  if (!*changes) {
    return std::nullopt;
  }
  // Both are sorted by pid: walk them side by side.
  std::vector<std::unique_ptr<Tracked>> merged;
  merged.reserve((*changes)->size());
  auto known = tracked_.begin();
  for (const auto& [pid, inode] : **changes) {
    while (known != tracked_.end() && (*known)->pid < pid) {
      ++known;
    }
    const bool is_known = known != tracked_.end() && (*known)->pid == pid;
    merged.push_back(is_known ? std::move(*known++) : std::make_unique<Tracked>());
    merged.back()->pid = pid;
    merged.back()->inode = inode;
  }
  tracked_ = std::move(merged);
  listed_ = std::make_shared<const std::vector<PidList::Entry>>(std::move(**changes));
  return std::nullopt;
}

/// The next `share` processes behind the one that was last.
void ProcessSource::Tracker::read_turns(std::size_t share, MonoTime now) {
  const auto begin = std::ranges::upper_bound(tracked_, last_turn_, {},
                                              [](const auto& process) { return process->pid; });
  const auto start = static_cast<std::size_t>(begin - tracked_.begin());
  for (std::size_t i = 0; i < tracked_.size() && share > 0; ++i) {
    Tracked& process = *tracked_.at((start + i) % tracked_.size());
    if (process.gone || process.kind == Kind::kernel || process.kind == Kind::unread) {
      continue;
    }
    last_turn_ = process.pid;
    --share;
    if (process.read_at != now || process.kind == Kind::hidden) {
      read(process, now);
    }
  }
}

void ProcessSource::Tracker::read_watched(MonoTime now) {
  for (const auto& process : tracked_) {
    if (!process->watched || process->gone || process->read_at == now) {
      continue;
    }
    std::array<char, 128> buffer;
    const RawRead text =
        process->statm ? read_start(process->statm.get(), buffer) : RawRead(std::unexpected(EBADF));
    const auto pages = text ? parse_statm_resident(*text) : std::nullopt;
    // Half of it gone at once may be an exec, and a new one may not be done with it: then its name
    // is read as well.
    const bool may_be_other =
        process->is_young() || (pages && *pages < process->rss.count / page_ / 2);
    if (pages && !may_be_other) {
      note(*process, *pages, now);
    } else if (!text && is_gone(text.error())) {
      // This life is over. If the pid lives on, it is somebody else, met at the next listing.
      process->gone = true;
    } else {
      read(*process, now);
    }
  }
}

/// Reads one process through its stat file, which also tells whether it is still the same one.
void ProcessSource::Tracker::read(Tracked& process, MonoTime now) {
  if (process.kind == Kind::unread || process.kind == Kind::hidden) {
    meet(process, now);
    return;
  }
  const auto stat = read_pid_stat(proc(), process.pid);
  if (!stat) {
    process.gone = is_gone(stat.error());
    return;  // else unreadable this time: the old figures stay, and their age tells
  }
  if (stat->start_ticks != process.start_ticks) {
    // Another life under the same pid inherits nothing, watchfulness included.
    const pid_t pid = process.pid;
    const ino_t inode = process.inode;
    process = Tracked{};
    process.pid = pid;
    process.inode = inode;
    meet(process, now);
    return;
  }
  process.verified_inode = process.inode;
  if (process.kind == Kind::user) {
    keep_identity_fresh(process, *stat);
    note(process, stat->rss_pages, now);
  }
}

/// The first reading of a process: who it is and what it uses.
void ProcessSource::Tracker::meet(Tracked& process, MonoTime now) {
  const auto files = ProcessFiles::open(proc(), process.pid);
  const auto stat = files ? files->stat() : std::unexpected(files.error());
  if (!stat) {
    process.gone = is_gone(stat.error());
    process.kind = Kind::hidden;
    process.verified_inode = process.inode;
    return;
  }
  const bool was_hidden = process.kind == Kind::hidden;
  process.verified_inode = process.inode;
  process.start_ticks = stat->start_ticks;
  process.kind = stat->kernel_thread ? Kind::kernel : Kind::user;
  if (process.kind == Kind::kernel) {
    return;
  }
  process.comm = stat->comm;
  process.identity =
      std::make_shared<const ProcessIdentity>(files->identity(*stat, boot_, *users_));
  // Who was there before us has settled; its turn for a second look is drawn by its pid.
  process.identity_turns = previous_ ? kYoung : static_cast<unsigned>(process.pid) % kYoung;
  if (previous_ && *previous_ < now && !was_hidden) {
    // It was not there at the previous scan, so all that it uses is growth since then.
    process.marks.add(*previous_, Bytes{}, options_.growth_window);
  }
  note(process, stat->rss_pages, now);
}

void ProcessSource::Tracker::keep_identity_fresh(Tracked& process, const PidStat& stat) {
  const bool is_due = ++process.identity_turns >= kIdentityTurns;
  if (is_due || stat.comm != process.comm) {
    const auto files = ProcessFiles::open(proc(), process.pid);
    const auto again = files ? files->stat() : std::unexpected(files.error());
    if (again && again->start_ticks == process.start_ticks) {
      process.comm = again->comm;
      process.identity = std::make_shared<const ProcessIdentity>(
          files->identity(*again, boot_, *users_, process.identity.get()));
      process.identity_turns = 0;
    }
    return;
  }
  // The parent may have died; the user's name may have come from a directory service meanwhile.
  std::string user = users_->name(process.identity->uid);
  if (stat.parent != process.identity->parent || user != process.identity->user) {
    ProcessIdentity changed = *process.identity;
    changed.parent = stat.parent;
    changed.user = std::move(user);
    process.identity = std::make_shared<const ProcessIdentity>(std::move(changed));
  }
}

void ProcessSource::Tracker::note(Tracked& process, std::uint64_t pages, MonoTime now) {
  process.rss = Bytes{pages * page_};
  process.read_at = now;
  process.growth = process.marks.until(now, process.rss, options_.growth_window);
  process.marks.add(now, process.rss, options_.growth_window);
}

ProcessScan ProcessSource::Tracker::result() {
  std::vector<Tracked*> by_size;
  by_size.reserve(tracked_.size());
  for (const auto& process : tracked_) {
    if (process->kind == Kind::user) {
      by_size.push_back(process.get());
    }
  }
  std::ranges::sort(by_size, [](const Tracked* a, const Tracked* b) {
    return a->rss != b->rss ? a->rss > b->rss : a->pid < b->pid;
  });
  watch(by_size);

  ProcessScan scan;
  scan.seen = tracked_.size();
  scan.listed = listed_;
  scan.processes.reserve(by_size.size());
  for (const Tracked* process : by_size) {
    ProcessReading reading{.identity = process->identity,
                           .rss = process->rss,
                           .pss = std::nullopt,
                           .growth_per_second = std::nullopt,
                           .growth_window = Seconds{0},
                           .read_at = process->read_at};
    if (process->growth) {
      reading.growth_per_second = process->growth->bytes_per_second;
      reading.growth_window = process->growth->window;
    }
    scan.processes.push_back(std::move(reading));
  }
  return scan;
}

/// Chooses who is read at every scan from now on.
void ProcessSource::Tracker::watch(const std::vector<Tracked*>& by_size) {
  const std::size_t top = std::min(options_.top, by_size.size());
  std::vector<Tracked*> growing;
  for (Tracked* process : by_size) {
    if (process->growth && process->growth->bytes_per_second > 0) {
      growing.push_back(process);
    }
  }
  const std::size_t growers = std::min(options_.growers, growing.size());
  const auto middle = growing.begin() + static_cast<std::ptrdiff_t>(growers);
  std::ranges::partial_sort(growing, middle, std::ranges::greater{},
                            [](const Tracked* process) { return process->growth->grown_bytes(); });
  growing.erase(middle, growing.end());
  for (std::size_t i = top; i < by_size.size(); ++i) {
    set_watched(*by_size[i], std::ranges::find(growing, by_size[i]) != growing.end());
  }
  for (std::size_t i = 0; i < top; ++i) {
    set_watched(*by_size[i], true);
  }
}

void ProcessSource::Tracker::set_watched(Tracked& process, bool watched) const {
  if (process.watched == watched) {
    return;
  }
  process.watched = watched;
  process.statm = watched ? open_statm(proc(), process.pid) : Fd{};
  if (process.statm) {
    // Opened by number: make sure that it is still the process we know.
    const auto stat = read_pid_stat(proc(), process.pid);
    if (!stat || stat->start_ticks != process.start_ticks) {
      process.statm = Fd{};
    }
  }
}

ProcessSource::ProcessSource(Root root, Options options, std::shared_ptr<UserNames> users)
    : tracker_(std::make_unique<Tracker>(std::move(root), options, std::move(users))) {}
ProcessSource::~ProcessSource() = default;
ProcessSource::ProcessSource(ProcessSource&&) noexcept = default;
ProcessSource& ProcessSource::operator=(ProcessSource&&) noexcept = default;

Result<ProcessScan> ProcessSource::scan(Thoroughness thoroughness, MonoTime now) {
  return tracker_->scan(thoroughness, now);
}

void ProcessSource::set_top(std::size_t top) { tracker_->set_top(top); }

Result<Bytes> read_pss(const Root& root, const ProcessId& id) {
  const Fd proc(::open(root.at("/proc").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!proc) {
    return std::unexpected(file_error("cannot open " + root.at("/proc"), errno));
  }
  const auto files = ProcessFiles::open(proc.get(), id.pid);
  const auto stat = files ? files->stat() : std::unexpected(files.error());
  if (stat && stat->start_ticks != id.start_ticks) {
    return fail(ErrorCode::not_found,
                fmt::format("process {} has ended; its number belongs to another one now", id.pid));
  }
  const auto pss = stat ? files->pss() : std::unexpected(stat.error());
  if (!pss) {
    return std::unexpected(file_error(
        fmt::format("cannot read the proportional set of process {}", id.pid), pss.error()));
  }
  return *pss;
}

BootId read_boot_id(const Root& root) {
  const auto text = root.read("/proc/sys/kernel/random/boot_id");
  return text ? BootId::parse(*text).value_or(BootId{}) : BootId{};
}

}  // namespace levee::sources
