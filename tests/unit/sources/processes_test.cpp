#include "sources/processes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tree.hpp"

namespace levee::sources {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

MonoTime at(int s) { return MonoTime{} + seconds(1000 + s); }
Bytes pages(std::uint64_t n) { return Bytes{n * page_size()}; }

class ProcessTree : public testing::Test {
 protected:
  ProcessTree() {
    tree.write("/etc/passwd", "marie:x:1000:1000::/:/bin/sh\n");
    tree.write("/proc/sys/kernel/random/boot_id", "4b1c6b66-7e01-4b52-9f0a-1c9d2a7f0e11\n");
  }
  ProcessSource source(ProcessSource::Options options) const {
    return {tree.root(), options, std::make_shared<UserNames>(tree.root())};
  }
  ProcessSource source() const { return source({}); }

  static ProcessScan routine(ProcessSource& from, MonoTime now) {
    auto scan = from.scan(Thoroughness::routine, now);
    EXPECT_TRUE(scan) << scan.error().message;
    return scan.value_or(ProcessScan{});
  }
  static const ProcessReading* find(const ProcessScan& scan, pid_t pid) {
    const auto found = std::ranges::find_if(
        scan.processes, [pid](const auto& p) { return p.identity->id.pid == pid; });
    return found == scan.processes.end() ? nullptr : &*found;
  }
  static std::vector<pid_t> pids(const ProcessScan& scan) {
    std::vector<pid_t> all;
    for (const auto& process : scan.processes) {
      all.push_back(process.identity->id.pid);
    }
    return all;
  }
  Tree tree;
};

TEST_F(ProcessTree, TellsWhoEachProcessIs) {
  tree.put({.pid = 50, .pages = 100, .start = 77, .comm = "python3", .parent = 9});
  tree.write("/proc/50/cgroup", "0::/docker/" + std::string(64, 'b') + "\n");
  tree.write("/proc/50/oom_score_adj", "-500\n");
  tree.write("/proc/50/status", "Name:\tpython3\nUid:\t1000\t0\t0\t0\nNSpid:\t50\t4\n");
  auto from = source();
  const auto scan = routine(from, at(0));
  ASSERT_THAT(scan.processes, SizeIs(1));
  const ProcessIdentity& who = *scan.processes[0].identity;
  EXPECT_EQ(who.id, (ProcessId{read_boot_id(tree.root()), 50, 77}));
  EXPECT_EQ(who.parent, 9);
  EXPECT_EQ(who.uid, 1000U);
  EXPECT_EQ(who.user, "marie");
  EXPECT_EQ(who.comm, "python3");
  EXPECT_EQ(who.command, "worker --fast");
  EXPECT_EQ(who.cgroup, "/docker/" + std::string(64, 'b'));
  EXPECT_EQ(who.container, std::string(64, 'b'));
  EXPECT_EQ(who.container_pid, 4);
  EXPECT_EQ(who.oom_score_adj, -500);
  EXPECT_EQ(scan.processes[0].rss, pages(100));
  EXPECT_EQ(scan.processes[0].read_at, at(0));
  EXPECT_FALSE(scan.processes[0].growth_per_second);
}

TEST_F(ProcessTree, TellsWhatItCanOfAHalfReadableProcess) {
  tree.put({.pid = 50, .pages = 1, .comm = "x\033y", .cmdline = ""});
  for (const char* file : {"status", "cgroup", "oom_score_adj", "cmdline"}) {
    tree.remove(std::string("/proc/50/") + file);
  }
  auto from = source();
  const auto scan = routine(from, at(0));
  ASSERT_THAT(scan.processes, SizeIs(1));
  const ProcessIdentity& who = *scan.processes[0].identity;
  EXPECT_EQ(who.uid, ::geteuid());  // the owner of the directory
  EXPECT_EQ(who.command, "[x?y]");
  EXPECT_EQ(who.cgroup, "");
  EXPECT_FALSE(who.oom_score_adj);
}

TEST_F(ProcessTree, OrdersByResidentSetAndCountsKernelThreadsOnly) {
  tree.put({.pid = 1, .pages = 10});
  tree.put({.pid = 2, .pages = 0, .kernel_thread = true});
  tree.put({.pid = 300, .pages = 500});
  tree.put({.pid = 40, .pages = 20});
  tree.write("/proc/meminfo", "x");
  auto from = source();
  const auto scan = routine(from, at(0));
  EXPECT_THAT(pids(scan), ElementsAre(300, 40, 1));
  EXPECT_EQ(scan.seen, 4U);
}

TEST_F(ProcessTree, LeavesOutWhatVanishedOrMakesNoSense) {
  tree.put({.pid = 1, .pages = 10});
  tree.write("/proc/7/statm", "5 5\n");             // no stat: vanished in between
  tree.write("/proc/8/stat", "8 (bad S nonsense");  // may not be looked at
  tree.write("/proc/99999999999/stat", "x");
  auto from = source();
  EXPECT_THAT(pids(routine(from, at(0))), ElementsAre(1));
  tree.remove("/proc/1");
  EXPECT_THAT(pids(routine(from, at(1))), IsEmpty());
}

TEST_F(ProcessTree, FailsOnlyWhenProcCannotBeListed) {
  auto from = source();
  tree.remove("/proc");
  const auto scan = from.scan(Thoroughness::routine, at(0));
  ASSERT_FALSE(scan);
  EXPECT_EQ(scan.error().code, ErrorCode::not_found);
  tree.put({.pid = 1, .pages = 10});
  EXPECT_THAT(pids(routine(from, at(1))), ElementsAre(1));
}

TEST_F(ProcessTree, MeasuresGrowthOverTheWindow) {
  auto from = source();
  for (int s = 0; s <= 60; ++s) {
    tree.put({.pid = 5, .pages = 1000 + 10 * static_cast<std::uint64_t>(s)});
    const auto scan = routine(from, at(s));
    const auto* process = find(scan, 5);
    ASSERT_TRUE(process);
    ASSERT_EQ(process->growth_per_second.has_value(), s > 0);
    if (s > 0) {
      EXPECT_NEAR(*process->growth_per_second, static_cast<double>(pages(10).count), 1);
      EXPECT_LE(process->growth_window, seconds(31));
    }
  }
}

TEST_F(ProcessTree, CountsAllOfANewProcessAsGrowth) {
  tree.put({.pid = 5, .pages = 1000});
  auto from = source();
  routine(from, at(0));
  tree.put({.pid = 6, .pages = 5000});
  const auto scan = routine(from, at(2));
  const auto* hog = find(scan, 6);
  ASSERT_TRUE(hog);
  EXPECT_EQ(hog->growth_per_second, static_cast<double>(pages(2500).count));
  EXPECT_EQ(hog->growth_window, seconds(2));
}

TEST_F(ProcessTree, GivesANewLifeUnderAnOldPidNothingOfTheOldOne) {
  tree.put({.pid = 5, .pages = 1000, .start = 10, .comm = "old"});
  auto from = source();
  for (int s = 0; s < 5; ++s) {
    routine(from, at(s));
  }
  tree.remove("/proc/5");
  tree.put({.pid = 5, .pages = 400, .start = 99, .comm = "new"});
  const auto scan = routine(from, at(5));
  const auto* process = find(scan, 5);
  ASSERT_TRUE(process);
  EXPECT_EQ(process->identity->id.start_ticks, 99U);
  EXPECT_EQ(process->identity->comm, "new");
  EXPECT_EQ(process->rss, pages(400));
  EXPECT_EQ(process->growth_per_second, static_cast<double>(pages(400).count));
}

TEST_F(ProcessTree, NoticesAnExecByItsNewName) {
  tree.put({.pid = 5, .pages = 1000, .comm = "bash"});
  auto from = source();
  const auto before = routine(from, at(0));
  tree.put({.pid = 5, .pages = 900, .comm = "python3", .cmdline = "python3"});
  const auto after = routine(from, at(1));
  EXPECT_EQ(find(before, 5)->identity->comm, "bash");
  EXPECT_EQ(find(after, 5)->identity->comm, "python3");
  EXPECT_EQ(find(after, 5)->identity->command, "python3");
}

TEST_F(ProcessTree, SharesTheIdentityOfAProcessThatStaysTheSame) {
  tree.put({.pid = 5, .pages = 1000});
  auto from = source();
  routine(from, at(0));
  routine(from, at(1));
  const auto one = routine(from, at(2));
  const auto two = routine(from, at(3));
  EXPECT_EQ(find(one, 5)->identity, find(two, 5)->identity);
}

TEST_F(ProcessTree, ReadsTheIdentityAgainInTheLongRun) {
  tree.put({.pid = 5, .pages = 1000, .cmdline = "one"});
  auto from = source();
  for (int s = 0; s < 3; ++s) {
    routine(from, at(s));
  }
  tree.put({.pid = 5, .pages = 1000, .cmdline = "two", .parent = 44});
  ProcessScan scan = routine(from, at(3));
  EXPECT_EQ(find(scan, 5)->identity->parent, 44);  // stands in the file that is read anyway
  for (int s = 4; s < 30; ++s) {
    scan = routine(from, at(s));
  }
  EXPECT_EQ(find(scan, 5)->identity->command, "two");
}

TEST_F(ProcessTree, WhoIsEndingKeepsTheCommandLineItHad) {
  tree.put({.pid = 5, .pages = 1000, .cmdline = "train.py"});
  auto from = source();
  routine(from, at(0));
  tree.put({.pid = 5, .pages = 1000, .comm = "python3", .cmdline = ""});
  const ProcessScan scan = routine(from, at(1));
  EXPECT_EQ(find(scan, 5)->identity->comm, "python3");
  EXPECT_EQ(find(scan, 5)->identity->command, "train.py");
}

class ManyProcesses : public ProcessTree {
 protected:
  static constexpr int kCount = 200;
  ManyProcesses() {
    for (int pid = 1; pid <= kCount; ++pid) {
      tree.put({.pid = pid, .pages = 1000U + static_cast<unsigned>(pid)});
    }
  }
};

TEST_F(ManyProcesses, ReadsTheLargestAlwaysAndTheOthersInTurn) {
  auto from = source({.top = 5, .turns = 10, .least_reads = 1});
  routine(from, at(0));
  std::vector<MonoTime> oldest;
  for (int s = 1; s <= 12; ++s) {
    const auto scan = routine(from, at(s));
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(scan.processes[i].read_at, at(s));
    }
    std::size_t fresh = 0;
    for (const auto& process : scan.processes) {
      fresh += process.read_at == at(s) ? 1U : 0U;
      EXPECT_GE(process.read_at, at(s - 10));
    }
    EXPECT_GE(fresh, 20U);
    EXPECT_LE(fresh, 35U);
  }
}

