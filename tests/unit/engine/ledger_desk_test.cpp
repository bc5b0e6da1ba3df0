// The desk: one thread that decides, over a store that may fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/engine/ledger_desk.hpp"

namespace levee::engine {
namespace {

using namespace levee::test;
using namespace std::string_literals;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A desk that has seen the machine.
struct OpenDesk : TestDesk {
  OpenDesk() { observe(); }
};

const api::LeaseReport& lease_in(const api::LedgerView& view, std::string_view id) {
  static const api::LeaseReport kNone;
  const auto found = std::ranges::find(
      view.leases, id, [](const api::LeaseReport& report) { return report.lease.id; });
  return found == view.leases.end() ? kNone : *found;
}

Bytes used_on_gpu(const Use& use) { return share_on(use.devices, uuid_of(0)); }

// --- asking

TEST(LedgerDesk, PromisesNothingOnAMachineItHasNotSeen) {
  TestDesk desk;
  EXPECT_EQ(desk.outcome(any_gpu("a", 1)), "unavailable");
  EXPECT_EQ(desk.outcome(waiting(any_gpu("a", 1))), "unavailable");
  EXPECT_THAT(desk.show()->leases, IsEmpty());
  EXPECT_EQ(desk.desk->view(), nullptr);
  desk.observe();
  EXPECT_EQ(desk.outcome(any_gpu("a", 1)), "granted");
}

TEST(LedgerDesk, AnswersNobodyBeforeTheCommit) {
  OpenDesk desk;
  const Heard<Answer> heard;
  std::vector<std::size_t> heard_by_then;
  desk.store->before_commit = [&] { heard_by_then.push_back(heard.count()); };
  desk.desk->ask(any_gpu("a", 1), kMarie, heard.listener());
  EXPECT_EQ(TestDesk::outcome_of(heard.answer()), "granted");
  static_cast<void>(desk.show());
  EXPECT_THAT(heard_by_then, AllOf(Contains(0U), Contains(1U)));
  EXPECT_EQ(heard_by_then.front(), 0U);
  EXPECT_EQ(heard.count(), 1U);
  desk.desk->stop();  // before_commit goes.
}

TEST(LedgerDesk, AnswersInTheOrderOfAsking) {
  OpenDesk desk;
  desk.hold();
  std::vector<Heard<Answer>> heard(100);
  std::mutex mutex;
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    desk.desk->ask(any_gpu("lease" + std::to_string(i), 1), kMarie, [&, i](Result<Answer> answer) {
      const std::scoped_lock lock(mutex);
      order.push_back(i);
      heard[static_cast<std::size_t>(i)].listener()(std::move(answer));
    });
  }
  desk.let_go();
  for (std::size_t i = 0; i < heard.size(); ++i) {
    EXPECT_EQ(TestDesk::outcome_of(heard[i].answer()), i < 80 ? "granted" : "denied") << i;
  }
  EXPECT_TRUE(std::ranges::is_sorted(order));
  EXPECT_EQ(desk.show()->leases.size(), 80U);
}

TEST(LedgerDesk, RefusesWhenTooManyAsk) {
  OpenDesk desk;
  desk.hold();
  constexpr std::size_t kMost = 4096;
  const Heard<std::shared_ptr<const api::LedgerView>> shown;
  for (std::size_t i = 0; i < kMost; ++i) {
    desk.desk->show(shown.listener());
  }
  EXPECT_EQ(shown.count(), 0U);
  // Those who come now are told at once, on their own thread.
  const Heard<Answer> asked;
  const Heard<api::LeaseReport> released;
  const Heard<std::shared_ptr<const api::LedgerView>> one_more;
  desk.desk->ask(any_gpu("late", 1), kMarie, asked.listener());
  desk.desk->release("late", kMarie, released.listener());
  desk.desk->show(one_more.listener());
  ASSERT_EQ(asked.count() + released.count() + one_more.count(), 3U);
  EXPECT_EQ(asked.answer().error().code, ErrorCode::unavailable);
  EXPECT_EQ(released.answer().error().code, ErrorCode::unavailable);
  EXPECT_EQ(one_more.answer().error().code, ErrorCode::unavailable);
  std::vector<Heard<api::LeaseStanding>> watchers(kMost + 1);
  for (const auto& watcher : watchers) {
    desk.desk->watch("late", 60s, watcher.listener());
  }
  EXPECT_EQ(watchers.back().count(), 1U);
  EXPECT_EQ(watchers.front().count(), 0U);
  desk.let_go();
  EXPECT_TRUE(eventually([&] { return shown.count() == kMost; }));
  EXPECT_THAT(desk.show()->leases, IsEmpty());
  EXPECT_EQ(desk.outcome(any_gpu("late", 1)), "granted");
}

TEST(LedgerDesk, ReleasesOnlyWhatIsThereAndOnesOwn) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 1)), "granted");
  EXPECT_EQ(desk.release("b").error().code, ErrorCode::not_found);
  EXPECT_EQ(desk.release("a", kNoor).error().code, ErrorCode::permission_denied);
  EXPECT_EQ(desk.release("").error().code, ErrorCode::not_found);
  EXPECT_TRUE(desk.release("a"));
  EXPECT_EQ(desk.release("a").error().code, ErrorCode::not_found);
  EXPECT_THAT(desk.told(), ElementsAre("granted a", "released a"));
}

