#include "store/history_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "unit/store/store_fixture.hpp"

namespace levee::store {
namespace {

using history::Bucket;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class HistoryStoreTest : public testing::Test {
 protected:
  TempDir dir;
  std::filesystem::path file = dir / "state/history.db";
  HistoryStore store = HistoryStore::open(file).value();
};

TEST_F(HistoryStoreTest, MakesTheDirectoryAndAFileThatOthersCannotRead) {
  const auto mode = std::filesystem::status(file).permissions();
  EXPECT_EQ(mode & std::filesystem::perms::others_all, std::filesystem::perms::none);
}

TEST_F(HistoryStoreTest, KeepsAPointInEveryResolution) {
  ASSERT_TRUE(store.write({.points = {point("a", 3s, 2.5)}, .events = {}}));
  for (const auto width : history::kResolutions) {
    const auto found = store.query(everything(width)).value();
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].series, "a");
    EXPECT_EQ(found[0].min, 2.5);
    EXPECT_EQ(found[0].count, 1U);
    EXPECT_EQ(found[0].start.time_since_epoch() % width, 0ms);
  }
}

TEST_F(HistoryStoreTest, MergesWhatALaterBatchAddsToABucket) {
  ASSERT_TRUE(store.write({.points = {point("a", 1s, 10), point("a", 2s, 4)}, .events = {}}));
  ASSERT_TRUE(store.write({.points = {point("a", 3s, 7), point("a", 3s + 1ms, 12)}, .events = {}}));
  EXPECT_THAT(store.query(everything(10s)).value(), ElementsAre(Bucket{"a", kStart, 4, 12, 33, 4}));
}

TEST_F(HistoryStoreTest, LeavesOutValuesThatAreNotFinite) {
  const double infinity = std::numeric_limits<double>::infinity();
  ASSERT_TRUE(store.write({.points = {point("a", 1s, std::nan("")), point("a", 1s, infinity),
                                      point("b", 1s, -infinity), point("a", 1s, 5)},
                           .events = {}}));
  EXPECT_THAT(store.query(everything(1s)).value(),
              ElementsAre(Bucket{"a", kStart + 1s, 5, 5, 5, 1}));
}

TEST_F(HistoryStoreTest, KeepsNamesThatLookLikeSql) {
  const std::string name = "x'); DROP TABLE bucket;--";
  ASSERT_TRUE(store.write({.points = {point(name, 0s, 1)}, .events = {}}));
  EXPECT_EQ(store.query(everything(1s)).value().at(0).series, name);
}

TEST_F(HistoryStoreTest, AnswersOneSeriesOrAllOrderedByNameAndTime) {
  ASSERT_TRUE(store.write(
      {.points = {point("b", 5s, 1), point("a", 9s, 1), point("a", 2s, 1)}, .events = {}}));
  const auto all = store.query(everything(1s)).value();
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].start, kStart + 2s);
  EXPECT_EQ(all[1].start, kStart + 9s);
  EXPECT_EQ(all[2].series, "b");
  Query query = everything(1s);
  query.series = {"b", "never seen"};
  EXPECT_THAT(store.query(query).value(), SizeIs(1));
  query.series = {"never seen"};
  EXPECT_THAT(store.query(query).value(), IsEmpty());
}

TEST_F(HistoryStoreTest, AnswersTheBucketsThatOverlapTheTime) {
  ASSERT_TRUE(store.write(batch_of(60)));
  const auto count = [&](WallTime from, WallTime to, std::chrono::seconds width) {
    return store.query({.series = {}, .from = from, .to = to, .width = width}).value().size();
  };
  EXPECT_EQ(count(kStart + 10s, kStart + 20s, 10s), 1U);
  EXPECT_EQ(count(kStart + 10s, kStart + 20s + 1ms, 10s), 2U);
  EXPECT_EQ(count(kStart + 9s + 999ms, kStart + 20s, 10s), 2U);
  EXPECT_EQ(count(kStart + 5s, kStart + 5s, 1s), 0U);
  EXPECT_EQ(count(kStart - 1h, kStart, 1s), 0U);
  EXPECT_EQ(count(kStart + 60s, WallTime::max(), 60s), 0U);
  EXPECT_EQ(count(WallTime::min(), WallTime::max(), 1s), 60U);
}

