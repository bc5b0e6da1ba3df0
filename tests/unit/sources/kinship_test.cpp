#include "sources/kinship.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "sources/own_cgroup.hpp"
#include "sources/proc_text.hpp"
#include "sources/processes.hpp"
#include "unit/sources/tree.hpp"

namespace levee::sources {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using testing::ElementsAre;
using testing::Key;
using testing::Optional;
using testing::Pair;

const auto kNobody = std::nullopt;
const MonoTime kStart = MonoTime{} + 1000s;

/// A machine that has only just started.
struct Machine : Tree {
  Machine() {
    write("/proc/sys/kernel/random/boot_id", "4b1c6b66-7e01-4b52-9f0a-1c9d2a7f0e11\n");
    put({.pid = 1, .start = 1, .comm = "init", .uid = 0, .parent = 0});
    put({.pid = 2, .start = 1, .comm = "kthreadd", .uid = 0, .parent = 0, .kernel_thread = true});
  }
};

class KinshipTree : public testing::Test {
 protected:
  [[nodiscard]] ProcessId id(pid_t pid, std::uint64_t start) const {
    return {read_boot_id(tree.root()), pid, start};
  }
  /// Pids rise with time in this tree.
  [[nodiscard]] ProcessId id(pid_t pid) const {
    return id(pid, 1000 + static_cast<std::uint64_t>(pid));
  }
  [[nodiscard]] Kin kin(std::string account, pid_t owner, uid_t uid = 1000) const {
    return {
        .account = std::move(account), .owner = owner == 0 ? ProcessId{} : id(owner), .uid = uid};
  }

  struct Who {
    pid_t pid = 0;
    pid_t parent = 1;
    const char* tag = "";
    uid_t uid = 1000;
    std::uint64_t pages = 10;
    const char* comm = "worker";
  };
  void put(const Who& who) const {
    tree.put({.pid = who.pid,
              .pages = who.pages,
              .start = id(who.pid).start_ticks,
              .comm = who.comm,
              .uid = who.uid,
              .parent = who.parent});
    tag(who.pid, who.tag);
  }
  void tag(pid_t pid, const std::string& account) const {
    tree.write(fmt::format("/proc/{}/environ", pid),
               "PATH=/bin\0"s + (account.empty() ? "" : "LEVEE_LEASE=" + account + "\0"s));
  }

  /// A second later.
  void refresh() {
    now += 1s;
    ASSERT_TRUE(kinship.refresh(now));
  }
  std::optional<std::string> account_of(pid_t pid) { return kinship.account_of(id(pid), now); }
  /// Pages in use, by account.
  std::map<std::string, std::uint64_t> pages() {
    std::map<std::string, std::uint64_t> pages;
    for (const auto& [account, use] : kinship.host_use()) {
      pages[account] = use.rss.count / page_size();
    }
    return pages;
  }

  Machine tree;
  Kinship kinship{tree.root()};
  MonoTime now = kStart;
};

TEST_F(KinshipTree, DoesNothingWithoutAccounts) {
  tree.remove("/proc");
  EXPECT_TRUE(kinship.refresh(now));  // it does not even look
  EXPECT_EQ(account_of(1), kNobody);
  EXPECT_TRUE(kinship.host_use().empty());
}

TEST_F(KinshipTree, TellsThatProcCannotBeListed) {
  kinship.set_accounts({kin("a", 10)});
  tree.remove("/proc");
  EXPECT_FALSE(kinship.refresh(now));
}

TEST_F(KinshipTree, FindsTheOwnerAndAllBelowIt) {
  put({.pid = 10});
  put({.pid = 11, .parent = 10});
  put({.pid = 12, .parent = 11, .uid = 0});  // sudo
  put({.pid = 13});
  kinship.set_accounts({kin("a", 10)});
  refresh();
  for (const pid_t pid : {10, 11, 12}) {
    EXPECT_THAT(account_of(pid), Optional("a"s)) << pid;
  }
  for (const pid_t pid : {1, 2, 13, 14}) {
    EXPECT_EQ(account_of(pid), kNobody) << pid;
  }
}

TEST_F(KinshipTree, SumsTheMemoryOfMembers) {
  put({.pid = 10, .pages = 100});
  put({.pid = 11, .parent = 10, .pages = 20});
  put({.pid = 12, .tag = "b", .pages = 3});
  put({.pid = 13, .pages = 1'000'000});
  kinship.set_accounts({kin("a", 10), kin("b", 0), kin("c", 77)});
  refresh();
  refresh();
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 120), Pair("b", 3), Pair("c", 0)));
  put({.pid = 11, .parent = 10, .pages = 25});
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 125), Pair("b", 3), Pair("c", 0)));
  tree.remove("/proc/11");
  refresh();
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 100), Pair("b", 3), Pair("c", 0)));
  EXPECT_EQ(kinship.host_use().at("a").processes, 1U);
}

