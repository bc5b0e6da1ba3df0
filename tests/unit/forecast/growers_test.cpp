#include "forecast/growers.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support/values.hpp"

namespace levee::forecast {
namespace {

constexpr double kMb = 1024.0 * 1024;

Grower grower(pid_t pid, const char* user, double growth) {
  return {.pid = pid, .user = user, .comm = "python", .bytes_per_second = growth};
}

TEST(Growers, AreToldWithTheirSharesFastestFirst) {
  const Growers found =
      growers({grower(1, "bob", kMb), grower(2, "alice", 6 * kMb), grower(3, "bob", 3 * kMb)});
  ASSERT_EQ(found.processes.size(), 3U);
  EXPECT_EQ(found.processes[0].pid, 2);
  EXPECT_DOUBLE_EQ(found.processes[0].share, 0.6);
  EXPECT_EQ(found.bytes_per_second, 10 * kMb);
  ASSERT_EQ(found.users.size(), 2U);
  EXPECT_EQ(found.users[1].user, "bob");
  EXPECT_DOUBLE_EQ(found.users[1].share, 0.4);
  EXPECT_EQ(found.users[1].processes, 2U);
}

TEST(Growers, WhoShrinksRestsOrIsUnknownIsNone) {
  const Growers found =
      growers({grower(1, "a", 0), grower(2, "b", -kMb), grower(3, "c", kLeastGrowth / 2),
               grower(4, "d", std::numeric_limits<double>::quiet_NaN()),
               grower(5, "e", std::numeric_limits<double>::infinity())});
  EXPECT_TRUE(found.processes.empty());
  EXPECT_TRUE(found.users.empty());
  EXPECT_EQ(found.bytes_per_second, 0);
}

TEST(Growers, OnADeviceThatNamesNobodyThereAreNone) {
  GpuReading gpu = test::gpu_with(0, 30, 50, test::at(std::chrono::seconds(0)).mono);
  gpu.processes.reset();
  EXPECT_TRUE(growers_on(gpu).processes.empty());
  gpu.processes.emplace(1);
  gpu.processes->front().pid = 9;
  gpu.processes->front().growth_per_second = kMb;
  ASSERT_EQ(growers_on(gpu).processes.size(), 1U);
  EXPECT_EQ(growers_on(gpu).processes[0].user, "") << "it cannot be seen from here";
  gpu.processes->front().is_balloon = true;
  EXPECT_TRUE(growers_on(gpu).processes.empty()) << "what a balloon takes is left out";
}

TEST(Growers, OfTheHostAreThoseWhoseResidentMemoryGrows) {
  const std::vector processes{test::process_of(7, "trainer", gib(9), 2 * kMb),
                              test::process_of(8, "idle", gib(90))};
  const Growers found = growers_among(processes);
  ASSERT_EQ(found.processes.size(), 1U);
  EXPECT_EQ(found.processes[0].comm, "trainer");
}

}  // namespace
}  // namespace levee::forecast
