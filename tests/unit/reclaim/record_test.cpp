#include "reclaim/record.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace levee::reclaim {
namespace {

using namespace std::chrono_literals;

TEST(Judge, FindsLiesAndWhatCannotBeTold) {
  constexpr auto gi = static_cast<std::int64_t>(levee::kGiB);
  constexpr auto mi = static_cast<std::int64_t>(kMiB);
  struct Row {
    Bytes said;
    std::optional<std::int64_t> measured;
    Verdict verdict;
    const char* why;
  };
  const Row rows[] = {
      {gib(1), gi, Verdict::honest, "exactly"},
      {gib(1), gi * 9 / 10 + 1, Verdict::honest, "a tenth less"},
      {gib(1), gi * 9 / 10 - 2 * mi, Verdict::lied, "more than a tenth less"},
      {gib(1), 5 * gi, Verdict::honest, "much more than it said"},
      {gib(1), 0, Verdict::lied, "nothing"},
      {gib(1), 16 * mi, Verdict::lied, "next to nothing"},
      {gib(1), -8 * mi, Verdict::lied, "nothing, with noise"},
      {gib(1), -17 * mi, Verdict::unclear, "it grew meanwhile"},
      {gib(1), std::numeric_limits<std::int64_t>::min(), Verdict::unclear, "it grew beyond bounds"},
      {gib(1), std::nullopt, Verdict::unclear, "nobody looked"},
      {Bytes{}, std::nullopt, Verdict::honest, "it promised nothing"},
      {Bytes{}, -gi, Verdict::honest, "it promised nothing and grew"},
      {mib(16), 0, Verdict::unclear, "too little to be measured"},
      {mib(16), 16 * mi, Verdict::honest, "little, but there"},
      {mib(17), mi, Verdict::honest, "within what can be measured"},
      {mib(40), 0, Verdict::lied, "enough to be measured"},
      {Bytes{std::numeric_limits<std::uint64_t>::max()}, gi, Verdict::lied, "more than there is"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(judge(row.said, row.measured), row.verdict) << row.why;
  }
}

TEST(Judge, GoesByTheToleranceItIsGiven) {
  EXPECT_EQ(judge(gib(1), 0, {.share = 1, .least = {}}), Verdict::honest);
  EXPECT_EQ(judge(gib(1), 0, {.share = 0, .least = gib(1)}), Verdict::unclear);
  EXPECT_EQ(judge(mib(1), 0, {.share = 0, .least = kib(1)}), Verdict::lied);
  EXPECT_EQ(judge(gib(1), 0, {.share = 7, .least = {}}), Verdict::honest) << "a share beyond all";
}

TEST(PassOver, TakesLongerWithEveryFaultUpToHalfAnHour) {
  EXPECT_EQ(pass_over_time(0), 0s);
  EXPECT_EQ(pass_over_time(1), 60s);
  EXPECT_EQ(pass_over_time(2), 120s);
  EXPECT_EQ(pass_over_time(6), 32min);
  EXPECT_EQ(pass_over_time(7), 32min);
  EXPECT_EQ(pass_over_time(std::numeric_limits<unsigned>::max()), 32min);
}

TEST(Note, LiesAndHangsHaveAProcessPassedOver) {
  const MonoTime now{1h};
  Record record;
  EXPECT_FALSE(record.is_passed_over(now));
  note(record, Outcome::done, gib(1), 0, Verdict::lied, now);
  EXPECT_TRUE(record.is_passed_over(now + 59s));
  EXPECT_FALSE(record.is_passed_over(now + 60s));
  note(record, Outcome::timed_out, {}, {}, Verdict::unclear, now);
  EXPECT_TRUE(record.is_passed_over(now + 119s));
  EXPECT_EQ(record.asked, 2U);
  EXPECT_EQ(record.lied, 1U);
  EXPECT_EQ(record.hung, 1U);
}

TEST(Note, OnlyAnHonestAnswerWipesFaultsOut) {
  const MonoTime now{1h};
  Record record;
  note(record, Outcome::timed_out, {}, {}, Verdict::unclear, now);
  note(record, Outcome::refused, {}, {}, Verdict::unclear, now);
  note(record, Outcome::failed, {}, {}, Verdict::unclear, now);
  note(record, Outcome::gone, {}, {}, Verdict::unclear, now);
  note(record, Outcome::done, gib(1), std::nullopt, Verdict::unclear, now);
  EXPECT_EQ(record.faults_in_a_row, 1U);
  note(record, Outcome::done, gib(1), static_cast<std::int64_t>(levee::kGiB), Verdict::honest, now);
  EXPECT_EQ(record.faults_in_a_row, 0U);
  EXPECT_EQ(record.asked, 6U);
}

TEST(Note, CountsWhatWasSaidAndWhatWasMeasuredApart) {
  Record record;
  note(record, Outcome::done, gib(2), static_cast<std::int64_t>(levee::kGiB), Verdict::lied, {});
  note(record, Outcome::done, gib(1), -5, Verdict::unclear, {});
  EXPECT_EQ(record.said, gib(3));
  EXPECT_EQ(record.measured, gib(1));
}

}  // namespace
}  // namespace levee::reclaim
