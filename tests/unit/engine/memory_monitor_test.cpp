// Against this machine's own memory, with lines so low that there is pressure wherever it runs.
#include "levee/monitor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "support/patience.hpp"

namespace levee {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

/// What callbacks said, in order; written by one thread, read by another.
class Heard {
 public:
  void add(std::string what) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(what));
  }
  [[nodiscard]] std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  [[nodiscard]] bool has(std::size_t count) const { return all().size() >= count; }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> all_;
};

/// Nobody has GPUs here, and a look is taken ten times a second.
MonitorOptions options(std::map<std::string, std::string> settings = {}) {
  settings.emplace("monitoring_interval", "0.1");
  settings.emplace("gpu.enabled", "false");
  return {.settings = std::move(settings), .stop_patience = 50ms};
}

/// More than one percent of the host's memory in use is a warning; nothing is critical.
MonitorOptions warned() {
  return options({{"cpu_memory_warning", "1"},
                  {"cpu_memory_critical", "100"},
                  {"memory_pressure_threshold", "0.01"},
                  {"host_available_warning", "65MB"},
                  {"host_available_emergency", "64MB"}});
}

/// The same is critical.
MonitorOptions pressed() {
  MonitorOptions made = warned();
  made.settings["cpu_memory_critical"] = "1.01";
  return made;
}

TEST(MemoryMonitor, SaysWhatIsWrongWithItsSettings) {
  MemoryMonitor unknown(options({{"gpu_memory_warnin", "75"}}));
  const auto refused = unknown.start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused.error().message + refused.error().hint, HasSubstr("gpu_memory_warning"));
  EXPECT_FALSE(unknown.status().is_running);

  MemoryMonitor wrong(options({{"gpu_memory_warning", "plenty"}}));
  EXPECT_THAT(wrong.start().error().message, HasSubstr("plenty"));
}

TEST(MemoryMonitor, MayBeStartedTwiceAndAgainAfterTheEnd) {
  MemoryMonitor monitor(options());
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(monitor.start());
    ASSERT_TRUE(monitor.start());
    ASSERT_TRUE(test::eventually([&] { return monitor.status().looks >= 2; }));
    monitor.stop();
    monitor.stop();
    EXPECT_FALSE(monitor.status().is_running);
  }
}

TEST(MemoryMonitor, KnowsTheHostBeforeItWatches) {
  const MemoryMonitor monitor(options());
  const auto host = monitor.host_stats();
  ASSERT_TRUE(host) << host.error().message;
  EXPECT_EQ(host->device, "host");
  EXPECT_FALSE(host->gpu_id);
  EXPECT_GT(host->total, host->used);
  EXPECT_EQ(host->used + host->free, host->total);
  EXPECT_GT(host->percent, 0);
}

TEST(MemoryMonitor, RefusesGpusThatAreNotThere) {
  MemoryMonitor monitor(options());
  EXPECT_EQ(monitor.memory_stats(99).error().code, ErrorCode::not_found);
  EXPECT_EQ(monitor.allocation_failed(0, gib(1)).error().code, ErrorCode::unavailable)
      << "nobody watches yet";
  EXPECT_EQ(monitor.project_memory_usage(99), std::nullopt);
  ASSERT_TRUE(monitor.start());
  ASSERT_TRUE(test::eventually([&] { return monitor.status().looks >= 1; }));
  EXPECT_EQ(monitor.allocation_failed(-1, gib(1)).error().code, ErrorCode::not_found);
  EXPECT_TRUE(monitor.gpus().empty());
}

TEST(MemoryMonitor, CallsThoseOfExactlyTheSeverityInTheirOrder) {
  Heard heard;
  MemoryMonitor monitor(warned());
  monitor.on_alert(Severity::critical, [&](const auto&) { heard.add("critical"); });
  monitor.on_alert(Severity::warning, [&](const auto& alert) { heard.add(alert.type); });
  monitor.on_alert(Severity::warning, [&](const auto&) { heard.add("second"); });
  ASSERT_TRUE(monitor.start());
  ASSERT_TRUE(test::eventually([&] { return heard.has(2); }));
  monitor.stop();
  EXPECT_THAT(heard.all(), ElementsAre("cpu_memory", "second"));
}