TEST_F(ManyProcesses, ReadsAllOfThemWhenThorough) {
  auto from = source({.top = 5, .turns = 30, .least_reads = 1});
  routine(from, at(0));
  const auto scan = from.scan(Thoroughness::thorough, at(1));
  ASSERT_TRUE(scan);
  for (const auto& process : scan->processes) {
    EXPECT_EQ(process.read_at, at(1));
  }
}

TEST_F(ManyProcesses, FollowsASmallGrowerOnceItIsSeen) {
  auto from = source({.top = 5, .growers = 2, .turns = 10, .least_reads = 1});
  routine(from, at(0));
  bool seen = false;
  for (int s = 1; s < 30; ++s) {
    tree.put({.pid = 3, .pages = 1000U + static_cast<unsigned>(s)});
    const auto scan = routine(from, at(s));
    const bool fresh = find(scan, 3)->read_at == at(s);
    EXPECT_TRUE(fresh || !seen) << s;
    seen = seen || fresh;
  }
  EXPECT_TRUE(seen);
}

TEST_F(ManyProcesses, ListsAgainOnlyWhenSomebodyCameOrWent) {
  tree.write("/proc/loadavg", "0.1 0.1 0.1 1/200 5000\n");
  auto from = source();
  EXPECT_EQ(routine(from, at(0)).seen, 200U);
  tree.put({.pid = 5001, .pages = 9});
  EXPECT_EQ(routine(from, at(1)).seen, 200U);
  tree.write("/proc/loadavg", "0.1 0.1 0.1 3/201 5001\n");
  EXPECT_EQ(routine(from, at(2)).seen, 201U);
}