TEST(LedgerDesk, EndsWhatIsOverAtTheNextSample) {
  OpenDesk desk;
  Request timed = any_gpu("timed", 10);
  timed.ttl = 5s;
  ASSERT_EQ(desk.outcome(timed), "granted");
  ASSERT_EQ(desk.outcome(any_gpu("owned", 60, 7)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("next", 75))), "waiting");
  desk.kill(7);
  desk.pass(5s);
  EXPECT_THAT(ids_of(*desk.show()), ElementsAre("owned", "timed", "next"));
  desk.observe();
  EXPECT_THAT(ids_of(*desk.show()), ElementsAre("next"));
  EXPECT_THAT(desk.told(), ElementsAre("granted timed", "granted owned", "owner_ended owned",
                                       "expired timed", "granted next"));
}

// --- a store that fails

class FailedCommit : public testing::TestWithParam<ErrorCode> {};
TEST_P(FailedCommit, IsToldToEverybodyAndChangesNothing) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("kept", 10)), "granted");
  static_cast<void>(desk.told());
  desk.hold();
  const Heard<Answer> asked;
  const Heard<Answer> asked_too;
  const Heard<api::LeaseReport> released;
  const Heard<std::shared_ptr<const api::LedgerView>> shown;
  desk.desk->ask(any_gpu("a", 1), kMarie, asked.listener());
  desk.desk->ask(waiting(any_gpu("b", 80)), kMarie, asked_too.listener());
  desk.desk->release("kept", kMarie, released.listener());
  desk.desk->show(shown.listener());
  const auto watched = desk.watch("kept");
  desk.store->fail_next({ErrorCode::internal});  // of the turn that is held
  desk.store->fail_next({GetParam(), GetParam()});
  desk.let_go();
  EXPECT_EQ(asked.answer().error().code, GetParam());
  EXPECT_EQ(asked_too.answer().error().code, GetParam());
  EXPECT_EQ(released.answer().error().code, GetParam());
  EXPECT_EQ(shown.answer().error().code, GetParam());
  EXPECT_EQ(watched.answer().error().code, GetParam());
  desk.store->heal();
  EXPECT_THAT(ids_of(*desk.show()), ElementsAre("kept"));
  EXPECT_THAT(desk.told(), IsEmpty());
  EXPECT_EQ(desk.looks, 0);
  EXPECT_EQ(desk.outcome(any_gpu("a", 70)), "granted");
  EXPECT_EQ(asked.count() + asked_too.count() + released.count() + shown.count() + watched.count(),
            5U);
}
INSTANTIATE_TEST_SUITE_P(LedgerDesk, FailedCommit,
                         testing::Values(ErrorCode::resource_exhausted, ErrorCode::unavailable,
                                         ErrorCode::internal, ErrorCode::corrupt));

