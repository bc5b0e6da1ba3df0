// Kinship: which processes belong to which account (a lease), and what they use together.
//
// A process is kin of an account when, the first that holds:
//   1. it is the owner: boot id, pid and start time are equal;
//   2. its environment at exec says LEVEE_LEASE=ACCOUNT and it runs as the account's user, so that
//      nobody books on a stranger's account (root neither). A tag that its parent carries as well
//      was only inherited, and does not outrank an account that the parent has otherwise;
//   3. its parent is kin;
//   4. it was kin before. Who is reparented to init stays in the family;
//   5. it is in the owner's cgroup, and that is the owner's own: a container's, a Slurm job's, or a
//      systemd service or scope that is no login session, in which the owner is the oldest process,
//      or only its `levee run` is older. Only the very cgroup, none above or below. A shared
//      container or a terminal's scope so makes nobody kin; what is doubtful does not count.
// So the nearest account wins where one job runs inside another. Of several accounts with the same
// owner, the first in the list has its processes. Users do not matter to 1, 3, 4 and 5: a sudo in a
// job is a part of it.
//
// Limits. A process whose parent ended within the second in which both were started, and which
// dropped the tag, is a stranger. So is one, for up to a second, that was met between fork and
// exec. When the first account appears, tags of processes that were there before are read in turns.
// An environment that we may not read says nothing; that is no error.
//
// Cost, of processor time on a small virtual machine: without accounts none. Else 30 µs a tick when
// nobody came or went. When somebody did, /proc is listed (1.1 µs a process, 6 ms for 5,000, unless
// a list is handed in) and each newcomer read (30 µs, and once more a second later). host_use()
// takes 3 µs a member, account_of() less than 0.1 µs. The first refresh with an account reads
// everybody (15 µs a process), and tags in turns after that (64 a tick).
//
// One owner thread.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/process_id.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"
#include "sources/cgroup.hpp"
#include "sources/file.hpp"
#include "sources/pid_list.hpp"
#include "sources/process_files.hpp"
#include "sources/root.hpp"

namespace levee::sources {

/// The variable that names a process's account.
inline constexpr std::string_view kLeaseVariable = "LEVEE_LEASE";

/// An account to look for.
struct Kin {
  std::string account;
  ProcessId owner;  ///< pid 0: it has none, and only the tag counts.
  uid_t uid = 0;    ///< Whose processes may carry the tag.

  auto operator<=>(const Kin&) const = default;
};

/// What the processes of an account use together.
struct HostUse {
  Bytes rss;  ///< Sum of the resident sets: a page that several share counts once for each.
  std::size_t processes = 0;
};

class Kinship {
 public:
  explicit Kinship(Root root);

  /// The accounts there are now. Members of one that is left out are its members no more.
  void set_accounts(std::vector<Kin> accounts);

  /// Learns who came and went. To be called before the questions below, once a tick. Fails when
  /// /proc cannot be listed; then all stays as it was.
  [[nodiscard]] Result<void> refresh(MonoTime now);

  /// The same from a list that somebody else has made (ProcessScan::listed): listing /proc is most
  /// of the cost. Nothing is done where that is null.
  void refresh(const SharedPidList& listed, MonoTime now);

  /// The account of a process, or nothing. One that came after refresh() is met now.
  [[nodiscard]] std::optional<std::string> account_of(const ProcessId& process, MonoTime now);

  /// The processes of an account, as of the last refresh().
  [[nodiscard]] std::vector<pid_t> members_of(std::string_view account) const;

  /// What each account uses at this moment, an account without processes included.
  [[nodiscard]] std::map<std::string, HostUse> host_use();

 private:
  static constexpr int kNone = -1;

  struct Account {
    Kin kin;
    bool cgroup_is_known = false;
    std::optional<std::string> cgroup;  ///< Directory of the owner's own, see own_cgroup().
  };
  enum class Looked { never, once, enough };
  enum class Place { unknown, being_found, found };
  struct Process {
    pid_t pid = 0;
    ino_t inode = 0;
    std::uint64_t start_ticks = 0;
    pid_t parent = 0;
    bool is_stranger_for_good = false;  ///< A kernel thread, or nothing about it can be read.
    bool is_levee = false;              ///< By its name.
    bool was_reparented = false;
    Looked looked = Looked::never;  ///< At the environment.
    Place place = Place::unknown;
    int account = kNone;  ///< Index into accounts_.
    MonoTime looked_at;
    std::string tag;
    std::optional<uid_t> uid;  ///< Read when a tag asks for it.
    Fd statm;
  };
  struct Owner {
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;
    int account = kNone;
  };

  // Who is there (kinship_census.cpp).
  [[nodiscard]] Process* find(pid_t pid);
  [[nodiscard]] Process* parent_of(const Process& process);
  [[nodiscard]] Process* meet(const ProcessId& id, MonoTime now);
  void take_over(const std::vector<PidList::Entry>* listed, MonoTime now);
  void merge(const std::vector<PidList::Entry>& listed, MonoTime now);
  [[nodiscard]] bool is_same(Process& known, ino_t inode) const;
  [[nodiscard]] Process read(pid_t pid, ino_t inode, bool look_too, MonoTime now) const;
  void forget(Process& process);
  void follow_orphans(const std::vector<pid_t>& gone);
  void look_in_turns(MonoTime now);
  void look(Process& process, MonoTime now);
  static void note_tag(Process& process, const ProcessFiles& files, MonoTime now);

  // Where they belong.
  void place_all();
  void place(Process& process);
  [[nodiscard]] int account_for(Process& process, const Process* parent) const;
  [[nodiscard]] int owned_by(const Process& process) const;
  [[nodiscard]] int tagged_as(Process& process) const;
  void join_cgroups();
  [[nodiscard]] std::optional<std::string> cgroup_of(const Account& account,
                                                     const CgroupMounts& mounts) const;
  [[nodiscard]] bool leads(const Process& owner, const std::vector<pid_t>& cgroup);

  [[nodiscard]] std::optional<Bytes> resident(Process& process);

  Root root_;
  BootId boot_;
  PidList list_;
  SharedPidList merged_;  ///< The last one handed in.
  Fd proc_;
  std::vector<Account> accounts_;
  std::vector<Owner> owners_;                      ///< By pid, then as in accounts_.
  std::map<std::string, int, std::less<>> named_;  ///< Account → index.
  std::vector<Process> table_;                     ///< By pid.
  std::vector<Process*> line_;                     ///< Of place(), kept for its memory.
  std::size_t open_files_ = 0;
  std::size_t next_turn_ = 0;
  bool must_place_all_ = false;
  bool somebody_is_new_ = false;
  bool must_join_cgroups_ = false;
  MonoTime joined_at_;
};

}  // namespace levee::sources