TEST_F(HistoryStoreTest, RefusesAWidthThatIsNotKept) {
  for (const auto width : {0s, -1s, 2s, 59s, 3601s}) {
    const auto answer = store.query(everything(width));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(answer.error().message, testing::HasSubstr(std::to_string(width.count())));
  }
}

TEST_F(HistoryStoreTest, RefusesATimeThatEndsBeforeItBegins) {
  const auto answer = store.query({.series = {}, .from = kStart, .to = kStart - 1ms, .width = 1s});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::invalid_argument);
}

TEST_F(HistoryStoreTest, RefusesAnAnswerThatIsTooLarge) {
  constexpr int kSeconds = static_cast<int>(HistoryStore::kMaxBuckets / 2) + 1;
  ASSERT_TRUE(store.write(batch_of(kSeconds, 2)));
  const auto answer = store.query(everything(1s));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::resource_exhausted);
  Query one = everything(1s);
  one.series = {"host/series_1"};
  EXPECT_THAT(store.query(one).value(), SizeIs(kSeconds));
}

// --- events

TEST_F(HistoryStoreTest, AnswersTheNewestEventsFirst) {
  ASSERT_TRUE(store.write({.points = {}, .events = {event("alert", 2s), event("resolved", 3s)}}));
  ASSERT_TRUE(store.write({.points = {}, .events = {event("alert", 1s), event("alert", 2s)}}));
  const auto times = [](const std::vector<StoredEvent>& events) {
    std::vector<std::int64_t> seconds;
    for (const StoredEvent& e : events) {
      seconds.push_back((e.at - kStart) / 1s);
    }
    return seconds;
  };
  EXPECT_THAT(times(store.events({}).value()), ElementsAre(3, 2, 2, 1));
  EXPECT_THAT(times(store.events({.kinds = {}, .limit = 2}).value()), ElementsAre(3, 2));
  EXPECT_THAT(store.events({.kinds = {}, .limit = 0}).value(), IsEmpty());
  EXPECT_THAT(store.events({.kinds = {}, .limit = std::numeric_limits<std::size_t>::max()}).value(),
              SizeIs(4));
}

TEST_F(HistoryStoreTest, AnswersTheEventsOfSomeKindsSinceATime) {
  ASSERT_TRUE(store.write({.points = {},
                           .events = {event("alert", 1s), event("resolved", 2s),
                                      event("source_lost", 3s), event("alert", 4s)}}));
  const auto count = [&](std::vector<std::string> kinds, WallTime since) {
    return store.events({.kinds = std::move(kinds), .since = since}).value().size();
  };
  EXPECT_EQ(count({"alert"}, WallTime::min()), 2U);
  EXPECT_EQ(count({"alert", "resolved"}, WallTime::min()), 3U);
  EXPECT_EQ(count({"alert", "resolved"}, kStart + 2s), 2U);
  EXPECT_EQ(count({"alert", "resolved"}, kStart + 2s + 1ms), 1U);
  EXPECT_EQ(count({}, kStart + 3s), 2U);
  EXPECT_EQ(count({}, WallTime::max()), 0U);
  EXPECT_EQ(count({"no such kind"}, WallTime::min()), 0U);
  EXPECT_EQ(count({"'; DROP TABLE event;--"}, WallTime::min()), 0U);
  EXPECT_EQ(count({}, WallTime::min()), 4U);
}

TEST_F(HistoryStoreTest, KeepsAnEventAsItWasGiven) {
  const std::string odd("line\nbreak \0 nul \xff", 18);
  const StoredEvent with{kStart + 1ms, "alert", "critical", odd};
  const StoredEvent without{kStart, "daemon_started", std::nullopt, "{}"};
  ASSERT_TRUE(store.write({.points = {}, .events = {with, without}}));
  EXPECT_THAT(store.events({}).value(), ElementsAre(with, without));
}

TEST_F(HistoryStoreTest, WritesNothingForAnEmptyBatch) {
  ASSERT_TRUE(store.write({}));
  EXPECT_EQ(buckets_in(store, 1s), 0U);
}

TEST_F(HistoryStoreTest, KeepsEverythingWhenOpenedAgain) {
  ASSERT_TRUE(store.write({.points = {point("a", 1s, 1)}, .events = {event("alert")}}));
  {
    const HistoryStore closed = std::move(store);
  }
  store = HistoryStore::open(file).value();
  ASSERT_TRUE(store.write({.points = {point("a", 1s, 3)}, .events = {}}));
  EXPECT_THAT(store.query(everything(1s)).value(),
              ElementsAre(Bucket{"a", kStart + 1s, 1, 3, 4, 2}));
  EXPECT_THAT(store.events({}).value(), SizeIs(1));
}