TEST(LedgerDesk, BeginsADamagedStoreAnewAndDecidesOnce) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("old", 10)), "granted");
  static_cast<void>(desk.told());
  desk.hold();
  const Heard<Answer> asked;
  const Heard<Answer> taken;
  const Heard<api::LeaseReport> released;
  desk.desk->ask(any_gpu("a", 30), kMarie, asked.listener());
  desk.desk->ask(any_gpu("a", 1), kMarie, taken.listener());
  desk.desk->release("old", kMarie, released.listener());
  desk.store->fail_next({ErrorCode::internal, ErrorCode::corrupt});
  desk.let_go();
  EXPECT_EQ(TestDesk::outcome_of(asked.answer()), "granted");
  EXPECT_EQ(TestDesk::outcome_of(taken.answer()), "denied");
  EXPECT_TRUE(released.answer());
  const auto view = desk.show();
  EXPECT_THAT(ids_of(*view), ElementsAre("a"));
  EXPECT_EQ(view->devices.at(0).promised, gib(30));
  EXPECT_EQ(desk.store->begun_anew(), 1U);
  EXPECT_THAT(desk.told(), ElementsAre("granted a", "released old"));
  EXPECT_EQ(asked.count() + taken.count() + released.count(), 3U);
}

TEST(LedgerDesk, BeginsAnewOnceAndNoMoreInOneTurn) {
  OpenDesk desk;
  desk.store->fail_always(ErrorCode::corrupt);
  const std::size_t before = desk.store->transactions();
  EXPECT_EQ(desk.outcome(any_gpu("a", 1)), "corrupt");
  EXPECT_EQ(desk.store->begun_anew(), 1U);
  EXPECT_EQ(desk.store->transactions(), before + 2);
}

TEST(LedgerDesk, SaysWhyItCannotBeginAnew) {
  OpenDesk desk;
  desk.store->refuse_to_begin_anew();
  desk.store->fail_next({ErrorCode::corrupt});
  EXPECT_EQ(desk.outcome(any_gpu("a", 1)), "permission_denied");
  EXPECT_EQ(desk.outcome(any_gpu("a", 1)), "granted");
}

TEST(LedgerDesk, ShowsWhatIsWrongWhileItIsAndNoLonger) {
  OpenDesk desk;
  ASSERT_EQ(desk.desk->view()->trouble, "");
  desk.store->fail_next({ErrorCode::resource_exhausted});
  EXPECT_EQ(desk.outcome(any_gpu("a", 1)), "resource_exhausted");
  EXPECT_EQ(desk.show()->trouble, "");  // A turn later all is well;
  EXPECT_THAT(desk.desk->view()->trouble, HasSubstr("disk failed"));
  desk.observe();  // the next sample tells everybody.
  EXPECT_EQ(desk.desk->view()->trouble, "");
}

TEST(LedgerDesk, DoesNotAskAFailingStoreWithoutAPause) {
  // What is due by this clock is overdue by the real one, which the thread sleeps by.
  TestDesk desk(std::chrono::minutes{-30});
  desk.observe();
  desk.store->fail_always(ErrorCode::resource_exhausted);
  const auto watched = desk.watch("nobody", 60s);
  static_cast<void>(watched.answer());
  const std::size_t before = desk.store->transactions();
  constexpr std::size_t kTimes = 300;
  for (std::size_t i = 0; i < kTimes; ++i) {
    ASSERT_EQ(desk.outcome(any_gpu("a", 1)), "resource_exhausted");
  }
  EXPECT_EQ(desk.store->transactions(), before + kTimes);
}

// --- watching

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

// --- the end

TEST(LedgerDesk, AnswersEverybodyAtItsEnd) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("b", 60))), "waiting");
  const auto watching = desk.watch("b");
  static_cast<void>(desk.show());
  desk.hold();
  const Heard<Answer> asked;
  desk.desk->ask(of_host("c", 10), kMarie, asked.listener());
  const auto new_watch = desk.watch("b");
  std::thread stopper([&] { desk.desk->stop(); });
  // Whoever comes once it is stopping is told so at once.
  EXPECT_TRUE(eventually([&] {
    const Heard<std::shared_ptr<const api::LedgerView>> late;
    desk.desk->show(late.listener());
    return late.count() == 1;
  }));
  desk.let_go();
  stopper.join();
  EXPECT_EQ(TestDesk::outcome_of(asked.answer()), "granted");  // It was asked in time.
  EXPECT_EQ(watching.answer().error().code, ErrorCode::unavailable);
  EXPECT_EQ(new_watch.answer().error().code, ErrorCode::unavailable);
  EXPECT_EQ(watching.count() + new_watch.count(), 2U);

  desk.desk->stop();
  EXPECT_EQ(desk.outcome(any_gpu("d", 1)), "unavailable");
  EXPECT_EQ(desk.release("a").error().code, ErrorCode::unavailable);
  EXPECT_EQ(desk.watch("a").answer().error().code, ErrorCode::unavailable);
  desk.desk->observe(sample_of());  // harmless
  desk.desk->poke();
}