TEST_F(KinshipTree, MistakesNoOtherProcessForTheOwner) {
  put({.pid = 10});
  put({.pid = 11, .parent = 10});
  Kin other_boot = kin("boot", 10);
  other_boot.owner.boot.low ^= 1;
  Kin other_start = kin("start", 10);
  other_start.owner.start_ticks -= 1;
  kinship.set_accounts({other_boot, other_start, kin("ends", 10)});
  refresh();
  EXPECT_THAT(account_of(10), Optional("ends"s));
  kinship.set_accounts({other_boot, other_start});
  refresh();
  EXPECT_EQ(account_of(10), kNobody);
  EXPECT_EQ(account_of(11), kNobody);
}

TEST_F(KinshipTree, AReusedPidIsNoKin) {
  put({.pid = 10});
  put({.pid = 11, .parent = 10});
  kinship.set_accounts({kin("a", 10)});
  refresh();
  ASSERT_THAT(account_of(11), Optional("a"s));
  tree.remove("/proc/11");
  tree.put({.pid = 11, .start = 99'000});
  EXPECT_EQ(kinship.account_of(id(11, 99'000), now), kNobody);
  EXPECT_EQ(account_of(11), kNobody);  // who it was has ended
  refresh();
  EXPECT_EQ(kinship.account_of(id(11, 99'000), now), kNobody);
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 10)));
}

TEST_F(KinshipTree, AYoungerProcessIsNobodysParent) {
  put({.pid = 10});
  tree.put({.pid = 11, .start = 5, .parent = 10});  // older than 10: that took over the number
  kinship.set_accounts({kin("a", 10)});
  refresh();
  EXPECT_EQ(kinship.account_of(id(11, 5), now), kNobody);
}

TEST_F(KinshipTree, StaysKinWhenItsParentEnds) {
  put({.pid = 10});
  put({.pid = 11, .parent = 10});
  put({.pid = 12, .parent = 11});
  kinship.set_accounts({kin("a", 10)});
  refresh();
  tree.remove("/proc/11");
  put({.pid = 12, .parent = 1});
  put({.pid = 13, .parent = 12});  // and so does who comes after
  refresh();
  EXPECT_THAT(account_of(12), Optional("a"s));
  EXPECT_THAT(account_of(13), Optional("a"s));
  put({.pid = 99});
  kinship.set_accounts({kin("z", 99), kin("a", 10)});  // whatever else changes
  refresh();
  EXPECT_THAT(account_of(12), Optional("a"s));
  kinship.set_accounts({kin("z", 99)});
  EXPECT_EQ(account_of(12), kNobody);
}

TEST_F(KinshipTree, FollowsTheTagWithoutAnOwner) {
  put({.pid = 12, .tag = "a"});
  put({.pid = 13, .parent = 12});
  put({.pid = 14, .tag = "ab"});
  put({.pid = 15, .tag = "unknown"});
  kinship.set_accounts({kin("a", 0), kin("b", 0)});
  refresh();
  EXPECT_THAT(account_of(12), Optional("a"s));
  EXPECT_THAT(account_of(13), Optional("a"s));
  EXPECT_EQ(account_of(14), kNobody);
  EXPECT_EQ(account_of(15), kNobody);
}

TEST_F(KinshipTree, IgnoresTheForgedTagOfAnotherUser) {
  put({.pid = 12, .tag = "a", .uid = 1001});
  put({.pid = 13, .tag = "a", .uid = 0});
  put({.pid = 14, .tag = "r", .uid = 1000});
  put({.pid = 15, .tag = "r", .uid = 0});
  kinship.set_accounts({kin("a", 0, 1000), kin("r", 0, 0)});
  refresh();
  EXPECT_EQ(account_of(12), kNobody);
  EXPECT_EQ(account_of(13), kNobody);
  EXPECT_EQ(account_of(14), kNobody);
  EXPECT_THAT(account_of(15), Optional("r"s));
}

TEST_F(KinshipTree, TheNearestOfNestedAccountsWins) {
  put({.pid = 10, .tag = "outer"});
  put({.pid = 11, .parent = 10, .tag = "outer"});
  put({.pid = 12, .parent = 11, .tag = "inner"});
  put({.pid = 13, .parent = 12, .tag = "inner"});
  put({.pid = 14, .parent = 13, .tag = "outer"});  // on purpose: its parent says otherwise
  kinship.set_accounts({kin("outer", 10), kin("inner", 12)});
  refresh();
  refresh();
  EXPECT_THAT(account_of(11), Optional("outer"s));
  EXPECT_THAT(account_of(12), Optional("inner"s));
  EXPECT_THAT(account_of(13), Optional("inner"s));
  EXPECT_THAT(account_of(14), Optional("outer"s));
}

TEST_F(KinshipTree, AnInheritedTagDoesNotOutrankAnOwnerBetween) {
  // A job takes a lease by itself: its workers carry the outer tag only because it does.
  put({.pid = 10, .tag = "outer"});
  put({.pid = 11, .parent = 10, .tag = "outer"});
  put({.pid = 12, .parent = 11, .tag = "outer"});
  kinship.set_accounts({kin("outer", 10)});
  refresh();
  refresh();
  EXPECT_THAT(account_of(12), Optional("outer"s));
  kinship.set_accounts({kin("outer", 10), kin("own", 11)});
  refresh();
  EXPECT_THAT(account_of(10), Optional("outer"s));
  EXPECT_THAT(account_of(11), Optional("own"s));
  EXPECT_THAT(account_of(12), Optional("own"s));
  kinship.set_accounts({kin("outer", 10)});
  EXPECT_THAT(account_of(12), Optional("outer"s));
}

TEST_F(KinshipTree, TheFirstOfSeveralAccountsOfAnOwnerHasItsProcesses) {
  put({.pid = 10});
  kinship.set_accounts({kin("b", 10), kin("a", 10)});
  refresh();
  EXPECT_THAT(account_of(10), Optional("b"s));
}

TEST_F(KinshipTree, LooksAgainAfterExec) {
  kinship.set_accounts({kin("a", 0)});
  refresh();
  put({.pid = 12});
  refresh();
  EXPECT_EQ(account_of(12), kNobody);
  tag(12, "a");
  refresh();
  EXPECT_THAT(account_of(12), Optional("a"s));
}

TEST_F(KinshipTree, LooksAgainAtAStrangerWhoIsAskedForNowAndThen) {
  put({.pid = 12});
  kinship.set_accounts({kin("a", 0)});
  refresh();
  ASSERT_EQ(account_of(12), kNobody);
  tag(12, "a");
  now += 9s;
  EXPECT_EQ(account_of(12), kNobody);
  now += 1s;
  EXPECT_THAT(account_of(12), Optional("a"s));
}

TEST_F(KinshipTree, AProcessThatWritesOverItsEnvironmentStaysKin) {
  kinship.set_accounts({kin("a", 0)});
  refresh();
  put({.pid = 12, .tag = "a"});
  refresh();
  tag(12, "");
  refresh();
  kinship.set_accounts({kin("a", 0), kin("b", 0)});
  EXPECT_THAT(account_of(12), Optional("a"s));
}

TEST_F(KinshipTree, MeetsAtOnceWhoIsAskedForByName) {
  put({.pid = 10});
  kinship.set_accounts({kin("a", 10), kin("b", 0)});
  refresh();
  put({.pid = 11, .parent = 10});
  put({.pid = 12, .tag = "b"});
  EXPECT_THAT(account_of(11), Optional("a"s));
  EXPECT_THAT(account_of(12), Optional("b"s));
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 20), Pair("b", 10)));
}

TEST_F(KinshipTree, TakesAListThatSomebodyElseMade) {
  put({.pid = 10});
  put({.pid = 11, .parent = 10});
  ProcessSource source(tree.root(), {}, std::make_shared<UserNames>(tree.root()));
  const auto scan = source.scan(Thoroughness::routine, now);
  ASSERT_TRUE(scan && scan->listed);
  kinship.refresh(scan->listed, now);  // no accounts: nothing to do
  kinship.set_accounts({kin("a", 10)});
  kinship.refresh(nullptr, now);
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 0)));
  kinship.refresh(scan->listed, now);
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 20)));
  put({.pid = 12, .parent = 10});
  kinship.refresh(scan->listed, now);  // the same list: nobody came
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 20)));
  const auto next = source.scan(Thoroughness::thorough, now + 1s);
  ASSERT_TRUE(next);
  kinship.refresh(next->listed, now + 1s);
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 30)));
}

