#include "sources/proc_text.hpp"

#include <gtest/gtest.h>

namespace levee::sources {
namespace {

constexpr std::string_view kMeminfo =
    "MemTotal:       24684092 kB\nMemFree:        24229044 kB\nMemAvailable:   24327836 kB\n"
    "Buffers:            1128 kB\nCached:           266396 kB\nSwapTotal:       1000 kB\n"
    "SwapFree:            900 kB\nShmem:              8856 kB\nSReclaimable:      96636 kB\n";

TEST(ParseMeminfo, ReadsEveryFigureInBytes) {
  const auto info = parse_meminfo(kMeminfo);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->total, kib(24684092));
  EXPECT_EQ(info->available, kib(24327836));
  EXPECT_EQ(info->free, kib(24229044));
  EXPECT_EQ(info->buffers, kib(1128));
  EXPECT_EQ(info->cached, kib(266396));
  EXPECT_EQ(info->swap_total, kib(1000));
  EXPECT_EQ(info->swap_free, kib(900));
  EXPECT_EQ(info->shmem, kib(8856));
  EXPECT_EQ(info->reclaimable, kib(96636));
}

TEST(ParseMeminfo, EstimatesAvailableOnOldKernels) {
  const auto info = parse_meminfo(
      "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 10 kB\nCached: 200 kB\nShmem: 50 kB\n"
      "SReclaimable: 5 kB\n");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->available, kib(100 + 10 + 200 + 5 - 50));
}

TEST(ParseMeminfo, LeavesOutWhatIsMissingOrGarbled) {
  const auto info = parse_meminfo("MemTotal: 10 kB\nMemAvailable: 5 kB\nCached: -3 kB\nShmem: x\n");
  ASSERT_TRUE(info);
  EXPECT_FALSE(info->free);
  EXPECT_FALSE(info->cached);
  EXPECT_FALSE(info->shmem);
  EXPECT_FALSE(info->swap_total);
}

TEST(ParseMeminfo, NeverTellsMoreAvailableThanThereIs) {
  const auto info = parse_meminfo("MemTotal: 10 kB\nMemAvailable: 50 kB\n");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->available, kib(10));
}

TEST(ParseMeminfo, TrustsTheFirstOfTwoLines) {
  const auto info = parse_meminfo("MemTotal: 10 kB\nMemTotal: 99 kB\nMemAvailable: 5 kB\n");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->total, kib(10));
}

class ParseMeminfoRefuses : public testing::TestWithParam<const char*> {};