// --- what it shows

TEST(LedgerView, IsNoMoreThanAMomentBehind) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("b", 60))), "waiting");
  EXPECT_THAT(ids_of(*desk.show()), ElementsAre("a", "b"));  // Exact, whenever asked;
  EXPECT_THAT(ids_of(*desk.desk->view()), IsEmpty());        // this one is for all, and made less
  desk.pass(20ms);                                           // often.
  const auto view = desk.desk->view();
  EXPECT_THAT(ids_of(*view), ElementsAre("a", "b"));
  EXPECT_EQ(view->leases.at(1).place, 1U);
  EXPECT_EQ(view->devices.at(0).available, gib(20));
  EXPECT_EQ(view->host_available, gib(100));
  EXPECT_FALSE(view->durable);
  desk.pass(1s);
  EXPECT_EQ(desk.desk->view(), view);  // Nothing has changed.
}

TEST(LedgerView, IsMadeWithoutBeingAskedFor) {
  TestDesk desk(std::chrono::minutes{-30});  // 20 ms have passed by the real clock.
  desk.observe();
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  desk.pass_unnoticed(20ms);
  EXPECT_TRUE(eventually([&] { return ids_of(*desk.desk->view()).size() == 1; }));
}

TEST(LedgerView, KeepsAViewThatSomebodyHolds) {
  OpenDesk desk;
  const auto before = desk.desk->view();
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  desk.observe();
  EXPECT_THAT(before->leases, IsEmpty());
  EXPECT_THAT(ids_of(*desk.desk->view()), ElementsAre("a"));
}

TEST(LedgerView, RemembersTheMostThatWasUsed) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 20)), "granted");
  for (const std::uint64_t gb : {4U, 9U, 6U}) {
    Use use = gpu_use(gb);
    use.host = gib(10 - gb);
    desk.observe(sample_of({{"a", use}, {"nobody", gpu_use(1)}}));
  }
  const api::LeaseReport report = lease_in(*desk.show(), "a");
  EXPECT_EQ(used_on_gpu(report.used), gib(6));
  EXPECT_EQ(used_on_gpu(report.peak), gib(9));
  EXPECT_EQ(report.used.host, gib(4));
  EXPECT_EQ(report.peak.host, gib(6));
  desk.observe();
  EXPECT_EQ(used_on_gpu(lease_in(*desk.show(), "a").used), Bytes{});
  const auto released = desk.release("a");
  ASSERT_TRUE(released);
  EXPECT_EQ(used_on_gpu(released->peak), gib(9));
}

TEST(LedgerView, ForgetsThePeakOfAnEarlierLeaseOfThatName) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 20)), "granted");
  desk.observe(sample_of({{"a", gpu_use(9)}}));
  ASSERT_TRUE(desk.release("a"));
  ASSERT_EQ(desk.outcome(any_gpu("a", 20)), "granted");  // before the next sample
  desk.observe(sample_of({{"a", gpu_use(2)}}));
  EXPECT_EQ(used_on_gpu(lease_in(*desk.show(), "a").peak), gib(2));
}

TEST(LedgerView, CountsTheUseOfALeaseWithinAnotherThere) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("outer", 20)), "granted");
  Request inner = on_gpu("inner", 0, 5);
  inner.demand.within = "outer";
  ASSERT_EQ(desk.outcome(inner), "granted");
  desk.observe(sample_of({{"outer", gpu_use(7)}}));
  const auto view = desk.show();
  EXPECT_EQ(used_on_gpu(lease_in(*view, "outer").used), gib(7));
  EXPECT_EQ(used_on_gpu(lease_in(*view, "inner").used), Bytes{});
}