TEST_F(KinshipTree, WhatCannotBeReadIsNoError) {
  put({.pid = 10});
  put({.pid = 11, .parent = 10});
  put({.pid = 12, .tag = "a"});
  tree.remove("/proc/11/environ");
  tree.remove("/proc/12/status");
  tree.write("/proc/13/stat", "nonsense");
  tree.remove("/proc/1/environ");
  kinship.set_accounts({kin("a", 10)});
  refresh();
  EXPECT_THAT(account_of(11), Optional("a"s));
  EXPECT_EQ(account_of(12), kNobody);  // nobody knows whose it is
  EXPECT_EQ(account_of(13), kNobody);
}

TEST_F(KinshipTree, AFamilyTreeThatBitesItsTailEnds) {
  for (const auto& [pid, parent] : {std::pair{20, 22}, {21, 20}, {22, 21}, {23, 23}}) {
    tree.put({.pid = pid, .start = 50, .parent = parent});
  }
  kinship.set_accounts({kin("a", 10)});
  refresh();
  EXPECT_EQ(kinship.account_of(id(21, 50), now), kNobody);
  EXPECT_EQ(kinship.account_of(id(23, 50), now), kNobody);
  Kin in_it = kin("b", 21);
  in_it.owner.start_ticks = 50;
  kinship.set_accounts({in_it});
  refresh();
  EXPECT_THAT(kinship.account_of(id(21, 50), now), Optional("b"s));
}

