#include "policy/culprit.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/values.hpp"

namespace levee::policy {
namespace {

using test::process_of;

constexpr double kMiBps = static_cast<double>(kMiB);

TEST(FindCulprit, AccusesNobodyWhereThereIsNobody) { EXPECT_FALSE(find_culprit({})); }

TEST(FindCulprit, NamesTheProcessThatGrewMostNotTheLargest) {
  const std::vector processes{process_of(1, "database", gib(50), 0.0),
                              process_of(2, "trainer", gib(5), 100 * kMiBps),
                              process_of(3, "loader", gib(1), 10 * kMiBps)};
  const auto culprit = find_culprit(processes);
  ASSERT_TRUE(culprit);
  EXPECT_EQ(culprit->id, processes[1].identity->id);
  EXPECT_EQ(culprit->comm, "trainer");
  EXPECT_EQ(culprit->command, "trainer --run");
  EXPECT_EQ(culprit->user, "ada");
  EXPECT_EQ(culprit->rss, gib(5));
  EXPECT_EQ(culprit->growth_per_second, 100 * kMiBps);
}

TEST(FindCulprit, ComparesBytesGrownNotRates) {
  // A start of 50 MiB in half a second is less than 3 GiB over half a minute.
  const std::vector processes{process_of(1, "spark", mib(60), 100 * kMiBps, Seconds{0.5}),
                              process_of(2, "leak", gib(8), 100 * kMiBps, Seconds{30})};
  EXPECT_EQ(find_culprit(processes)->comm, "leak");
}

TEST(FindCulprit, FallsBackToTheLargestWithoutAGrowthFigure) {
  const std::vector processes{process_of(1, "small", mib(100), 0.5 * kMiBps),  // 15 MiB grown
                              process_of(2, "large", gib(9), {}),
                              process_of(3, "shrinks", gib(2), -500 * kMiBps)};
  const auto culprit = find_culprit(processes);
  ASSERT_TRUE(culprit);
  EXPECT_EQ(culprit->comm, "large");
  EXPECT_FALSE(culprit->growth_per_second);
}

TEST(FindCulprit, GrowthOfExactlyTheNoiseBoundIsNotable) {
  const std::vector processes{process_of(1, "large", gib(9), {}),
                              process_of(2, "grows", gib(1), 16 * kMiBps, Seconds{1})};
  EXPECT_EQ(find_culprit(processes)->comm, "grows");
}

}  // namespace
}  // namespace levee::policy
