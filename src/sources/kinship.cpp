#include "sources/kinship.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>

#include "sources/cgroup.hpp"
#include "sources/fields.hpp"
#include "sources/own_cgroup.hpp"
#include "sources/process_walk.hpp"
#include "sources/processes.hpp"

namespace levee::sources {
namespace {

/// A process asked for by name that was a stranger is looked at again after this: it may have
/// become another program.
constexpr std::chrono::seconds kDoubtLasts{10};
constexpr std::chrono::seconds kCgroupsLast{5};
/// Descriptors kept open, for cheap readings of members.
constexpr std::size_t kMostOpenFiles = 256;

std::vector<pid_t> parse_pids(std::string_view text) {
  std::vector<pid_t> pids;
  while (!text.empty()) {
    if (const auto pid = to_number<pid_t>(take_line(text)); pid && *pid > 0) {
      pids.push_back(*pid);
    }
  }
  return pids;
}

}  // namespace

Kinship::Kinship(Root root)
    : root_(std::move(root)), boot_(read_boot_id(root_)), list_(root_), proc_(open_proc(root_)) {}

void Kinship::set_accounts(std::vector<Kin> accounts) {
  const auto same = [](const Account& known, const Kin& kin) { return known.kin == kin; };
  if (std::ranges::equal(accounts_, accounts, same)) {
    return;
  }
  std::map<Kin, Account*> known;
  for (Account& account : accounts_) {
    known.try_emplace(account.kin, &account);
  }
  // Who stays keeps its members and what is known of its cgroup; its index may be another one now.
  std::vector<int> moved(accounts_.size(), kNone);
  std::vector<Account> next;
  named_.clear();
  owners_.clear();
  for (Kin& kin : accounts) {
    const int index = static_cast<int>(next.size());
    named_.try_emplace(kin.account, index);
    if (kin.owner.pid > 0 && kin.owner.boot == boot_) {
      owners_.push_back(
          {.pid = kin.owner.pid, .start_ticks = kin.owner.start_ticks, .account = index});
    }
    const auto before = known.find(kin);
    if (before == known.end()) {
      next.push_back({.kin = std::move(kin), .cgroup_is_known = false, .cgroup = std::nullopt});
      continue;
    }
    moved.at(static_cast<std::size_t>(before->second - accounts_.data())) = index;
    next.push_back(std::move(*before->second));
    known.erase(before);
  }
  std::ranges::sort(owners_, {},
                    [](const Owner& owner) { return std::pair(owner.pid, owner.account); });
  for (Process& process : table_) {
    if (process.account != kNone) {
      process.account = moved.at(static_cast<std::size_t>(process.account));
    }
  }
  accounts_ = std::move(next);
  must_place_all_ = true;
  must_join_cgroups_ = true;
}

Result<void> Kinship::refresh(MonoTime now) {
  if (accounts_.empty()) {
    take_over(nullptr, now);
    return {};
  }
  const auto changes = list_.changes(table_.empty());
  if (!changes) {
    return std::unexpected(changes.error());
  }
  take_over(*changes ? &**changes : nullptr, now);
  return {};
}

void Kinship::refresh(const SharedPidList& listed, MonoTime now) {
  if (listed == nullptr) {
    return;
  }
  const bool is_known = listed == merged_ && !table_.empty();
  merged_ = listed;
  take_over(is_known ? nullptr : listed.get(), now);
}

/// `listed`: null when nobody came or went.
void Kinship::take_over(const std::vector<PidList::Entry>* listed, MonoTime now) {
  if (accounts_.empty()) {
    table_.clear();
    open_files_ = 0;
    return;
  }
  if (listed != nullptr) {
    merge(*listed, now);
  }
  look_in_turns(now);
  place_all();
  if (must_join_cgroups_ || now - joined_at_ >= kCgroupsLast) {
    join_cgroups();
    must_join_cgroups_ = false;
    joined_at_ = now;
  }
}

std::optional<std::string> Kinship::account_of(const ProcessId& id, MonoTime now) {
  if (accounts_.empty() || id.boot != boot_ || id.pid <= 0) {
    return std::nullopt;
  }
  Process* process = find(id.pid);
  if (process == nullptr || process->start_ticks != id.start_ticks) {
    process = meet(id, now);
    if (process == nullptr) {
      return std::nullopt;
    }
  }
  const bool is_doubtful = process->account == kNone && now - process->looked_at >= kDoubtLasts;
  if (process->looked == Looked::never || is_doubtful) {
    look(*process, now);
  }
  place_all();
  return process->account == kNone
             ? std::nullopt
             : std::optional(accounts_[static_cast<std::size_t>(process->account)].kin.account);
}

std::vector<pid_t> Kinship::members_of(std::string_view account) const {
  std::vector<pid_t> members;
  for (const Process& process : table_) {
    if (process.account != kNone &&
        accounts_[static_cast<std::size_t>(process.account)].kin.account == account) {
      members.push_back(process.pid);
    }
  }
  return members;
}

std::map<std::string, HostUse> Kinship::host_use() {
  std::map<std::string, HostUse> use;
  for (const Account& account : accounts_) {
    use.try_emplace(account.kin.account);
  }
  for (Process& process : table_) {
    if (process.account == kNone) {
      continue;
    }
    if (const auto rss = resident(process)) {
      HostUse& sum = use[accounts_[static_cast<std::size_t>(process.account)].kin.account];
      sum.rss += *rss;
      ++sum.processes;
    }
  }
  return use;
}

/// Nothing when the process has ended, or cannot be read.
std::optional<Bytes> Kinship::resident(Process& process) {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (process.statm) {
    std::array<char, 128> buffer;
    const RawRead text = read_start(process.statm.get(), buffer);
    const auto pages = text ? parse_statm_resident(*text) : std::nullopt;
    return pages ? std::optional(Bytes{*pages * page}) : std::nullopt;
  }
  Fd statm = open_files_ < kMostOpenFiles ? open_statm(proc_.get(), process.pid) : Fd{};
  // Both were opened by number: make sure that it is still the process we know.
  const auto stat = read_pid_stat(proc_.get(), process.pid);
  if (!stat || stat->start_ticks != process.start_ticks) {
    return std::nullopt;
  }
  if (statm) {
    process.statm = std::move(statm);
    ++open_files_;
  }
  return Bytes{stat->rss_pages * page};
}

// --- where they belong

void Kinship::place_all() {
  if (must_place_all_) {
    for (Process& process : table_) {
      process.place = Place::unknown;
    }
  }
  if (must_place_all_ || somebody_is_new_) {
    for (Process& process : table_) {
      place(process);
    }
  }
  must_place_all_ = false;
  somebody_is_new_ = false;
}

/// Places a process, and first those above it; without recursion, as families can be deep.
void Kinship::place(Process& process) {
  line_.clear();
  Process* next = &process;
  while (next != nullptr && next->place == Place::unknown) {
    next->place = Place::being_found;  // a family tree that bites its own tail ends here
    line_.push_back(next);
    next = parent_of(*next);
  }
  const Process* parent = next != nullptr && next->place == Place::found ? next : nullptr;
  for (; !line_.empty(); line_.pop_back()) {
    Process& member = *line_.back();
    member.account = account_for(member, parent);
    member.place = Place::found;
    parent = &member;
  }
}

int Kinship::account_for(Process& process, const Process* parent) const {
  if (process.is_stranger_for_good) {
    return kNone;
  }
  if (const int owned = owned_by(process); owned != kNone) {
    return owned;
  }
  const int inherited = parent != nullptr ? parent->account : kNone;
  const bool has_tag_of_parent = parent != nullptr && parent->tag == process.tag;
  const int tagged = tagged_as(process);
  if (tagged != kNone && (!has_tag_of_parent || inherited == kNone)) {
    return tagged;
  }
  if (process.was_reparented && process.account != kNone) {
    return process.account;
  }
  return inherited != kNone ? inherited : process.account;
}

int Kinship::owned_by(const Process& process) const {
  for (const Owner& owner : std::ranges::equal_range(owners_, process.pid, {}, &Owner::pid)) {
    if (owner.start_ticks == process.start_ticks) {
      return owner.account;
    }
  }
  return kNone;
}

int Kinship::tagged_as(Process& process) const {
  const auto named = process.tag.empty() ? named_.end() : named_.find(process.tag);
  if (named == named_.end()) {
    return kNone;
  }
  if (!process.uid) {
    const auto files = ProcessFiles::open(proc_.get(), process.pid);
    const auto uid = files ? files->uid() : std::unexpected(files.error());
    if (!uid) {
      return kNone;
    }
    process.uid = *uid;
  }
  const Account& account = accounts_[static_cast<std::size_t>(named->second)];
  return account.kin.uid == *process.uid ? named->second : kNone;
}

void Kinship::join_cgroups() {
  std::optional<CgroupMounts> mounts;  // read when the first account needs them
  for (const Owner& owned : owners_) {
    Account& account = accounts_[static_cast<std::size_t>(owned.account)];
    const Process* const owner = find(owned.pid);
    if (owner == nullptr || owner->account != owned.account) {
      continue;  // it has ended, or its processes count for another account of its
    }
    if (!account.cgroup_is_known) {
      constexpr std::size_t kLimit = std::size_t{4} * 1024 * 1024;
      if (!mounts) {
        mounts = parse_mountinfo(root_.read("/proc/self/mountinfo", kLimit).value_or(""));
      }
      account.cgroup = cgroup_of(account, *mounts);
      account.cgroup_is_known = true;
    }
    if (!account.cgroup) {
      continue;
    }
    const std::vector<pid_t> pids =
        parse_pids(root_.read(*account.cgroup + "/cgroup.procs").value_or(""));
    if (!leads(*owner, pids)) {
      continue;
    }
    for (const pid_t pid : pids) {
      Process* const process = find(pid);
      if (process->account == kNone && !process->is_levee) {
        process->account = owned.account;
      }
    }
  }
}

std::optional<std::string> Kinship::cgroup_of(const Account& account,
                                              const CgroupMounts& mounts) const {
  const auto files = ProcessFiles::open(proc_.get(), account.kin.owner.pid);
  const auto text = files ? files->cgroups() : std::unexpected(files.error());
  return text ? own_cgroup(*text, mounts) : std::nullopt;
}

/// Whether nobody in the cgroup is older than `owner`, its own `levee run` apart. False also when
/// somebody is there whom we have not met yet.
bool Kinship::leads(const Process& owner, const std::vector<pid_t>& cgroup) {
  return std::ranges::all_of(cgroup, [&](pid_t pid) {
    const Process* const process = find(pid);
    if (process == nullptr || process->is_stranger_for_good) {
      return false;
    }
    const bool is_older =
        std::pair(process->start_ticks, process->pid) < std::pair(owner.start_ticks, owner.pid);
    return !is_older || (process->pid == owner.parent && process->is_levee);
  });
}

}  // namespace levee::sources