// --- memory given back

TEST(LookAgain, IsWantedOnlyWhereMemoryThatWasInUseIsGivenBack) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("used", 20)), "granted");
  ASSERT_EQ(desk.outcome(any_gpu("idle", 20)), "granted");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("waits", 60))), "waiting");
  Use nothing = gpu_use(0);
  desk.observe(sample_of({{"used", gpu_use(3)}, {"idle", nothing}}));
  const auto looks_after = [&](const char* id) {
    EXPECT_TRUE(desk.release(id)) << id;
    static_cast<void>(desk.show());  // It looks after it has answered.
    return desk.looks.load();
  };
  EXPECT_EQ(looks_after("waits"), 0);
  EXPECT_EQ(looks_after("idle"), 0);
  EXPECT_EQ(desk.release("nobody").error().code, ErrorCode::not_found);
  EXPECT_EQ(desk.release("used", kNoor).error().code, ErrorCode::permission_denied);
  desk.store->fail_next({ErrorCode::resource_exhausted});
  EXPECT_FALSE(desk.release("used"));
  static_cast<void>(desk.show());
  EXPECT_EQ(desk.looks, 0);
  EXPECT_EQ(looks_after("used"), 1);
}

TEST(LookAgain, IsWantedForHostMemoryToo) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(of_host("a", 20)), "granted");
  desk.observe(sample_of({{"a", Use{.devices = {}, .host = gib(1)}}}));
  ASSERT_TRUE(desk.release("a"));
  static_cast<void>(desk.show());
  EXPECT_EQ(desk.looks, 1);
}

// --- what has happened

TEST(Collect, TellsEachHappeningOnce) {
  OpenDesk desk;
  EXPECT_THAT(desk.told(), IsEmpty());
  ASSERT_EQ(desk.outcome(any_gpu("a", 60)), "granted");
  ASSERT_EQ(desk.outcome(any_gpu("b", 60)), "denied");
  ASSERT_EQ(desk.outcome(waiting(any_gpu("c", 60))), "waiting");
  ASSERT_TRUE(desk.release("a"));
  static_cast<void>(desk.show());
  EXPECT_THAT(desk.told(), ElementsAre("granted a", "released a", "granted c"));
  EXPECT_THAT(desk.told(), IsEmpty());
}

TEST(Collect, KeepsTheFirstOnesAndCountsTheRest) {
  OpenDesk desk;
  desk.hold();
  constexpr std::size_t kRounds = 200;
  const Heard<api::LeaseReport> released;
  for (std::size_t i = 0; i < kRounds; ++i) {
    desk.desk->ask(any_gpu("a", 1), kMarie, [](const Result<Answer>&) {});
    desk.desk->release("a", kMarie, released.listener());
  }
  desk.let_go();
  EXPECT_TRUE(eventually([&] { return released.count() == kRounds; }));
  static_cast<void>(desk.show());
  const LedgerDesk::Past past = desk.desk->collect();
  ASSERT_EQ(past.happened.size(), LedgerDesk::kMostHappenings);
  EXPECT_EQ(past.unheard, 2 * kRounds - LedgerDesk::kMostHappenings);
  EXPECT_EQ(past.happened.front().kind, Happening::Kind::granted);
  EXPECT_EQ(past.happened.back().kind, Happening::Kind::released);
  EXPECT_EQ(desk.desk->collect().unheard, 0U);
}

// --- from many sides

TEST(LedgerDesk, GrantsTheLastBytesToOneOfManyThreads) {
  OpenDesk desk;
  constexpr int kThreads = 8;
  constexpr int kRounds = 40;
  std::atomic<int> granted = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int round = 0; round < kRounds; ++round) {
        const std::string id = std::to_string(thread) + "/" + std::to_string(round);
        granted += desk.outcome(any_gpu(id, 1)) == "granted" ? 1 : 0;
        desk.desk->observe(sample_of());
        static_cast<void>(desk.desk->view());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(granted, 80);
  EXPECT_EQ(desk.show()->devices.at(0).available, Bytes{});
}

}  // namespace
}  // namespace levee::engine
