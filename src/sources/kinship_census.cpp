// Kinship: who is there, and what each says of itself.
#include <algorithm>

#include "sources/kinship.hpp"

namespace levee::sources {
namespace {

/// New processes of which the environment is read at once; more than that is a fork bomb, and
/// waits.
constexpr std::size_t kLooksAtNew = 512;
/// So many of those that are left are looked at in each refresh.
constexpr std::size_t kLooksInTurn = 64;
/// A process met between fork and exec has its own environment after this.
constexpr std::chrono::seconds kExecTakes{1};

}  // namespace

Kinship::Process* Kinship::find(pid_t pid) {
  const auto found = std::ranges::lower_bound(table_, pid, {}, &Process::pid);
  return found != table_.end() && found->pid == pid ? &*found : nullptr;
}

/// A parent is never younger than its child: who is has only taken over the number.
Kinship::Process* Kinship::parent_of(const Process& process) {
  Process* const parent = process.parent > 0 ? find(process.parent) : nullptr;
  return parent != nullptr && parent->start_ticks <= process.start_ticks ? parent : nullptr;
}

/// A process that came after the list was made. nullptr when it is gone again, or another one.
Kinship::Process* Kinship::meet(const ProcessId& id, MonoTime now) {
  Process fresh = read(id.pid, 0, true, now);
  if (fresh.start_ticks != id.start_ticks || fresh.is_stranger_for_good) {
    return nullptr;
  }
  const auto at = std::ranges::lower_bound(table_, id.pid, {}, &Process::pid);
  somebody_is_new_ = true;
  if (at == table_.end() || at->pid != id.pid) {
    return &*table_.insert(at, std::move(fresh));
  }
  forget(*at);
  *at = std::move(fresh);
  return &*at;
}

/// Brings the table up to date with a list of /proc.
void Kinship::merge(const std::vector<PidList::Entry>& listed, MonoTime now) {
  std::vector<Process> merged;
  merged.reserve(listed.size());
  std::vector<pid_t> gone;
  std::size_t looks = table_.empty() ? 0 : kLooksAtNew;
  auto known = table_.begin();
  const auto drop = [&](Process& process) {
    gone.push_back(process.pid);
    forget(process);
  };
  for (const auto& [pid, inode] : listed) {
    for (; known != table_.end() && known->pid < pid; ++known) {
      drop(*known);
    }
    const bool is_listed = known != table_.end() && known->pid == pid;
    if (is_listed && is_same(*known, inode)) {
      merged.push_back(std::move(*known++));
      continue;
    }
    if (is_listed) {
      drop(*known++);
    }
    somebody_is_new_ = true;
    merged.push_back(read(pid, inode, looks > 0, now));
    looks -= looks > 0 ? 1 : 0;
  }
  for (; known != table_.end(); ++known) {
    drop(*known);
  }
  table_ = std::move(merged);
  follow_orphans(gone);
}

void Kinship::forget(Process& process) {
  if (process.statm) {
    process.statm = Fd{};
    --open_files_;
  }
}

/// The kernel may give a process's directory another inode number when memory is short.
bool Kinship::is_same(Process& known, ino_t inode) const {
  if (known.inode == inode) {
    return true;
  }
  const auto stat = read_pid_stat(proc_.get(), known.pid);
  if (!stat || stat->start_ticks != known.start_ticks) {
    return false;
  }
  known.inode = inode;
  return true;
}

Kinship::Process Kinship::read(pid_t pid, ino_t inode, bool look_too, MonoTime now) const {
  Process process;
  process.pid = pid;
  process.inode = inode;
  const auto files = ProcessFiles::open(proc_.get(), pid);
  const auto stat = files ? files->stat() : std::unexpected(files.error());
  if (!stat || stat->kernel_thread) {
    process.is_stranger_for_good = true;
    return process;
  }
  process.start_ticks = stat->start_ticks;
  process.parent = stat->parent;
  process.is_levee = stat->comm == "levee";
  if (look_too) {
    note_tag(process, *files, now);
    process.looked = Looked::once;
  }
  return process;
}

/// Asks the children of those who are gone for their new parent.
void Kinship::follow_orphans(const std::vector<pid_t>& gone) {
  if (gone.empty()) {
    return;
  }
  for (Process& process : table_) {
    if (!std::ranges::binary_search(gone, process.parent)) {
      continue;
    }
    const auto stat = read_pid_stat(proc_.get(), process.pid);
    if (stat && stat->start_ticks == process.start_ticks && stat->parent != process.parent) {
      process.parent = stat->parent;
      process.was_reparented = true;
    }
  }
}

/// Looks again at the young, and at some of those that nobody has looked at yet.
void Kinship::look_in_turns(MonoTime now) {
  for (Process& process : table_) {
    if (process.looked == Looked::once && now - process.looked_at >= kExecTakes) {
      look(process, now);
    }
  }
  std::size_t looks = kLooksInTurn;
  for (std::size_t step = 0; step < table_.size() && looks > 0; ++step) {
    next_turn_ = next_turn_ + 1 < table_.size() ? next_turn_ + 1 : 0;
    Process& process = table_[next_turn_];
    if (process.looked == Looked::never && !process.is_stranger_for_good) {
      look(process, now);
      --looks;
    }
  }
}

void Kinship::look(Process& process, MonoTime now) {
  process.looked = Looked::enough;
  process.looked_at = now;
  const auto files = ProcessFiles::open(proc_.get(), process.pid);
  const auto stat = files ? files->stat() : std::unexpected(files.error());
  if (!stat || stat->start_ticks != process.start_ticks) {
    return;  // the next list will tell
  }
  process.is_levee = stat->comm == "levee";
  const std::string before = process.tag;
  note_tag(process, *files, now);
  must_place_all_ = must_place_all_ || process.tag != before;
}

/// A tag once seen stays until there is another: programs write over their environment to change
/// their name in ps.
void Kinship::note_tag(Process& process, const ProcessFiles& files, MonoTime now) {
  process.looked_at = now;
  auto tag = files.variable(kLeaseVariable);
  if (tag && *tag && !(*tag)->empty()) {
    process.tag = std::move(**tag);
  }
}

}  // namespace levee::sources
