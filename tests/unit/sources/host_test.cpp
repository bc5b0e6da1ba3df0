#include "sources/host.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tree.hpp"

namespace levee::sources {
namespace {

using testing::Contains;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

MemInfo memory(Bytes total, Bytes available) {
  MemInfo info;
  info.total = total;
  info.available = available;
  return info;
}

MemoryCeiling ceiling(std::string path, Bytes limit, Bytes used, Bytes reclaimable = {}) {
  return {std::move(path), CgroupVersion::v2, limit, used, reclaimable};
}

TEST(Combine, IsTheMachineWhereNothingLimitsUs) {
  const auto host = combine(memory(gib(64), gib(20)), {});
  EXPECT_EQ(host.total, gib(64));
  EXPECT_EQ(host.available, gib(20));
  EXPECT_EQ(host.used(), gib(44));
  EXPECT_FALSE(host.ceiling);
  EXPECT_FALSE(host.cached);
}

TEST(Combine, IsTheContainerInsideOne) {
  const auto host = combine(memory(gib(64), gib(20)), {ceiling("/", gib(8), gib(6), gib(1))});
  EXPECT_EQ(host.total, gib(8));
  EXPECT_EQ(host.available, gib(3));
  EXPECT_EQ(host.mem_total, gib(64));
  EXPECT_EQ(host.mem_available, gib(20));
  EXPECT_EQ(host.ceiling->path, "/");
}

TEST(Combine, TakesTheTightestTotalAndTheLeastHeadroomFromDifferentCgroups) {
  const auto host = combine(memory(gib(64), gib(20)),
                            {ceiling("/a/b", gib(8), gib(1)), ceiling("/a", gib(16), gib(15))});
  EXPECT_EQ(host.total, gib(8));
  EXPECT_EQ(host.available, gib(1));
  EXPECT_EQ(host.ceiling->path, "/a");
}

TEST(Combine, StaysBoundByTheMachineUnderARoomyLimit) {
  const auto host = combine(memory(gib(64), gib(2)), {ceiling("/", gib(100), gib(1))});
  EXPECT_EQ(host.total, gib(64));
  EXPECT_EQ(host.available, gib(2));
  EXPECT_EQ(host.ceiling->path, "/");
}

TEST(Combine, NeverWrapsWhenACgroupIsOverItsLimit) {
  const auto over = combine(memory(gib(64), gib(20)), {ceiling("/", gib(1), gib(2))});
  EXPECT_EQ(over.available, Bytes{});
  EXPECT_EQ(over.used(), gib(1));
  // More reclaimable than used: counters are not read at one instant.
  const auto odd = combine(memory(gib(64), gib(20)), {ceiling("/", gib(1), mib(1), gib(3))});
  EXPECT_EQ(odd.available, gib(1));
}

class HostTree : public testing::Test {
 protected:
  HostTree() {
    tree.write("/proc/meminfo",
               "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 600 kB\nBuffers: 1 kB\nCached: 2 "
               "kB\nSReclaimable: 4 kB\n");
    tree.write("/proc/stat", "cpu 10 0 0 90\ncpu0 5 0 0 45\ncpu1 5 0 0 45\nprocesses 7\n");
    tree.write("/proc/loadavg", "1.25 0 0 1/5 9\n");
    tree.write("/proc/pressure/memory", "some avg10=1.00 avg60=0.00 avg300=0.00 total=1\n");
  }
  Tree tree;
  HostSource source{tree.root()};
  std::vector<SourceTrouble> troubles;
};

TEST_F(HostTree, ReadsEverything) {
  const auto host = source.read(troubles);
  ASSERT_TRUE(host);
  EXPECT_THAT(troubles, IsEmpty());
  EXPECT_EQ(host->available, kib(600));
  EXPECT_EQ(host->mem_free, kib(1));
  EXPECT_EQ(host->cached, kib(7));
  EXPECT_EQ(host->load1, 1.25);
  EXPECT_EQ(host->cores, 2U);
  EXPECT_EQ(host->pressure->some->avg10, 1.0);
  EXPECT_FALSE(host->cpu_percent);
}

TEST_F(HostTree, MeasuresCpuUseBetweenTwoReadings) {
  ASSERT_TRUE(source.read(troubles));
  tree.write("/proc/stat", "cpu 20 0 0 120\ncpu0 1 1 1 1\n");
  const auto host = source.read(troubles);
  ASSERT_TRUE(host);
  EXPECT_EQ(host->cpu_percent, 25.0);
}

TEST_F(HostTree, NamesWhatIsMissingAndGoesOn) {
  tree.remove("/proc/pressure");
  tree.remove("/proc/stat");
  tree.write("/proc/loadavg", "nonsense");
  const auto host = source.read(troubles);
  ASSERT_TRUE(host);
  EXPECT_FALSE(host->pressure);
  EXPECT_FALSE(host->cores);
  EXPECT_FALSE(host->load1);
  ASSERT_THAT(troubles, SizeIs(3));
  for (const char* name : {"pressure", "cpu", "load"}) {
    EXPECT_THAT(troubles, Contains(Field(&SourceTrouble::source, name)));
  }
}

TEST_F(HostTree, FailsWithoutMemoryFigures) {
  tree.write("/proc/meminfo", "MemTotal: -1 kB\n");
  EXPECT_EQ(source.read(troubles).error().code, ErrorCode::corrupt);
  tree.remove("/proc/meminfo");
  const auto host = source.read(troubles);
  ASSERT_FALSE(host);
  EXPECT_EQ(host.error().code, ErrorCode::not_found);
  EXPECT_NE(host.error().message.find("/proc/meminfo"), std::string::npos);
}

}  // namespace
}  // namespace levee::sources
