#include "store/store_worker.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "unit/store/store_fixture.hpp"

namespace levee::store {
namespace {

using testing::HasSubstr;
using Answered = Result<std::vector<history::Bucket>>;

StoreWorker::Options quick(const std::filesystem::path& file) {
  return {.file = file, .retention = {}, .retry = 2ms, .clock = [] { return kStart; }};
}

/// What `ask` is answered, if it is.
template <class T, class Ask>
Result<std::vector<T>> answer_to(Ask ask) {
  auto promise = std::make_shared<std::promise<Result<std::vector<T>>>>();
  auto answer = promise->get_future();
  ask([promise](Result<std::vector<T>> result) { promise->set_value(std::move(result)); });
  if (answer.wait_for(20s) != std::future_status::ready) {
    return fail(ErrorCode::timed_out, "no answer");
  }
  return answer.get();
}

Answered ask(StoreWorker& worker, std::chrono::seconds width = 1s) {
  return answer_to<history::Bucket>(
      [&](auto answer) { worker.query(everything(width), std::move(answer)); });
}

Result<std::vector<StoredEvent>> ask_events(StoreWorker& worker, EventQuery query) {
  return answer_to<StoredEvent>(
      [&](auto answer) { worker.events(std::move(query), std::move(answer)); });
}

std::uint64_t points_of(const Answered& answer) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; answer && i < answer->size(); ++i) {
    count += answer->at(i).count;
  }
  return count;
}

bool becomes(const StoreWorker& worker, bool durable) {
  return eventually([&] {
    const StoreHealth health = worker.health();
    return health.since && health.durable == durable;
  });
}

TEST(StoreWorker, WritesWhatItIsOfferedAndAnswers) {
  const TempDir dir;
  StoreWorker worker(quick(dir / "history.db"));
  ASSERT_TRUE(becomes(worker, true));
  worker.offer(batch_of(10));
  EXPECT_TRUE(eventually([&] { return points_of(ask(worker)) == 10; }));
  EXPECT_TRUE(worker.health().reason.empty());
  EXPECT_EQ(worker.health().since, kStart);
}

TEST(StoreWorker, WritesWhatWaitsWhenItIsStopped) {
  const TempDir dir;
  {
    StoreWorker worker(quick(dir / "history.db"));
    for (int i = 0; i < 20; ++i) {
      worker.offer(batch_of(10, 1, std::chrono::seconds{10 * i}));
    }
    worker.stop(20s);
    worker.stop(20s);
  }
  EXPECT_EQ(points_in(HistoryStore::open(dir / "history.db").value()), 200U);
}

TEST(StoreWorker, CountsWhatIsOfferedAfterTheEnd) {
  const TempDir dir;
  StoreWorker worker(quick(dir / "history.db"));
  worker.stop(20s);
  worker.offer(batch_of(7));
  EXPECT_EQ(worker.health().dropped_points, 7U);
}

TEST(StoreWorker, RefusesQuestionsAfterTheEnd) {
  const TempDir dir;
  StoreWorker worker(quick(dir / "history.db"));
  worker.stop(20s);
  const Answered answer = ask(worker);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::unavailable);
}

TEST(StoreWorker, AnswersEveryQuestionOnceAlsoWhenStopped) {
  const TempDir dir;
  auto worker = std::make_unique<StoreWorker>(quick(dir / "history.db"));
  std::atomic<int> answers = 0;
  constexpr int kQuestions = 500;  // More than may wait.
  for (int i = 0; i < kQuestions; ++i) {
    worker->query(everything(1s), [&](const Answered&) { ++answers; });
  }
  worker.reset();
  EXPECT_EQ(answers, kQuestions);
}

TEST(StoreWorker, RefusesMoreQuestionsThanMayWait) {
  const TempDir dir;
  auto options = quick(dir / "history.db");
  options.max_waiting_queries = 1;
  std::promise<void> entered;
  std::promise<void> leave;
  StoreWorker worker(options);
  worker.query(everything(1s), [&](const Answered&) {
    entered.set_value();
    leave.get_future().wait();
  });
  entered.get_future().wait();
  worker.query(everything(1s), [](const Answered&) {});
  Answered refused;
  worker.query(everything(1s), [&](Answered answer) { refused = std::move(answer); });
  leave.set_value();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
}