/// Trees go to memory while it lives.
struct InMemory {
  InMemory() { ::setenv("TMPDIR", "/dev/shm", 1); }
  InMemory(const InMemory&) = delete;
  InMemory& operator=(const InMemory&) = delete;
  ~InMemory() { ::unsetenv("TMPDIR"); }
};

class KinshipLargeTree : private InMemory, public KinshipTree {};

TEST_F(KinshipLargeTree, AFamilyOfTenThousandGenerationsEnds) {
  constexpr pid_t kFirst = 100;
  constexpr pid_t kLast = kFirst + 10'000;
  for (pid_t pid = kFirst; pid <= kLast; ++pid) {
    tree.write(fmt::format("/proc/{}/stat", pid),
               fmt::format("{} (w) S {} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {} 1 1 0 1 1\n", pid,
                           pid == kFirst ? 1 : pid - 1, id(pid).start_ticks));
  }
  kinship.set_accounts({kin("a", kFirst)});
  refresh();
  EXPECT_THAT(account_of(kLast), Optional("a"s));
}

TEST_F(KinshipLargeTree, ReadsMoreMembersThanItKeepsFilesOpen) {
  for (pid_t pid = 1000; pid < 1400; ++pid) {
    put({.pid = pid, .parent = pid == 1000 ? 1 : 1000, .pages = 2});
  }
  kinship.set_accounts({kin("a", 1000)});
  refresh();
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 800)));
  EXPECT_THAT(pages(), ElementsAre(Pair("a", 800)));
}