TEST_F(HistoryStoreTest, KnowsItsNewestPointToTheHour) {
  EXPECT_EQ(store.newest().value(), std::nullopt);
  ASSERT_TRUE(store.write({.points = {point("a", 0s, 1), point("b", 5h, 1)}, .events = {}}));
  const auto newest = store.newest().value();
  ASSERT_TRUE(newest);
  EXPECT_GE(*newest, kStart + 5h);
  EXPECT_LE(*newest, kStart + 6h);
}

// --- pruning

/// Prunes until nothing is left to prune; the number of calls.
int prune_all(HistoryStore& store, const Retention& retention, WallTime now) {
  int calls = 1;
  while (store.prune(retention, now).value()) {
    ++calls;
  }
  return calls;
}

TEST_F(HistoryStoreTest, PrunesEachResolutionByItsOwnAge) {
  ASSERT_TRUE(store.write({.points = {point("a", 0s, 1), point("a", 2h, 1)}, .events = {}}));
  const Retention retention{.keep_1s = 1h, .keep_10s = 1h, .keep_1m = 3h, .keep_1h = 3h};
  prune_all(store, retention, kStart + 2h);
  EXPECT_EQ(buckets_in(store, 1s), 1U);
  EXPECT_EQ(buckets_in(store, 10s), 1U);
  EXPECT_EQ(buckets_in(store, 1min), 2U);
  EXPECT_EQ(buckets_in(store, 1h), 2U);
}

TEST_F(HistoryStoreTest, KeepsABucketUntilItsEndIsTooOld) {
  ASSERT_TRUE(store.write({.points = {point("a", 0s, 1)}, .events = {}}));
  const Retention retention{.keep_10s = 60s};
  prune_all(store, retention, kStart + 70s - 1ms);
  EXPECT_EQ(buckets_in(store, 10s), 1U);
  prune_all(store, retention, kStart + 70s);
  EXPECT_EQ(buckets_in(store, 10s), 0U);
}

TEST_F(HistoryStoreTest, PrunesEventsByAge) {
  ASSERT_TRUE(store.write({.points = {}, .events = {event("old"), event("new", 2h)}}));
  prune_all(store, {.keep_events = 1h}, kStart + 2h);
  const auto left = store.events({}).value();
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left[0].kind, "new");
}

TEST_F(HistoryStoreTest, PrunesInBoundedStepsAndSaysWhenMoreIsLeft) {
  ASSERT_TRUE(store.write(batch_of(12'000)));
  const Retention retention{.keep_1s = 60s};
  EXPECT_TRUE(store.prune(retention, kStart + 24h).value());
  EXPECT_GT(buckets_in(store, 1s), 0U);
  EXPECT_EQ(prune_all(store, retention, kStart + 24h), 2);
  EXPECT_EQ(buckets_in(store, 1s), 0U);
}

TEST_F(HistoryStoreTest, GivesTheDiskBackWhatWasPruned) {
  ASSERT_TRUE(store.write(batch_of(60'000)));
  {
    const HistoryStore closed = std::move(store);
  }
  const auto before = std::filesystem::file_size(file);
  store = HistoryStore::open(file).value();
  prune_all(store, {.keep_1s = 60s, .keep_10s = 60s, .keep_1m = 60s, .keep_1h = 60s},
            kStart + 24h * 365);
  {
    const HistoryStore closed = std::move(store);
  }
  EXPECT_LT(std::filesystem::file_size(file), before - before / 4);
  store = HistoryStore::open(file).value();
}

TEST_F(HistoryStoreTest, WritesASeriesAgainThatWasPrunedAway) {
  ASSERT_TRUE(store.write({.points = {point("a", 0s, 1), point("b", 0s, 1)}, .events = {}}));
  prune_all(store, {.keep_1s = 60s, .keep_10s = 60s, .keep_1m = 60s, .keep_1h = 60s}, kStart + 24h);
  ASSERT_TRUE(store.write({.points = {point("b", 24h, 7)}, .events = {}}));
  EXPECT_THAT(store.query(everything(1s)).value(),
              ElementsAre(Bucket{"b", kStart + 24h, 7, 7, 7, 1}));
}

}  // namespace
}  // namespace levee::store
