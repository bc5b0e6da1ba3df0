#include "engine/inbox.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "engine/published.hpp"

namespace levee::engine {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST(Inbox, HandsOverTasksInOrder) {
  Inbox inbox(10);
  std::vector<int> ran;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(inbox.post([&ran, i] { ran.push_back(i); }));
  }
  for (const Inbox::Task& task : inbox.wait(Clock::now() + 1h, -1).tasks) {
    task();
  }
  EXPECT_EQ(ran, (std::vector{0, 1, 2}));
  EXPECT_TRUE(inbox.wait(Clock::now(), -1).tasks.empty()) << "handed over once";
}

TEST(Inbox, RefusesAndCountsWhatIsTooMuch) {
  Inbox inbox(2);
  EXPECT_TRUE(inbox.post([] {}));
  EXPECT_TRUE(inbox.post([] {}));
  EXPECT_FALSE(inbox.post([] {}));
  EXPECT_FALSE(inbox.post([] {}));
  EXPECT_EQ(inbox.refused(), 2U);
  EXPECT_EQ(inbox.wait(Clock::now(), -1).tasks.size(), 2U);
  EXPECT_TRUE(inbox.post([] {})) << "room again";
}

TEST(Inbox, RefusesEverythingOnceClosed) {
  Inbox inbox(2);
  ASSERT_TRUE(inbox.post([] {}));
  inbox.close();
  EXPECT_FALSE(inbox.post([] {}));
  EXPECT_EQ(inbox.refused(), 1U);
  EXPECT_EQ(inbox.wait(Clock::now(), -1).tasks.size(), 1U) << "what was accepted is handed over";
}

TEST(Inbox, AlarmIsSeenOnceHoweverOftenItRings) {
  Inbox inbox(2);
  inbox.alarm();
  inbox.alarm();
  EXPECT_TRUE(inbox.wait(Clock::now() + 1h, -1).alarm);
  EXPECT_FALSE(inbox.wait(Clock::now(), -1).alarm);
}

TEST(Inbox, ComesBackAtTheDeadline) {
  Inbox inbox(2);
  const auto deadline = Clock::now() + 20ms;
  const Inbox::Wake wake = inbox.wait(deadline, -1);
  EXPECT_GE(Clock::now(), deadline);
  EXPECT_FALSE(wake.alarm);
  EXPECT_FALSE(wake.pressure);
  EXPECT_FALSE(wake.pressure_ended);
}

/// A thread that waits for an hour, and what wakes it.
template <class Act>
Inbox::Wake woken_by(Act act) {
  Inbox inbox(4);
  auto waiting = std::async(std::launch::async, [&] { return inbox.wait(Clock::now() + 1h, -1); });
  act(inbox);
  EXPECT_EQ(waiting.wait_for(10s), std::future_status::ready);
  return waiting.get();
}

TEST(Inbox, TaskAlarmAndCloseWakeAWaitingThread) {
  EXPECT_EQ(woken_by([](Inbox& inbox) { ASSERT_TRUE(inbox.post([] {})); }).tasks.size(), 1U);
  EXPECT_TRUE(woken_by([](Inbox& inbox) { inbox.alarm(); }).alarm);
  EXPECT_TRUE(woken_by([](Inbox& inbox) { inbox.close(); }).tasks.empty());
}

TEST(Inbox, BrokenPressureDescriptorIsReportedAndNotTakenForAStall) {
  Inbox inbox(2);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);  // the writing end now reports an error
  const Inbox::Wake wake = inbox.wait(Clock::now() + 1h, ends[1]);
  EXPECT_TRUE(wake.pressure_ended);
  EXPECT_FALSE(wake.pressure);
  ::close(ends[1]);
  EXPECT_TRUE(inbox.wait(Clock::now() + 1h, ends[1]).pressure_ended) << "no descriptor at all";
}

TEST(Inbox, LosesNoTaskOfManyThreads) {
  Inbox inbox(100'000);
  constexpr int kThreads = 4;
  constexpr int kEach = 2'000;
  int ran = 0;
  {
    std::vector<std::jthread> posters;
    for (int t = 0; t < kThreads; ++t) {
      posters.emplace_back([&] {
        for (int i = 0; i < kEach; ++i) {
          ASSERT_TRUE(inbox.post([&ran] { ++ran; }));
          inbox.alarm();
        }
      });
    }
    const auto deadline = Clock::now() + 20s;
    while (ran < kThreads * kEach && Clock::now() < deadline) {
      for (const Inbox::Task& task : inbox.wait(deadline, -1).tasks) {
        task();
      }
    }
  }
  EXPECT_EQ(ran, kThreads * kEach);
  EXPECT_EQ(inbox.refused(), 0U);
}

TEST(Published, ReadersSeeWholeValuesInOrder) {
  struct Pair {
    int a;
    int b;
  };
  Published<Pair> published;
  EXPECT_EQ(published.get(), nullptr);
  std::atomic<bool> torn = false;
  std::atomic<bool> backwards = false;
  {
    std::vector<std::jthread> readers;
    for (int r = 0; r < 3; ++r) {
      readers.emplace_back([&] {
        int last = 0;
        while (last < 5'000) {
          if (const auto pair = published.get()) {
            torn = torn || pair->a != pair->b;
            backwards = backwards || pair->a < last;
            last = pair->a;
          }
        }
      });
    }
    for (int i = 1; i <= 5'000; ++i) {
      published.set(std::make_shared<const Pair>(Pair{i, i}));
    }
  }
  EXPECT_FALSE(torn);
  EXPECT_FALSE(backwards);
}

}  // namespace
}  // namespace levee::engine