TEST_F(ManyProcesses, DoesNotTrustAConstantLoadavgForLong) {
  tree.write("/proc/loadavg", "0.0 0.0 0.0 0/0 0\n");
  auto from = source();
  routine(from, at(0));
  tree.put({.pid = 5001, .pages = 9});
  std::size_t seen = 0;
  for (int s = 1; s <= 5; ++s) {
    seen = routine(from, at(s)).seen;
  }
  EXPECT_EQ(seen, 201U);
}

TEST_F(ManyProcesses, KeepsFewDescriptorsOpen) {
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator{});
  };
  const auto before = open_files();
  auto from = source({.top = 20, .growers = 10});
  for (int s = 0; s < 40; ++s) {
    routine(from, at(s));
  }
  EXPECT_LE(open_files(), before + 31);
  from.set_top(0);
  routine(from, at(50));
  EXPECT_LE(open_files(), before + 11);
}

TEST_F(ProcessTree, ReadsThePssOfTheRightProcessOnly) {
  tree.put({.pid = 5, .pages = 1000, .start = 10});
  tree.write("/proc/5/smaps_rollup", "0-1 [rollup]\nRss: 4000 kB\nPss: 375 kB\n");
  const BootId boot = read_boot_id(tree.root());
  EXPECT_EQ(read_pss(tree.root(), {boot, 5, 10}), kib(375));
  for (const ProcessId wrong : {ProcessId{boot, 5, 11}, ProcessId{boot, 6, 10}}) {
    const auto pss = read_pss(tree.root(), wrong);
    ASSERT_FALSE(pss);
    EXPECT_EQ(pss.error().code, ErrorCode::not_found);
  }
  tree.write("/proc/5/smaps_rollup", "");
  EXPECT_FALSE(read_pss(tree.root(), {boot, 5, 10}));
}

TEST_F(ProcessTree, KnowsNoBootIdWhereThereIsNone) {
  EXPECT_EQ(read_boot_id(tree.root()).to_string(), "4b1c6b66-7e01-4b52-9f0a-1c9d2a7f0e11");
  tree.write("/proc/sys/kernel/random/boot_id", "nonsense\n");
  EXPECT_EQ(read_boot_id(tree.root()), BootId{});
  tree.remove("/proc/sys");
  EXPECT_EQ(read_boot_id(tree.root()), BootId{});
}

}  // namespace
}  // namespace levee::sources