TEST(MemoryMonitor, TellsOfAnAlertWhatPeopleNeed) {
  std::mutex mutex;
  std::optional<MemoryAlert> told;
  MemoryMonitor monitor(warned());
  monitor.on_alert(Severity::warning, [&](const MemoryAlert& alert) {
    const std::lock_guard lock(mutex);
    told = alert;
  });
  ASSERT_TRUE(monitor.start());
  ASSERT_TRUE(test::eventually([&] {
    const std::lock_guard lock(mutex);
    return told.has_value();
  }));
  monitor.stop();
  EXPECT_EQ(told->device, "host");
  EXPECT_EQ(told->unit, "percent");
  EXPECT_EQ(told->threshold, 1);
  EXPECT_GT(told->current_usage, told->threshold);
  EXPECT_FALSE(told->message.empty());
  EXPECT_FALSE(told->recommendations.empty());
}

TEST(MemoryMonitor, ACallbackThatThrowsStopsNobody) {
  Heard heard;
  MemoryMonitor monitor(warned());
  monitor.on_alert(Severity::warning, [](const auto&) { throw std::runtime_error("no"); });
  monitor.on_alert(Severity::warning, [](const auto&) { throw 5; });
  monitor.on_alert(Severity::warning, [&](const auto&) { heard.add("third"); });
  ASSERT_TRUE(monitor.start());
  ASSERT_TRUE(test::eventually([&] { return heard.has(1); }));
  EXPECT_EQ(monitor.status().callbacks_threw, 2U);
  const auto looks = monitor.status().looks;
  EXPECT_TRUE(test::eventually([&] { return monitor.status().looks > looks; }));
}

TEST(MemoryMonitor, TriesStrategiesFromTheLeastToTheMostDisruptive) {
  Heard heard;
  MemoryMonitor monitor(pressed());
  const auto offer = [&](ReclaimStrategy strategy, const char* name) {
    monitor.on_recovery(
        strategy,
        [&heard, name](const RecoveryRequest&) {
          heard.add(name);
          return false;
        },
        MemoryScope::host);
  };
  offer(ReclaimStrategy::offload, "offload");
  offer(ReclaimStrategy::reduce_batch, "batch");
  offer(ReclaimStrategy::clear_cache, "first cache");
  offer(ReclaimStrategy::clear_cache, "second cache");
  ASSERT_TRUE(monitor.start());
  ASSERT_TRUE(test::eventually([&] { return heard.has(4); }));
  monitor.stop();
  EXPECT_THAT(heard.all(), ElementsAre("first cache", "second cache", "batch", "offload"));
}

TEST(MemoryMonitor, UnderAWarningNothingIsAskedThatSlowsWorkDown) {
  Heard heard;
  MemoryMonitor monitor(warned());
  monitor.on_recovery(
      ReclaimStrategy::reduce_batch,
      [&](const auto&) {
        heard.add("batch");
        return true;
      },
      MemoryScope::host);
  monitor.on_recovery(
      ReclaimStrategy::clear_cache,
      [&](const auto&) {
        heard.add("cache");
        return true;
      },
      MemoryScope::everything);
  monitor.on_recovery(ReclaimStrategy::clear_cache, [&](const auto&) {
    heard.add("on a GPU");
    return true;
  });
  ASSERT_TRUE(monitor.start());
  ASSERT_TRUE(test::eventually([&] { return heard.has(1); }));
  const auto looks = monitor.status().looks;
  ASSERT_TRUE(test::eventually([&] { return monitor.status().looks > looks + 3; }));
  EXPECT_THAT(heard.all(), ElementsAre("cache"));
}