TEST_P(ParseMeminfoRefuses, Nonsense) {
  const auto info = parse_meminfo(GetParam());
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code, ErrorCode::corrupt);
  EXPECT_NE(info.error().message.find("/proc/meminfo"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Texts, ParseMeminfoRefuses,
    testing::Values("", "\n\n\n", "hello", "MemTotal", "MemTotal:", "MemTotal: kB\n",
                    "MemTotal: -5 kB\nMemAvailable: 1 kB\n", "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
                    "MemTotal: 5 MB\nMemAvailable: 1 kB\n", "MemTotal: 5\nMemAvailable: 1 kB\n",
                    "MemTotal: 5.5 kB\nMemAvailable: 1 kB\n",
                    "MemTotal: 5 kB extra\nMemAvailable: 1 kB\n",
                    "MemTotal: 18014398509481984 kB\nMemAvailable: 1 kB\n",
                    "MemTotal: 99999999999999999999999 kB\nMemAvailable: 1 kB\n",
                    "MemTotal: 5 kB\n", "MemTotal: 5 kB\nMemFree: 2 kB\nMemAvailable: -1 kB\n",
                    "MemAvailable: 5 kB\n", "xMemTotal: 5 kB\nMemAvailable: 1 kB\n"));

TEST(ParseStat, CountsBusyAndIdleTime) {
  const auto times = parse_stat(
      "cpu  10 1 5 100 20 2 3 4 7 8\ncpu0 5 1 5 50 10 1 1 2 0 0\ncpu1 5 0 0 50 10 1 2 2 0 0\n"
      "intr 5 5 5\nprocesses 6582\nprocs_running 1\n");
  ASSERT_TRUE(times);
  EXPECT_EQ(times->busy, 25U);  // guest time is a part of user time and not added again
  EXPECT_EQ(times->total, 145U);
  EXPECT_EQ(times->forks, 6582U);
  EXPECT_EQ(times->cores, 2U);
}

TEST(ParseStat, AcceptsTheFourColumnsOfOldKernels) {
  const auto times = parse_stat("cpu 1 2 3 4\n");
  ASSERT_TRUE(times);
  EXPECT_EQ(times->busy, 6U);
  EXPECT_EQ(times->total, 10U);
  EXPECT_FALSE(times->forks);
}

TEST(ParseStat, SaturatesInsteadOfWrapping) {
  const auto times = parse_stat("cpu 18446744073709551615 1 1 1\n");
  ASSERT_TRUE(times);
  EXPECT_EQ(times->busy, 18446744073709551615U);
}

TEST(ParseStat, RefusesNonsense) {
  for (const char* text :
       {"", "cpu", "cpu  \n", "cpu 1 2 3\n", "cpu 1 2 x 4\n", "cpu 1 -2 3 4\n", "cpu0 1 2 3 4\n",
        "cpus 1 2 3 4\n", "cpu 1 2 3 99999999999999999999\n"}) {
    EXPECT_FALSE(parse_stat(text)) << text;
  }
}

CpuTimes cpu(std::uint64_t busy, std::uint64_t total) {
  CpuTimes times;
  times.busy = busy;
  times.total = total;
  return times;
}

TEST(CpuPercent, IsTheBusyShareOfTheTimeBetween) {
  EXPECT_EQ(cpu_percent(cpu(10, 100), cpu(35, 200)), 25.0);
  EXPECT_EQ(cpu_percent(cpu(10, 100), cpu(10, 200)), 0.0);
}

TEST(CpuPercent, NeverExceedsAHundred) {
  EXPECT_EQ(cpu_percent(cpu(10, 100), cpu(50, 120)), 100.0);
}

TEST(CpuPercent, IsUnknownWithoutTimeBetweenOrWhenCountersFell) {
  EXPECT_FALSE(cpu_percent(cpu(10, 100), cpu(10, 100)));
  EXPECT_FALSE(cpu_percent(cpu(10, 100), cpu(9, 200)));
  EXPECT_FALSE(cpu_percent(cpu(10, 100), cpu(10, 99)));
}

TEST(ParsePressure, ReadsBothLines) {
  const auto pressure = parse_pressure(
      "some avg10=1.50 avg60=0.25 avg300=100.00 total=123\nfull avg10=0.00 avg60=0.00 avg300=0.00 "
      "total=4\n");
  ASSERT_TRUE(pressure);
  EXPECT_EQ(pressure->some, (PressureLine{1.5, 0.25, 100.0, 123}));
  EXPECT_EQ(pressure->full, (PressureLine{0, 0, 0, 4}));
}

TEST(ParsePressure, KeepsTheLineThatMakesSense) {
  const auto pressure = parse_pressure(
      "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\nfull avg10=nan avg60=0 avg300=0 total=4\n");
  ASSERT_TRUE(pressure);
  EXPECT_TRUE(pressure->some);
  EXPECT_FALSE(pressure->full);
}

TEST(ParsePressure, RefusesNonsense) {
  for (const char* text :
       {"", "\n", "some", "some avg10=1 avg60=1 avg300=1\n", "some avg10=1 avg60=1 total=1\n",
        "some avg10=-1 avg60=1 avg300=1 total=1\n", "some avg10=101 avg60=1 avg300=1 total=1\n",
        "some avg10=inf avg60=1 avg300=1 total=1\n", "some avg10=1 avg60=1 avg300=1 total=-1\n",
        "some avg10= avg60=1 avg300=1 total=1\n", "none avg10=1 avg60=1 avg300=1 total=1\n",
        "some avg10=1 avg60=1 avg300=1 total=99999999999999999999\n"}) {
    EXPECT_FALSE(parse_pressure(text)) << text;
  }
}

TEST(ParseLoadavg, ReadsTheFirstField) {
  EXPECT_EQ(parse_loadavg("0.12 0.05 0.01 1/89 6367\n"), 0.12);
  EXPECT_EQ(parse_loadavg("1024.00 0 0 1/1 1"), 1024.0);
}

TEST(ParseLoadavg, RefusesNonsense) {
  for (const char* text : {"", "\n", "x", "-1.0 0 0", "nan 0 0", "inf", "1e999", "0.1x 0"}) {
    EXPECT_FALSE(parse_loadavg(text)) << text;
  }
}

TEST(ParsePasswd, MapsUidsToTheirFirstNames) {
  const auto names = parse_passwd(
      "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\nmarie:x:1000:1000:Marie::\n");
  EXPECT_EQ(names.size(), 2U);
  EXPECT_EQ(names.at(0), "root");
  EXPECT_EQ(names.at(1000), "marie");
}

TEST(ParsePasswd, SkipsLinesThatMakeNoSense) {
  const auto names = parse_passwd(
      "\n:x:5:5:\nbob\nbob:x\nbob:x:\nbob:x:-1:\nbob:x:1e3:\nbob:x:99999999999:\n#eve:x:7:7\n"
      "+::::::\nann:x:8");
  EXPECT_EQ(names, (std::map<uid_t, std::string>{{8, "ann"}}));
}

TEST(ParsePasswd, MakesNamesPrintable) {
  EXPECT_EQ(parse_passwd("a\033[31mb:x:3:3::\n").at(3), "a?[31mb");
}

}  // namespace
}  // namespace levee::sources
