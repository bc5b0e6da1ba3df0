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
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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
