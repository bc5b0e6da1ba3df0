// Watching one lease or request at the desk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/engine/ledger_desk.hpp"

namespace levee::engine {
namespace {

using namespace levee::test;
using namespace std::string_literals;

TEST(Watch, AnswersAtOnceAboutWhatDoesNotWait) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 10)), "granted");
  const auto granted = desk.watch("a").answer();
  ASSERT_TRUE(granted && granted->report);
  EXPECT_EQ(granted->report->lease.id, "a");
  EXPECT_EQ(granted->report->place, 0U);
  EXPECT_EQ(granted->report->user, "user1000");
  for (const char* const unknown : {"b", "", "A", "a "}) {
    const auto none = desk.watch(unknown).answer();
    ASSERT_TRUE(none) << unknown;
    EXPECT_FALSE(none->report) << unknown;
    EXPECT_EQ(none->why_over, "") << unknown;
  }
}

TEST(Watch, AnswersWithThePlaceWhereThereIsNoPatience) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("b", 60))), "waiting");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("c", 60))), "waiting");
  const auto standing = desk.watch("c", 0s).answer();
  ASSERT_TRUE(standing && standing->report);
  EXPECT_EQ(standing->report->place, 2U);
  EXPECT_FALSE(standing->report->lease.is_granted());
}

TEST(Watch, AnswersWhenTheRequestIsGranted) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("b", 60))), "waiting");
  const auto one = desk.watch("b");
  const auto two = desk.watch("b", 300s);
  static_cast<void>(desk.show());
  EXPECT_EQ(one.count() + two.count(), 0U);
  ASSERT_TRUE(desk.release("a"));
  for (const auto& heard : {one, two}) {
    const auto standing = heard.answer();
    ASSERT_TRUE(standing && standing->report);
    EXPECT_TRUE(standing->report->lease.is_granted());
    EXPECT_EQ(standing->report->place, 0U);
  }
  desk.pass(400s);
  EXPECT_EQ(one.count() + two.count(), 2U);
}

TEST(Watch, AnswersAtItsDeadlineAndNoEarlier) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("b", 60))), "waiting");
  const auto short_watch = desk.watch("b", 10s);
  const auto long_watch = desk.watch("b", 20s);
  desk.pass(9'999ms);
  EXPECT_EQ(short_watch.count(), 0U);
  desk.pass(1ms);
  const auto standing = short_watch.answer();
  ASSERT_TRUE(standing && standing->report);
  EXPECT_EQ(standing->report->place, 1U);
  EXPECT_EQ(long_watch.count(), 0U);
  desk.pass(10s);
  EXPECT_TRUE(long_watch.answer());
}

TEST(Watch, WakesUpByItself) {
  TestDesk desk(std::chrono::minutes{-30});  // The real clock is past the deadline.
  desk.observe();
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("b", 60))), "waiting");
  desk.observe();
  const auto heard = desk.watch("b", 1s);
  desk.pass_unnoticed(1s);
  EXPECT_TRUE(heard.answer());
}

TEST(Watch, TellsWhyARequestIsOver) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("released", 60))), "waiting");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("gave_up", 60), 5s)), "waiting");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("owner_ended", 60, 9))), "waiting");
  std::map<std::string, Heard<api::LeaseStanding>> heard;
  for (const char* const id : {"released", "gave_up", "owner_ended"}) {
    heard[id] = desk.watch(id);
  }
  ASSERT_TRUE(desk.release("released"));
  desk.kill(9);
  desk.pass(5s);
  desk.observe();
  for (const auto& [why, watcher] : heard) {
    const auto standing = watcher.answer();
    ASSERT_TRUE(standing) << why;
    EXPECT_FALSE(standing->report) << why;
    EXPECT_EQ(standing->why_over, why);
  }
}

TEST(Watch, TellsWhyAlsoWhereItEndsInTheSameTurn) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("b", 60))), "waiting");
  desk.hold();
  const auto before = desk.watch("b");
  const Heard<api::LeaseReport> released;
  desk.desk->release("b", kMarie, released.listener());
  const auto after = desk.watch("b");
  const auto both = desk.watch("brief");
  const Heard<Answer> brief;
  desk.desk->ask(any_gpu("brief", 1), kMarie, brief.listener());
  desk.desk->release("brief", kMarie, released.listener());
  desk.let_go();
  EXPECT_EQ(before.answer()->why_over, "released");
  EXPECT_EQ(after.answer()->why_over, "released");
  EXPECT_EQ(both.answer()->why_over, "released");
}

TEST(Watch, OutlivesAFailedCommit) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 60, 7)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("b", 60))), "waiting");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("c", 60))), "waiting");
  const auto to_be_granted = desk.watch("b");
  const auto to_be_released = desk.watch("c");
  const auto impatient = desk.watch("c", 1s);
  static_cast<void>(desk.show());
  desk.store->fail_next({ErrorCode::resource_exhausted});
  EXPECT_EQ(desk.release("a").error().code, ErrorCode::resource_exhausted);
  desk.store->fail_next({ErrorCode::resource_exhausted});
  EXPECT_EQ(desk.release("c").error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(to_be_granted.count() + to_be_released.count() + impatient.count(), 0U);

  desk.store->fail_always(ErrorCode::resource_exhausted);
  desk.pass(1s);
  EXPECT_EQ(impatient.answer().error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(to_be_granted.count() + to_be_released.count(), 0U);

  desk.store->heal();
  ASSERT_TRUE(desk.release("a"));
  ASSERT_TRUE(desk.release("c"));
  const auto granted = to_be_granted.answer();
  ASSERT_TRUE(granted && granted->report);
  EXPECT_TRUE(granted->report->lease.is_granted());
  EXPECT_EQ(to_be_released.answer()->why_over, "released");
  EXPECT_EQ(to_be_granted.count() + to_be_released.count() + impatient.count(), 3U);
}

TEST(Watch, IsAnsweredOnceWhereTheStoreIsBegunAnew) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("b", 60))), "waiting");
  const auto heard = desk.watch("b");
  static_cast<void>(desk.show());
  desk.store->fail_next({ErrorCode::corrupt});
  ASSERT_TRUE(desk.release("a"));
  const auto granted = heard.answer();
  ASSERT_TRUE(granted && granted->report);
  EXPECT_TRUE(granted->report->lease.is_granted());
  static_cast<void>(desk.show());
  EXPECT_EQ(heard.count(), 1U);
}

}  // namespace
}  // namespace levee::engine