TEST(StoreWorker, PassesTheStoresRefusalOn) {
  const TempDir dir;
  StoreWorker worker(quick(dir / "history.db"));
  ASSERT_TRUE(becomes(worker, true));
  const Answered answer = ask(worker, 7s);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(worker.health().durable);
}

TEST(StoreWorker, AnswersWhatHappenedBetweenQuestionsAboutHistory) {
  const TempDir dir;
  StoreWorker worker(quick(dir / "history.db"));
  ASSERT_TRUE(becomes(worker, true));
  worker.offer({.points = {}, .events = {event("alert"), event("resolved", 1s)}});
  EXPECT_TRUE(eventually([&] { return ask_events(worker, {}).value().size() == 2; }));
  const auto found = ask_events(worker, {.kinds = {"alert"}, .since = kStart, .limit = 9});
  ASSERT_TRUE(found);
  EXPECT_THAT(*found, testing::ElementsAre(event("alert")));
}

TEST(StoreWorker, SaysWhyNoEventsCanBeRead) {
  const TempDir dir;
  put(dir / "file", "no directory");
  StoreWorker worker(quick(dir / "file/history.db"));
  ASSERT_TRUE(becomes(worker, false));
  const auto while_broken = ask_events(worker, {});
  ASSERT_FALSE(while_broken);
  EXPECT_EQ(while_broken.error().code, ErrorCode::unavailable);
  EXPECT_THAT(while_broken.error().message, HasSubstr(worker.health().reason));
  worker.stop(0s);
  EXPECT_EQ(ask_events(worker, {}).error().code, ErrorCode::unavailable);
}

