#include "sources/fast_counters.hpp"

#include <gtest/gtest.h>

#include "tree.hpp"

namespace levee::sources {
namespace {

class FastTree : public testing::Test {
 protected:
  FastTree() {
    meminfo(1000000, 600000);
    tree.write("/proc/self/cgroup", "0::/a\n");
    tree.write("/proc/self/mountinfo", "33 25 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    tree.write("/sys/fs/cgroup/a/memory.max", "max\n");
    tree.write("/sys/fs/cgroup/a/memory.current", "104857600\n");
    tree.write("/sys/fs/cgroup/a/memory.stat", "inactive_file 10485760\nactive_file 0\n");
  }
  void meminfo(int total, int available) const {
    tree.write("/proc/meminfo",
               fmt::format("MemTotal: {} kB\nMemFree: 5 kB\nMemAvailable: {} kB\nBuffers: 9 kB\n",
                           total, available));
  }
  Tree tree;
};

TEST_F(FastTree, FollowsTheCountersThroughKeptDescriptors) {
  auto counters = FastCounters::open(tree.root());
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->look()->available, kib(600000));
  meminfo(1000000, 5);
  EXPECT_EQ(counters->look()->available, kib(5));
  EXPECT_EQ(counters->look()->total, kib(1000000));
}

TEST_F(FastTree, ObeysALimitThatIsSetAfterTheStart) {
  auto counters = FastCounters::open(tree.root());
  ASSERT_TRUE(counters);
  tree.write("/sys/fs/cgroup/a/memory.max", "209715200\n");
  const auto look = counters->look();
  ASSERT_TRUE(look);
  EXPECT_EQ(look->total, mib(200));
  EXPECT_EQ(look->available, mib(200 - 100 + 10));
}

TEST_F(FastTree, GoesOnWhenACgroupFileTurnsToNonsense) {
  tree.write("/sys/fs/cgroup/a/memory.max", "209715200\n");
  auto counters = FastCounters::open(tree.root());
  ASSERT_TRUE(counters);
  tree.write("/sys/fs/cgroup/a/memory.stat", "nonsense");
  EXPECT_EQ(counters->look()->available, mib(100));
  tree.write("/sys/fs/cgroup/a/memory.current", "nonsense");
  EXPECT_EQ(counters->look()->available, kib(600000));
}

TEST_F(FastTree, TellsWhenMeminfoIsLost) {
  auto counters = FastCounters::open(tree.root());
  ASSERT_TRUE(counters);
  tree.write("/proc/meminfo", "");
  EXPECT_FALSE(counters->look());
  meminfo(1000, 10);
  EXPECT_TRUE(counters->look());
}

TEST_F(FastTree, ReadsTheWholeFileOfAnOldKernel) {
  const std::string padding(600, ' ');
  tree.write("/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\nOther: 1 kB" + padding +
                                  "\nBuffers: 10 kB\nCached: 200 kB\nShmem: 50 kB\n");
  auto counters = FastCounters::open(tree.root());
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->look()->available, kib(260));
}

TEST(FastCounters, RefuseAMachineWithoutMeminfo) {
  const Tree tree;
  const auto counters = FastCounters::open(tree.root());
  ASSERT_FALSE(counters);
  EXPECT_EQ(counters.error().code, ErrorCode::not_found);
}

TEST(FastCounters, AreContentWithoutCgroups) {
  const Tree tree;
  tree.write("/proc/meminfo", "MemTotal: 10 kB\nMemAvailable: 5 kB\n");
  auto counters = FastCounters::open(tree.root());
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->look()->available, kib(5));
}

}  // namespace
}  // namespace levee::sources
