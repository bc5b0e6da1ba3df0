#include "sinks/sink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <vector>

#include "unit/sinks/sink_fixture.hpp"

namespace levee::sinks {
namespace {

using testing::ElementsAre;

/// Keeps what it is given; waits before each write until the gate is open.
class TestSink final : public Sink {
 public:
  explicit TestSink(std::size_t capacity = 100) : Sink("test", capacity) { start(); }
  ~TestSink() override { stop(0ms); }

  void open_gate() { gate.set_value(); }
  std::vector<std::string> seen() {
    const std::lock_guard lock(mutex);
    return texts;
  }
  std::atomic<bool> entered = false;

 private:
  bool wants(const Event& event) const noexcept override {
    return event.kind != EventKind::config_changed;
  }
  Result<void> write(const Notification& notification, std::stop_token stop) override {
    entered = true;
    while (!stop.stop_requested() && opened.wait_for(1ms) != std::future_status::ready) {
    }
    if (notification.json == "fail") {
      return fail(ErrorCode::unavailable, "as told");
    }
    if (notification.json == "throw") {
      throw std::runtime_error("as told");
    }
    const std::lock_guard lock(mutex);
    texts.push_back(notification.json);
    return {};
  }

  std::promise<void> gate;
  std::shared_future<void> opened = gate.get_future().share();
  std::mutex mutex;
  std::vector<std::string> texts;
};

std::shared_ptr<const Notification> text(std::string json) {
  return notify(alert(), std::move(json));
}

TEST(Sink, WritesInTheOrderOfTheOffers) {
  TestSink sink;
  sink.open_gate();
  for (const char* each : {"1", "2", "3", "4"}) {
    sink.offer(text(each));
  }
  sink.stop(20s);
  EXPECT_THAT(sink.seen(), ElementsAre("1", "2", "3", "4"));
  EXPECT_EQ(sink.written(), 4U);
  EXPECT_EQ(sink.dropped(), 0U);
}

TEST(Sink, DropsTheOldestWhenItIsFull) {
  TestSink sink(2);
  sink.offer(text("under way"));
  ASSERT_TRUE(eventually([&] { return sink.entered.load(); }));
  for (const char* each : {"1", "2", "3", "4"}) {
    sink.offer(text(each));
  }
  EXPECT_EQ(sink.dropped(), 2U);
  sink.open_gate();
  sink.stop(20s);
  EXPECT_THAT(sink.seen(), ElementsAre("under way", "3", "4"));
}

TEST(Sink, CountsFailuresAndGoesOn) {
  TestSink sink;
  sink.open_gate();
  for (const char* each : {"fail", "throw", "good"}) {
    sink.offer(text(each));
  }
  sink.stop(20s);
  EXPECT_EQ(sink.failed(), 2U);
  EXPECT_EQ(sink.written(), 1U);
  ASSERT_TRUE(sink.last_error());
  EXPECT_EQ(sink.last_error()->code, ErrorCode::internal);
  EXPECT_EQ(sink.last_error()->message, "test: as told");
}

TEST(Sink, GivesNoPlaceToWhatItDoesNotWant) {
  TestSink sink(1);
  sink.offer(text("under way"));
  ASSERT_TRUE(eventually([&] { return sink.entered.load(); }));
  sink.offer(text("wanted"));
  sink.offer(notify(plain(EventKind::config_changed, ""), "unwanted"));
  EXPECT_EQ(sink.dropped(), 0U);
  sink.open_gate();
  sink.stop(20s);
  EXPECT_THAT(sink.seen(), ElementsAre("under way", "wanted"));
}

TEST(Sink, AsksTheWriteToGiveUpAfterTheGrace) {
  TestSink sink;
  for (const char* each : {"under way", "waiting", "waiting too"}) {
    sink.offer(text(each));
  }
  ASSERT_TRUE(eventually([&] { return sink.entered.load(); }));
  sink.stop(1ms);  // The gate stays closed.
  EXPECT_THAT(sink.seen(), ElementsAre("under way"));
  EXPECT_EQ(sink.dropped(), 2U);
}

TEST(Sink, MayBeStoppedTwiceAndDropsWhatComesLater) {
  TestSink sink;
  sink.open_gate();
  sink.stop(20s);
  sink.stop(20s);
  sink.offer(text("late"));
  EXPECT_EQ(sink.dropped(), 1U);
  EXPECT_TRUE(sink.seen().empty());
}

TEST(Sink, TakesOffersFromManyThreads) {
  TestSink sink(10'000);
  sink.open_gate();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 500; ++n) {
          sink.offer(text("x"));
        }
      });
    }
  }
  sink.stop(20s);
  EXPECT_EQ(sink.written(), 2'000U);
}

TEST(IsForPeople, TellsAlertsOfTheSeverityAskedFor) {
  using enum Severity;
  for (const Severity least : {warning, critical, emergency}) {
    for (const Severity severity : {warning, critical, emergency}) {
      EXPECT_EQ(is_for_people(alert(severity), least), severity >= least);
      EXPECT_EQ(is_for_people(resolved(severity), least), severity >= least);
    }
  }
}

TEST(IsForPeople, KeepsTheDaemonsOwnAffairsFromPeople) {
  using enum EventKind;
  for (const EventKind kind :
       {state_change, daemon_started, daemon_stopping, config_changed, config_rejected, source_lost,
        source_back, store_lost, store_back, lease_granted, lease_released,
        incident, incident_lost, recording_stopped}) {
    Event event = plain(kind, "");
    event.severity = Severity::emergency;
    EXPECT_FALSE(is_for_people(event, Severity::warning)) << to_string(kind);
  }
}

}  // namespace
}  // namespace levee::sinks
