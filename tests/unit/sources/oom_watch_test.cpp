#include "sources/oom_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/temp_dir.hpp"

namespace levee::sources {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

/// As Linux 6.18 wrote it (v1 memory cgroup), shortened.
constexpr std::string_view kLog =
    "4,901,5521,-;python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, "
    "oom_score_adj=0\n"
    "6,902,5522,-;memory: usage 65536kB, limit 65536kB, failcnt 31\n"
    "6,903,5523,-;[  pid  ]   uid  tgid total_vm      rss rss_anon\n"
    "6,904,5524,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
    "oom_memcg=/job,task_memcg=/job/a,task=python3,pid=4242,uid=1000\n"
    "3,905,5525,-;Memory cgroup out of memory: Killed process 4242 (python3) total-vm:263112kB, "
    "anon-rss:61440kB, file-rss:4096kB, shmem-rss:0kB, UID:1000 pgtables:168kB oom_score_adj:0\n";

TEST(ParseOomCount, ReadsTheThreeFilesThatHaveIt) {
  EXPECT_EQ(parse_oom_count("pgfault 12\noom_kill 3\nnuma_hit 9\n"), 3U);
  EXPECT_EQ(parse_oom_count("low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 0\n"), 1U);
  EXPECT_EQ(parse_oom_count("oom_kill_disable 0\nunder_oom 0\noom_kill 7"), 7U);
}

TEST(ParseOomCount, RefusesWhatIsNoCount) {
  for (const std::string_view text :
       {"", "oom_kill", "oom_kill \n", "oom_kill x\n", "oom_kill -1\n", "oom_kill_disable 1\n",
        "xoom_kill 3\n", "oom_kill 99999999999999999999999\n"}) {
    EXPECT_FALSE(parse_oom_count(text)) << text;
  }
}

TEST(OomLog, NamesVictimLimitAndCgroup) {
  OomLog log;
  EXPECT_THAT(log.read(kLog), ElementsAre(OomKill{.pid = 4242,
                                                  .comm = "python3",
                                                  .uid = 1000,
                                                  .rss = mib(64),
                                                  .cgroup = "/job",
                                                  .own_cgroup = "/job/a",
                                                  .limit = mib(64)}));
  EXPECT_THAT(log.read(""), IsEmpty());
}

TEST(OomLog, JoinsRecordsThatComeInParts) {
  OomLog log;
  const std::size_t cut = kLog.find("3,905");
  EXPECT_THAT(log.read(kLog.substr(0, cut)), IsEmpty());
  const auto kills = log.read(kLog.substr(cut));
  ASSERT_THAT(kills, SizeIs(1));
  EXPECT_EQ(kills[0].cgroup, "/job");
}

TEST(OomLog, AKillOfTheWholeMachineHasNoCgroup) {
  OomLog log;
  const auto kills = log.read(
      "6,1,1,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,"
      "global_oom,task_memcg=/user,task=a,b,pid=1,pid=77,uid=0\n"
      "3,2,2,-;Out of memory: Killed process 77 (a,b,pid=1) total-vm:1kB, anon-rss:2kB, "
      "file-rss:0kB, shmem-rss:0kB, UID:0\n");
  ASSERT_THAT(kills, SizeIs(1));
  EXPECT_EQ(kills[0].pid, 77);
  EXPECT_EQ(kills[0].comm, "a,b,pid=1");
  EXPECT_EQ(kills[0].cgroup, "");
  EXPECT_EQ(kills[0].own_cgroup, "/user");
  EXPECT_FALSE(kills[0].limit);
}

TEST(OomLog, BelievesNobodyButTheKernel) {
  OomLog log;
  // Facility 1 (8 and above): written to /dev/kmsg by a program.
  EXPECT_THAT(log.read("11,905,5525,-;Out of memory: Killed process 1 (init) total-vm:1kB\n"),
              IsEmpty());
}

TEST(OomLog, LeavesOutWhatMakesNoSense) {
  for (const std::string_view text :
       {"3,1,1,-;Out of memory: Killed process (x) total-vm:1kB\n", "Killed process 7 (x)\n",
        "3,1,1,-;Killed process 7 (x) total-vm\n", ";Out of memory: Killed process 7 (x)\n",
        "3,1,1,-\n", "\n\n\n", "3;", "6,1,1,-;oom-kill:\n", "6,1,1,-;oom-kill:,pid=x,uid=y\n"}) {
    OomLog log;
    EXPECT_THAT(log.read(text), IsEmpty()) << text;
  }
}

class OomWatchTest : public testing::Test {
 protected:
  OomWatchTest() {
    dir_.write("proc/vmstat", "pgfault 1\noom_kill 2\n");
    dir_.write("proc/self/mountinfo", "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    dir_.write("sys/fs/cgroup/job/memory.events", "oom 0\noom_kill 0\n");
    dir_.write("dev/kmsg", "3,1,1,-;Out of memory: Killed process 9 (old) total-vm:1kB\n");
  }
  void log(std::string_view text) const { std::ofstream(dir_ / "dev/kmsg", std::ios::app) << text; }

  test::TempDir dir_;
  const std::vector<std::string> watched_{"/job", "/gone"};
};

TEST_F(OomWatchTest, TellsNothingOfWhatWasBefore) {
  OomWatch watch{Root(dir_.path())};
  EXPECT_TRUE(watch.look(watched_).is_empty());
  EXPECT_TRUE(watch.look(watched_).is_empty());
}

TEST_F(OomWatchTest, TellsHowManyWhereAndWhom) {
  OomWatch watch{Root(dir_.path())};
  EXPECT_TRUE(watch.look(watched_).is_empty());
  dir_.write("proc/vmstat", "oom_kill 4\n");
  dir_.write("sys/fs/cgroup/job/memory.events", "oom_kill 1\n");
  log(kLog);
  const OomReport report = watch.look(watched_);
  EXPECT_EQ(report.kills, 2U);
  EXPECT_THAT(report.cgroups, ElementsAre("/job"));
  ASSERT_THAT(report.victims, SizeIs(1));
  EXPECT_EQ(report.victims[0].pid, 4242);
  EXPECT_TRUE(watch.look(watched_).is_empty());
}

TEST_F(OomWatchTest, WithoutTheLogTheCountIsToldAllTheSame) {
  std::filesystem::remove(dir_ / "dev/kmsg");
  OomWatch watch{Root(dir_.path())};
  EXPECT_TRUE(watch.look(watched_).is_empty());
  dir_.write("proc/vmstat", "oom_kill 3\n");
  const OomReport report = watch.look(watched_);
  EXPECT_EQ(report.kills, 1U);
  EXPECT_THAT(report.victims, IsEmpty());
}

TEST_F(OomWatchTest, WithoutTheTotalTheCgroupsCount) {
  std::filesystem::remove(dir_ / "proc/vmstat");
  OomWatch watch{Root(dir_.path())};
  EXPECT_TRUE(watch.look(watched_).is_empty());
  dir_.write("sys/fs/cgroup/job/memory.events", "oom_kill 1\n");
  const OomReport report = watch.look(watched_);
  EXPECT_EQ(report.kills, 1U);
  EXPECT_THAT(report.cgroups, ElementsAre("/job"));
}

TEST_F(OomWatchTest, OnV1ItReadsTheOldFile) {
  dir_.write("proc/self/mountinfo",
             "35 24 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  dir_.write("sys/fs/cgroup/memory/job/memory.oom_control", "under_oom 0\noom_kill 0\n");
  OomWatch watch{Root(dir_.path())};
  EXPECT_TRUE(watch.look(watched_).is_empty());
  dir_.write("proc/vmstat", "oom_kill 3\n");
  dir_.write("sys/fs/cgroup/memory/job/memory.oom_control", "under_oom 0\noom_kill 1\n");
  EXPECT_THAT(watch.look(watched_).cgroups, ElementsAre("/job"));
}

TEST_F(OomWatchTest, WhereNothingCanBeReadNothingIsTold) {
  const test::TempDir empty;
  OomWatch watch{Root(empty.path())};
  EXPECT_TRUE(watch.look(watched_).is_empty());
}

}  // namespace
}  // namespace levee::sources
