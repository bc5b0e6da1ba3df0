#include "store/waiting_batches.hpp"

#include <gtest/gtest.h>

#include "unit/store/store_fixture.hpp"

namespace levee::store {
namespace {

TEST(WaitingBatches, GivesTheOldestFirst) {
  WaitingBatches waiting(100, 100);
  EXPECT_TRUE(waiting.empty());
  waiting.add(batch_of(1));
  waiting.add(batch_of(2));
  EXPECT_EQ(waiting.take().points.size(), 1U);
  EXPECT_EQ(waiting.take().points.size(), 2U);
  EXPECT_TRUE(waiting.empty());
}

TEST(WaitingBatches, PutsBackBeforeTheOthers) {
  WaitingBatches waiting(100, 100);
  waiting.add(batch_of(1));
  waiting.add(batch_of(2));
  waiting.put_back(waiting.take());
  EXPECT_EQ(waiting.take().points.size(), 1U);
}

TEST(WaitingBatches, DropsTheOldestPointsFirstAndCountsThem) {
  WaitingBatches waiting(10, 100);
  waiting.add(batch_of(6, 1, 0s));
  waiting.add(batch_of(6, 1, 6s));
  EXPECT_EQ(waiting.dropped_points(), 2U);
  EXPECT_EQ(waiting.take().points.front().at, kStart + 2s);
  EXPECT_EQ(waiting.take().points.size(), 6U);
}

TEST(WaitingBatches, KeepsTheEventsOfABatchWhosePointsAreDropped) {
  WaitingBatches waiting(5, 100);
  Batch batch = batch_of(5);
  batch.events = {event("alert")};
  waiting.add(std::move(batch));
  waiting.add(batch_of(5));
  EXPECT_EQ(waiting.dropped_points(), 5U);
  EXPECT_EQ(waiting.dropped_events(), 0U);
  EXPECT_EQ(waiting.take().events.size(), 1U);
}

TEST(WaitingBatches, DropsTheOldestEventsWhenThereAreTooMany) {
  WaitingBatches waiting(5, 2);
  waiting.add({.points = {}, .events = {event("1"), event("2")}});
  waiting.add({.points = {}, .events = {event("3")}});
  EXPECT_EQ(waiting.dropped_events(), 1U);
  EXPECT_EQ(waiting.take().events.front().kind, "2");
}

TEST(WaitingBatches, DropsOfABatchPutBackBeforeNewerOnes) {
  WaitingBatches waiting(10, 10);
  waiting.add(batch_of(6, 1, 0s));
  Batch taken = waiting.take();
  waiting.add(batch_of(8, 1, 6s));
  waiting.put_back(std::move(taken));
  EXPECT_EQ(waiting.dropped_points(), 4U);
  EXPECT_EQ(waiting.take().points.size(), 2U);
}

TEST(WaitingBatches, CutsABatchThatIsTooLargeByItself) {
  WaitingBatches waiting(10, 10);
  waiting.add(batch_of(1'000));
  EXPECT_EQ(waiting.dropped_points(), 990U);
  EXPECT_EQ(waiting.take().points.size(), 10U);
}

TEST(WaitingBatches, ForgetsEmptyBatches) {
  WaitingBatches waiting(10, 10);
  waiting.add({});
  EXPECT_TRUE(waiting.empty());
}

}  // namespace
}  // namespace levee::store
