// What the desk shows and tells of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/engine/ledger_desk.hpp"

namespace levee::engine {
namespace {

using namespace levee::test;
using namespace std::string_literals;
using testing::ElementsAre;
using testing::IsEmpty;

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

// --- balloons

Request balloon(std::string id, std::uint64_t gb) {
  Request request = any_gpu(std::move(id), gb);
  request.demand.kind = ledger::LeaseKind::balloon;
  return request;
}

TEST(LedgerDesk, TellsWhichBalloonsThereAreBeforeItAnswers) {
  OpenDesk desk;
  EXPECT_THAT(desk.balloons(), ElementsAre(IsEmpty()));  // At first, whatever the file held.
  ASSERT_EQ(desk.outcome(any_gpu("no balloon", 10)), "granted");
  EXPECT_EQ(desk.balloons().size(), 1U);
  ASSERT_EQ(desk.outcome(balloon("a", 10)), "granted");
  EXPECT_THAT(desk.balloons().back(), ElementsAre("a"));
  ASSERT_EQ(desk.outcome(balloon("b", 10)), "granted");
  EXPECT_THAT(desk.balloons().back(), ElementsAre("a", "b"));
  ASSERT_TRUE(desk.release("a"));
  EXPECT_THAT(desk.balloons().back(), ElementsAre("b"));
  const Heard<Answer> resized;
  desk.desk->resize("b", gib(20), kMarie, resized.listener());
  ASSERT_TRUE(resized.answer());
  EXPECT_EQ(desk.balloons().size(), 5U);
}

TEST(LedgerDesk, KeepsWhatWasUsedBeforeABalloonAndTellsItOnce) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(balloon("a", 10)), "granted");
  desk.desk->note_used_before("a", {"GPU-0", gib(1)});
  desk.desk->note_used_before("a", {"GPU-0", gib(2)});
  desk.desk->note_used_before("a", {"GPU-0", gib(2)});
  desk.desk->note_used_before("nobody", {"GPU-0", gib(2)});
  static_cast<void>(desk.show());
  EXPECT_THAT(desk.used_before(), ElementsAre(gib(2)));
  EXPECT_LE(desk.balloons().size(), 4U) << "at first, granted, and two figures";
}

TEST(LedgerDesk, TellsNoBalloonThatWasNotCommittedOrOnlyWaits) {
  OpenDesk desk;
  desk.store->fail_next({ErrorCode::resource_exhausted});
  ASSERT_EQ(desk.outcome(balloon("a", 10)), "resource_exhausted");
  ASSERT_EQ(desk.outcome(any_gpu("job", 70)), "granted");
  ASSERT_EQ(desk.outcome(waiting(balloon("later", 20))), "waiting");
  EXPECT_THAT(desk.balloons(), ElementsAre(IsEmpty()));
  ASSERT_TRUE(desk.release("job"));
  static_cast<void>(desk.show());
  EXPECT_THAT(desk.balloons().back(), ElementsAre("later"));
}

// --- how jobs went

Request predicted(Request request) {
  request.prediction = Prediction{.model = "llama-3-8b",
                                  .framework = "transformers",
                                  .is_training = false,
                                  .fills_memory = false,
                                  .fixed = gib(8),
                                  .soft = gib(1),
                                  .low = gib(8),
                                  .expected = gib(9),
                                  .high = gib(12)};
  return request;
}

std::vector<std::pair<std::string, Bytes>> record_of(TestDesk& desk) {
  std::vector<std::pair<std::string, Bytes>> jobs;
  for (const JobRecord& each : *desk.show()->record) {
    jobs.emplace_back(each.lease, each.peak);
  }
  return jobs;
}

TEST(LedgerView, RecordsHowAJobWentOfWhichSomethingWasSaid) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(predicted(any_gpu("a", 20))), "granted");
  ASSERT_EQ(desk.outcome(any_gpu("unpredicted", 20)), "granted");
  ASSERT_EQ(desk.outcome(predicted(any_gpu("unused", 20))), "granted");
  desk.observe(sample_of({{"a", gpu_use(9)}, {"unpredicted", gpu_use(3)}}));
  desk.observe(sample_of({{"a", gpu_use(4)}}));
  for (const char* id : {"a", "unpredicted", "unused"}) {
    ASSERT_TRUE(desk.release(id));
  }
  EXPECT_THAT(record_of(desk), ElementsAre(std::pair{"a"s, gib(9)}));
  const JobRecord record = desk.show()->record->front();
  EXPECT_EQ(record.predicted, predicted(any_gpu("a", 20)).prediction);
  EXPECT_EQ(record.uid, kMarie.uid);
}

TEST(LedgerView, RecordsAJobThatDiedByItself) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(predicted(any_gpu("a", 20, 77))), "granted");
  desk.observe(sample_of({{"a", gpu_use(9)}}));
  desk.kill(77);
  desk.observe();
  EXPECT_THAT(record_of(desk), ElementsAre(std::pair{"a"s, gib(9)}));
}

TEST(LedgerView, RecordsNothingThatNeverBegan) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("a", 70)), "granted");
  ASSERT_EQ(desk.outcome(waiting(predicted(any_gpu("b", 70)))), "waiting");
  desk.observe(sample_of({{"b", gpu_use(9)}}));
  ASSERT_TRUE(desk.release("b"));
  EXPECT_THAT(record_of(desk), IsEmpty());
}

TEST(LedgerView, RecordsNothingOfALeaseWithinAnother) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(any_gpu("job", 20)), "granted");
  Request inner = predicted(on_gpu("inner", 0, 2));
  inner.demand.within = "job";
  ASSERT_EQ(desk.outcome(inner), "granted");
  desk.observe(sample_of({{"job", gpu_use(9)}}));
  ASSERT_TRUE(desk.release("inner"));
  EXPECT_THAT(record_of(desk), IsEmpty());  // Whose the 9 GB are is not told apart.
}

TEST(LedgerView, RecordsAJobOnceThoughTheDiskFailedAtFirst) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(predicted(any_gpu("a", 20))), "granted");
  desk.observe(sample_of({{"a", gpu_use(9)}}));
  desk.store->fail_next({ErrorCode::resource_exhausted});
  ASSERT_FALSE(desk.release("a"));
  EXPECT_THAT(record_of(desk), IsEmpty());
  ASSERT_TRUE(desk.release("a"));
  EXPECT_THAT(record_of(desk), ElementsAre(std::pair{"a"s, gib(9)}));
}

TEST(LedgerView, ForgetsTheRecordWhenToldSo) {
  OpenDesk desk;
  ASSERT_EQ(desk.outcome(predicted(any_gpu("a", 20))), "granted");
  desk.observe(sample_of({{"a", gpu_use(9)}}));
  ASSERT_TRUE(desk.release("a"));
  const Heard<void> heard;
  desk.desk->forget(heard.listener());
  EXPECT_TRUE(heard.answer());
  EXPECT_THAT(record_of(desk), IsEmpty());
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

}  // namespace
}  // namespace levee::engine