TEST_F(KinshipLargeTree, ReadsTagsThatWereThereBeforeInTurns) {
  for (pid_t pid = 1000; pid < 1300; ++pid) {
    put({.pid = pid, .tag = pid == 1299 ? "a" : ""});
  }
  kinship.set_accounts({kin("a", 0)});
  int turns = 0;
  while (pages().at("a") == 0 && turns < 100) {
    refresh();
    ++turns;
  }
  EXPECT_GT(turns, 1);
  EXPECT_LT(turns, 10);
}

// --- cgroups

class KinshipInCgroups : public KinshipTree {
 protected:
  KinshipInCgroups() {
    tree.write("/proc/self/mountinfo",
               "25 20 0:22 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n");
  }
  void enclose(const std::string& cgroup, const std::vector<pid_t>& pids) const {
    std::string list;
    for (const pid_t pid : pids) {
      tree.write(fmt::format("/proc/{}/cgroup", pid), "0::" + cgroup + "\n");
      list += fmt::format("{}\n", pid);
    }
    tree.write("/sys/fs/cgroup" + cgroup + "/cgroup.procs", list);
  }
  const std::string container_ = "/system.slice/docker-" + std::string(64, 'a') + ".scope";
};

TEST_F(KinshipInCgroups, TheCgroupThatTheOwnerLeadsIsItsOwn) {
  for (const std::string& cgroup :
       {container_, "/system.slice/train.service"s, "/user.slice/run-r1.scope"s,
        "/system.slice/slurmstepd.scope/job_42/step_0/user/task_0"s}) {
    put({.pid = 10});
    put({.pid = 11});  // docker exec
    put({.pid = 12});
    enclose(cgroup, {10, 11});
    Kinship fresh(tree.root());
    fresh.set_accounts({kin("a", 10)});
    ASSERT_TRUE(fresh.refresh(now));
    EXPECT_THAT(fresh.account_of(id(11), now), Optional("a"s)) << cgroup;
    EXPECT_EQ(fresh.account_of(id(12), now), kNobody) << cgroup;
  }
}

TEST_F(KinshipInCgroups, NeighboursInASharedCgroupAreNoKin) {
  for (const std::string& cgroup :
       {"/"s, "/user.slice"s, "/user.slice/user-1000.slice/session-3.scope"s, "/init.scope"s,
        "/user.slice/user-1000.slice/user@1000.service"s, "/jobs"s, "/system.slice/a.service/b"s}) {
    put({.pid = 10});
    put({.pid = 11});
    enclose(cgroup, {10, 11});
    Kinship fresh(tree.root());
    fresh.set_accounts({kin("a", 10)});
    ASSERT_TRUE(fresh.refresh(now));
    EXPECT_EQ(fresh.account_of(id(11), now), kNobody) << cgroup;
  }
}

TEST_F(KinshipInCgroups, AnOwnerWhoCameLaterLeadsNobody) {
  put({.pid = 9, .comm = "bash"});
  put({.pid = 10, .parent = 9});
  put({.pid = 11, .parent = 9});
  enclose(container_, {9, 10, 11});
  kinship.set_accounts({kin("a", 10)});
  refresh();
  EXPECT_EQ(account_of(9), kNobody);
  EXPECT_EQ(account_of(11), kNobody);
}