TEST(StoreWorker, PrunesByTheRetentionThatWasSetLast) {
  const TempDir dir;
  auto options = quick(dir / "history.db");
  options.clock = [] { return kStart + 30min; };
  StoreWorker worker(options);
  const auto seconds_kept = [&] { return ask(worker).value().size(); };
  worker.offer(batch_of(20'000, 1, 30min - 20'000s));
  ASSERT_TRUE(eventually([&] { return seconds_kept() == 20'000; }));
  worker.set_retention({.keep_1s = 1h});
  EXPECT_TRUE(eventually([&] { return seconds_kept() == 3'600; })) << seconds_kept();
  worker.set_retention({.keep_1s = 60s});
  EXPECT_TRUE(eventually([&] { return seconds_kept() == 60; })) << seconds_kept();
}

TEST(StoreWorker, DeletesNothingByAClockThatJumpedAhead) {
  const TempDir dir;
  auto options = quick(dir / "history.db");
  std::atomic<std::chrono::milliseconds> ahead = 0ms;
  std::atomic<int> looks = 0;
  options.prune_every = 1ms;
  options.clock = [&] {
    ++looks;
    return kStart + ahead.load();
  };
  StoreWorker worker(options);
  worker.offer(batch_of(60));
  ASSERT_TRUE(eventually([&] { return points_of(ask(worker)) == 60; }));
  ahead = 24h * 3650;
  const int seen = looks;
  ASSERT_TRUE(eventually([&] { return looks > seen + 20; })) << "it prunes on";
  EXPECT_EQ(points_of(ask(worker)), 60U);
  worker.stop(20s);

  // The next daemon, which finds the clock still wrong.
  StoreWorker next(options);
  const int before = looks;
  ASSERT_TRUE(eventually([&] { return looks > before + 20; }));
  EXPECT_EQ(points_of(ask(next)), 60U);
}

TEST(StoreWorker, PrunesAgainAndAgain) {
  const TempDir dir;
  auto options = quick(dir / "history.db");
  options.prune_every = 1ms;
  options.retention.keep_1s = 60s;
  StoreWorker worker(options);
  for (int i = 0; i < 3; ++i) {
    worker.offer({.points = {point("old", -1h, 1), point("new", 0s, 1)}, .events = {}});
    EXPECT_TRUE(eventually([&] { return ask(worker).value().size() == 1; }));
  }
}

// --- trouble

TEST(StoreWorker, MovesADamagedFileAsideAndGoesOnAtOnce) {
  const TempDir dir;
  put(dir / "history.db", "this is not what it should be, and it has been so for a while");
  put(dir / "ledger.db", "untouched");
  StoreWorker worker(quick(dir / "history.db"));
  ASSERT_TRUE(becomes(worker, true));
  worker.offer(batch_of(10));
  EXPECT_TRUE(eventually([&] { return points_of(ask(worker)) == 10; }));
  const StoreHealth health = worker.health();
  EXPECT_EQ(health.moved_aside, dir / "history.db.damaged-20260131T080500Z");
  EXPECT_THAT(contents(*health.moved_aside), HasSubstr("should be"));
  EXPECT_EQ(contents(dir / "ledger.db"), "untouched");
}

TEST(StoreWorker, BeginsAnewWhenTheFileIsDamagedWhileOpen) {
  const TempDir dir;
  const auto file = dir / "history.db";
  ASSERT_TRUE(HistoryStore::open(file).value().write(batch_of(3'600, 20)));
  StoreWorker worker(quick(file));
  ASSERT_TRUE(becomes(worker, true));
  damage(file, 0, std::filesystem::file_size(file));
  // A question finds it, if pruning has not already.
  ASSERT_TRUE(eventually([&] { return ask(worker) && worker.health().moved_aside; }));
  worker.offer(batch_of(10, 1, 1h));
  EXPECT_TRUE(eventually([&] { return points_of(ask(worker)) == 10; }));
  EXPECT_TRUE(worker.health().moved_aside);
  EXPECT_TRUE(worker.health().durable);
}

TEST(StoreWorker, StaysInMemoryWhenDamageComesAgainAndAgain) {
  const TempDir dir;
  const auto file = dir / "history.db";
  auto options = quick(file);
  options.max_moved_aside = 0;
  put(file, "damaged, as it was damaged the day before and the day before that");
  StoreWorker worker(options);
  ASSERT_TRUE(becomes(worker, false));
  EXPECT_THAT(worker.health().reason, HasSubstr("damaged 1 times"));
  EXPECT_TRUE(damaged_files(file).empty());
}

TEST(StoreWorker, LeavesAnotherProgramsFileAlone) {
  const TempDir dir;
  const auto file = dir / "history.db";
  SQLite::Database(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("CREATE TABLE t(x)");
  const std::string before = contents(file);
  StoreWorker worker(quick(file));
  worker.offer(batch_of(10));
  ASSERT_TRUE(becomes(worker, false));
  worker.stop(20s);
  EXPECT_THAT(worker.health().reason, HasSubstr("another program"));
  EXPECT_FALSE(worker.health().moved_aside);
  EXPECT_EQ(contents(file), before);
}

TEST(StoreWorker, SaysWhyItIsNotDurableAndAnswersUnavailable) {
  const TempDir dir;
  put(dir / "file", "");
  StoreWorker worker(quick(dir / "file" / "history.db"));
  ASSERT_TRUE(becomes(worker, false));
  EXPECT_THAT(worker.health().reason, HasSubstr("file/history.db"));
  const Answered answer = ask(worker);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::unavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("Not a directory"));
}

TEST(StoreWorker, WritesWhatWaitedOnceItCan) {
  const TempDir dir;
  put(dir / "state", "in the way");
  StoreWorker worker(quick(dir / "state" / "history.db"));
  worker.offer(batch_of(10));
  ASSERT_TRUE(becomes(worker, false));
  std::filesystem::remove(dir / "state");
  ASSERT_TRUE(becomes(worker, true));
  EXPECT_TRUE(eventually([&] { return points_of(ask(worker)) == 10; }));
  EXPECT_EQ(worker.health().dropped_points, 0U);
}

TEST(StoreWorker, BoundsWhatWaitsAndCountsWhatIsLost) {
  const TempDir dir;
  put(dir / "state", "in the way");
  auto options = quick(dir / "state" / "history.db");
  options.max_waiting_points = 25;
  StoreWorker worker(options);
  ASSERT_TRUE(becomes(worker, false));
  for (int i = 0; i < 10; ++i) {
    Batch batch = batch_of(10, 1, std::chrono::seconds{10 * i});
    batch.events = {event("alert", std::chrono::seconds{i})};
    worker.offer(std::move(batch));
  }
  EXPECT_EQ(worker.health().dropped_points, 75U);
  std::filesystem::remove(dir / "state");
  EXPECT_TRUE(eventually([&] { return points_of(ask(worker)) == 25; }));
  worker.stop(20s);
  EXPECT_EQ(HistoryStore::open(dir / "state" / "history.db").value().events({}).value().size(),
            10U);
}

TEST(StoreWorker, TriesOnceMoreWhenStopped) {
  const TempDir dir;
  put(dir / "state", "in the way");
  auto options = quick(dir / "state" / "history.db");
  options.retry = 1h;
  StoreWorker worker(options);
  worker.offer(batch_of(10));
  ASSERT_TRUE(becomes(worker, false));
  std::filesystem::remove(dir / "state");
  worker.stop(20s);
  EXPECT_EQ(points_in(HistoryStore::open(dir / "state" / "history.db").value()), 10U);
}

TEST(StoreWorker, EndsAtOnceWhenNothingCanBeWritten) {
  const TempDir dir;
  put(dir / "state", "in the way");
  auto options = quick(dir / "state" / "history.db");
  options.retry = 1h;
  StoreWorker worker(options);
  worker.offer(batch_of(10));
  worker.stop(1h);
  EXPECT_EQ(worker.health().dropped_points, 10U);
}

TEST(StoreWorker, DropsABatchThatCouldNeverBeWrittenAndGoesOn) {
  const TempDir dir;
  StoreWorker worker(quick(dir / "history.db"));
  // Sums of +inf and -inf make no number, which the database refuses.
  worker.offer({.points = {point("a", 0s, 1e308), point("a", 0s, 1e308)}, .events = {}});
  worker.offer({.points = {point("a", 0s, -1e308), point("a", 0s, -1e308)}, .events = {}});
  worker.offer(batch_of(10));
  EXPECT_TRUE(eventually([&] { return points_of(ask(worker)) == 12; }));
  EXPECT_EQ(worker.health().dropped_points, 2U);
  EXPECT_TRUE(worker.health().durable);
}

TEST(StoreWorker, SurvivesTheLossOfItsDirectory) {
  const TempDir dir;
  StoreWorker worker(quick(dir / "state" / "history.db"));
  worker.offer(batch_of(10));
  ASSERT_TRUE(eventually([&] { return points_of(ask(worker)) == 10; }));
  std::filesystem::remove_all(dir / "state");
  worker.offer(batch_of(5, 1, 1min));
  EXPECT_TRUE(eventually([&] { return points_of(ask(worker)) == 5; }));
  worker.stop(20s);
  EXPECT_EQ(points_in(HistoryStore::open(dir / "state" / "history.db").value()), 5U);
}

TEST(StoreWorker, KeepsInMemoryWhatAFullDiskRefusesAndWritesItLater) {
  const SmallDisk disk("1m");
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "mounting a small disk needs root";
  }
  StoreWorker worker(quick(disk / "history.db"));
  worker.offer(batch_of(10));
  ASSERT_TRUE(eventually([&] { return points_of(ask(worker)) == 10; }));
  disk.fill();
  std::uint64_t offered = 10;
  ASSERT_TRUE(eventually([&] {
    worker.offer(batch_of(100, 1, std::chrono::seconds{offered}));
    offered += 100;
    return !worker.health().durable;
  }));
  EXPECT_THAT(worker.health().reason, HasSubstr("full"));
  EXPECT_THAT(worker.health().reason, HasSubstr("free space"));
  disk.free_up();
  ASSERT_TRUE(becomes(worker, true));
  EXPECT_TRUE(eventually([&] { return points_of(ask(worker)) == offered; }));
}

TEST(StoreWorker, StaysNotDurableWhileTheDiskIsFull) {
  const SmallDisk disk("256k");
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "mounting a small disk needs root";
  }
  std::atomic<int> turns = 0;  // The clock is read when health changes sides, and at each try.
  auto options = quick(disk / "history.db");
  options.clock = [&] { return kStart + std::chrono::seconds{++turns}; };
  StoreWorker worker(options);
  ASSERT_TRUE(becomes(worker, true));
  disk.fill();
  worker.offer(batch_of(10'000));
  ASSERT_TRUE(becomes(worker, false));
  const auto since = worker.health().since;
  const int before = turns;
  ASSERT_TRUE(eventually([&] { return turns > before + 20; })) << "it does not try again";
  EXPECT_FALSE(worker.health().durable);
  EXPECT_EQ(worker.health().since, since) << "health went back and forth";
}

}  // namespace
}  // namespace levee::store
