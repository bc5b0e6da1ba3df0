#include "sources/kinship.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "sources/processes.hpp"
#include "unit/sources/kinship_tree.hpp"

namespace levee::sources {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using testing::ElementsAre;
using testing::Optional;
using testing::Pair;

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

}  // namespace
}  // namespace levee::sources