TEST_F(KinshipInCgroups, ItsOwnStarterMayBeOlder) {
  put({.pid = 9, .comm = "levee"});
  put({.pid = 10, .parent = 9});
  put({.pid = 11});
  enclose(container_, {9, 10, 11});
  kinship.set_accounts({kin("a", 10)});
  refresh();
  EXPECT_EQ(account_of(9), kNobody);
  EXPECT_THAT(account_of(11), Optional("a"s));
}

TEST_F(KinshipInCgroups, AnAccountOfItsOwnCountsForMoreThanTheCgroup) {
  put({.pid = 10});
  put({.pid = 11});
  put({.pid = 12, .tag = "c"});
  enclose(container_, {10, 11, 12});
  kinship.set_accounts({kin("a", 10), kin("b", 11), kin("c", 0)});
  refresh();
  refresh();
  EXPECT_THAT(account_of(11), Optional("b"s));
  EXPECT_THAT(account_of(12), Optional("c"s));
}

TEST_F(KinshipInCgroups, FindsWhoJoinsLater) {
  put({.pid = 10});
  enclose(container_, {10});
  kinship.set_accounts({kin("a", 10)});
  refresh();
  put({.pid = 11});
  enclose(container_, {10, 11});
  now += 5s;
  refresh();
  EXPECT_THAT(account_of(11), Optional("a"s));
}

TEST(OwnCgroup, LooksBelowTheMounts) {
  const CgroupMounts mounts{.v2 = CgroupMount{"/sys/fs/cgroup/unified", "/"},
                            .v1_memory = CgroupMount{"/sys/fs/cgroup/memory", "/"}};
  EXPECT_THAT(own_cgroup("4:memory:/system.slice/a.service\n0::/\n", mounts),
              Optional("/sys/fs/cgroup/memory/system.slice/a.service"s));
  EXPECT_THAT(own_cgroup("4:memory:/\n0::/system.slice/a.service\n", mounts),
              Optional("/sys/fs/cgroup/unified/system.slice/a.service"s));
  const CgroupMounts elsewhere{.v2 = CgroupMount{"/sys/fs/cgroup", "/docker/x"}, .v1_memory = {}};
  EXPECT_EQ(own_cgroup("0::/system.slice/a.service\n", elsewhere), kNobody);
  EXPECT_EQ(own_cgroup("0::/../a.service\n", mounts), kNobody);
  EXPECT_EQ(own_cgroup("0::/system.slice/a.service\n", CgroupMounts{}), kNobody);
  EXPECT_EQ(own_cgroup("", mounts), kNobody);
  EXPECT_EQ(own_cgroup("nonsense", mounts), kNobody);
}

TEST(ParseEnviron, FindsTheFirstOfThatName) {
  const std::string text = "A=1\0LEVEE_LEASES=x\0XLEVEE_LEASE=y\0LEVEE_LEASE=a=b\0LEVEE_LEASE=c\0"s;
  EXPECT_THAT(parse_environ(text, "LEVEE_LEASE"), Optional("a=b"s));
  EXPECT_THAT(parse_environ("LEVEE_LEASE=\0"s, "LEVEE_LEASE"), Optional(""s));
}

TEST(ParseEnviron, FindsNothingInNonsense) {
  for (const std::string& text :
       {""s, "\0\0\0"s, "LEVEE_LEASE"s, "LEVEE_LEASE\0"s, "LEVEE_LEASE=cut off"s, "=LEVEE_LEASE\0"s,
        "A=LEVEE_LEASE=b\0"s}) {
    EXPECT_EQ(parse_environ(text, "LEVEE_LEASE"), std::nullopt);
  }
}

}  // namespace
}  // namespace levee::sources