TEST(MemoryMonitor, SaysWhatCameOfEachStep) {
  Heard heard;
  MemoryMonitor monitor(pressed());
  monitor.on_outcome([&](const RecoveryOutcome& outcome) {
    EXPECT_EQ(outcome.device, "host");
    EXPECT_FALSE(outcome.gpu_id);
    EXPECT_GT(outcome.before, Bytes{});
    heard.add(outcome.step + " " + outcome.result);
  });
  monitor.on_recovery(
      ReclaimStrategy::clear_cache,
      [](const auto& request) {
        EXPECT_EQ(request.strategy, ReclaimStrategy::clear_cache);
        EXPECT_EQ(request.memory.device, "host");
        EXPECT_GT(request.bytes, Bytes{});
        return true;
      },
      MemoryScope::host);
  monitor.on_recovery(
      ReclaimStrategy::reduce_batch, [](const auto&) { return false; }, MemoryScope::host);
  monitor.on_recovery(
      ReclaimStrategy::offload,
      [](const auto&) -> bool { throw std::runtime_error("the disk is full"); }, MemoryScope::host);
  ASSERT_TRUE(monitor.start());
  ASSERT_TRUE(test::eventually([&] { return heard.has(4); }));
  monitor.stop();
  const auto all = heard.all();
  EXPECT_THAT(
      std::vector(all.begin(), all.begin() + 4),
      ElementsAre("notify done", "clear_cache done", "reduce_batch refused", "offload failed"));
}

TEST(MemoryMonitor, AStrategyThatIsOfferedLaterIsAsked) {
  Heard heard;
  MemoryMonitor monitor(warned());
  ASSERT_TRUE(monitor.start());
  ASSERT_TRUE(test::eventually([&] { return monitor.status().looks >= 2; }));
  monitor.on_recovery(
      ReclaimStrategy::clear_cache,
      [&](const auto&) {
        heard.add("cache");
        return true;
      },
      MemoryScope::host);
  EXPECT_TRUE(test::eventually([&] { return heard.has(1); }));
}

TEST(MemoryMonitor, ACallbackThatHangsHoldsUpNeitherTheWatchNorTheEnd) {
  auto release = std::make_shared<std::atomic<bool>>(false);
  auto began = std::make_shared<std::atomic<bool>>(false);
  {
    MemoryMonitor monitor(warned());
    monitor.on_alert(Severity::warning, [=](const auto&) {
      *began = true;
      began->notify_all();
      release->wait(false);
    });
    ASSERT_TRUE(monitor.start());
    ASSERT_TRUE(test::eventually([&] { return began->load(); }));
    const auto looks = monitor.status().looks;
    EXPECT_TRUE(test::eventually([&] { return monitor.status().looks > looks + 2; }));
  }
  *release = true;  // The monitor is gone, and the callback goes on.
  release->notify_all();
}

TEST(MemoryMonitor, MayBeStoppedAndDestroyedByItsOwnCallback) {
  auto monitor = std::make_unique<MemoryMonitor>(warned());
  std::atomic<bool> is_gone = false;
  monitor->on_alert(Severity::warning, [&](const auto&) {
    monitor->stop();
    monitor.reset();
    is_gone = true;
  });
  ASSERT_TRUE(monitor->start());
  EXPECT_TRUE(test::eventually([&] { return is_gone.load(); }));
}

TEST(MemoryMonitor, AChildOfForkHasNone) {
  MemoryMonitor monitor(warned());
  ASSERT_TRUE(monitor.start());
  ASSERT_TRUE(test::eventually([&] { return monitor.status().looks >= 1; }));
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_right = !monitor.status().is_running && !monitor.start() &&
                          !monitor.host_stats() && monitor.gpus().empty();
    monitor.stop();
    ::_exit(is_right ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(monitor.status().is_running);
}

}  // namespace
}  // namespace levee
