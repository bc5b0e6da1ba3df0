#include "engine/gpu_tracks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/values.hpp"

namespace levee::engine {
namespace {

using test::at;
using test::gpu_with;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

/// "gpu_lost", "state_change throttle", …, with the GPU it is about.
std::string brief(const Event& event) {
  std::string text(to_string(event.kind));
  for (const auto& [key, value] : event.details) {
    text += key == "event" || key == "gpu" ? " " + value : "";
  }
  return text;
}

GpuProcess process(pid_t pid, std::optional<Bytes> memory) {
  GpuProcess result;
  result.pid = pid;
  result.memory = memory;
  return result;
}

GpuReading in_condition(GpuReading gpu, GpuCondition condition) {
  gpu.condition = condition;
  return gpu;
}

GpuReading unified(MonoTime read_at) {
  GpuReading gpu = gpu_with(0, 40, {}, read_at);
  auto who = *gpu.identity;
  who.unified_memory = true;
  gpu.identity = std::make_shared<const GpuIdentity>(std::move(who));
  return gpu;
}

class GpuTracksTest : public testing::Test {
 protected:
  /// One tick; the step's views lie in `snapshot_` until the next one.
  const GpuTracks::Step& tick(std::chrono::milliseconds when, std::vector<GpuReading> gpus,
                              std::vector<GpuXid> xids = {}) {
    snapshot_ = test::snapshot_of(test::host_using(40), at(when));
    snapshot_.gpus = std::move(gpus);
    snapshot_.xids = std::move(xids);
    tracks_.complete(snapshot_.gpus, snapshot_.host);
    step_ = tracks_.step(snapshot_, config_);
    return step_;
  }
  /// One tick of GPU 0 with a fresh reading.
  const GpuTracks::Step& hot(std::chrono::milliseconds when, double celsius) {
    return tick(when, {gpu_with(0, celsius, 10, at(when).mono)});
  }
  [[nodiscard]] std::vector<std::string> events() const {
    std::vector<std::string> texts;
    for (const Event& event : step_.events) {
      texts.push_back(brief(event));
    }
    return texts;
  }
  [[nodiscard]] std::optional<double> growth(std::size_t gpu, std::size_t process) const {
    return snapshot_.gpus.at(gpu).processes->at(process).growth_per_second;
  }

  config::Config config_;
  GpuTracks tracks_;
  Snapshot snapshot_;
  GpuTracks::Step step_;
};

TEST_F(GpuTracksTest, ANewGpuIsFoundOnceAndItsStateIsNoNewsUnlessWorkMustSlowDown) {
  const Now now = at(0s);
  tick(0s, {gpu_with(0, 40, 10, now.mono), gpu_with(1, 80, 10, now.mono)});
  EXPECT_THAT(events(), ElementsAre("gpu_found 0", "gpu_found 1", "state_change throttle 1"));
  tick(1s, {gpu_with(0, 40, 10, at(1s).mono), gpu_with(1, 80, 10, at(1s).mono)});
  EXPECT_THAT(events(), IsEmpty());
}

TEST_F(GpuTracksTest, EachChangeOfStateHasItsDocumentedName) {
  hot(0s, 40);
  hot(1s, 70);
  EXPECT_THAT(events(), ElementsAre("state_change state_change 0"));
  hot(2s, 80);
  EXPECT_THAT(events(), ElementsAre("state_change throttle 0"));
  hot(3s, 88);
  EXPECT_THAT(events(), ElementsAre("state_change critical 0"));
  hot(4s, 70);
  EXPECT_THAT(events(), ElementsAre("state_change resume 0"));
}

TEST_F(GpuTracksTest, OverheatIsToldOnceForAsLongAsItLasts) {
  hot(0s, 40);
  hot(1s, 91);
  EXPECT_THAT(events(), ElementsAre("state_change critical 0", "overheat 0"));
  EXPECT_THAT(step_.events.back().message, HasSubstr("91 °C, above temp_critical = 90 °C"));
  hot(2s, 93);
  EXPECT_THAT(events(), IsEmpty());
  hot(3s, 90);  // No longer above it.
  EXPECT_THAT(events(), IsEmpty());
  hot(4s, 91);
  EXPECT_THAT(events(), ElementsAre("overheat 0"));
}

TEST_F(GpuTracksTest, ALostGpuIsToldAndAllowsHalfSpeedAtMost) {
  hot(0s, 40);
  const GpuReading last = gpu_with(0, 40, 10, at(0s).mono);
  tick(1s, {in_condition(last, GpuCondition::lost)});
  EXPECT_THAT(events(), ElementsAre("gpu_lost 0", "state_change state_change 0"));
  const api::GpuView& lost = step_.views.at(0);
  EXPECT_FALSE(lost.fresh);
  EXPECT_EQ(lost.levels.device, Level::unavailable);
  EXPECT_EQ(lost.advice.speed_multiplier, 0.5);
  EXPECT_TRUE(lost.advice.is_throttled);
  tick(2s, {in_condition(last, GpuCondition::lost)});
  EXPECT_THAT(events(), IsEmpty());
  hot(3s, 40);
  EXPECT_THAT(events(), ElementsAre("gpu_found 0", "state_change state_change 0"));
  EXPECT_THAT(step_.events.front().message, HasSubstr("is back"));
}

TEST_F(GpuTracksTest, AGpuThatComesBackBetterResumesWhoWasPaused) {
  hot(0s, 88);
  tick(1s, {in_condition(gpu_with(0, 88, 10, at(0s).mono), GpuCondition::lost)});
  EXPECT_EQ(step_.views.at(0).advice.speed_multiplier, 0.0) << "paused stays paused";
  hot(2s, 40);
  EXPECT_THAT(events(), ElementsAre("gpu_found 0", "state_change resume 0"));
}

TEST_F(GpuTracksTest, AnOldReadingJudgesNothingAndIsRememberedOnce) {
  const GpuReading reading = gpu_with(0, 40, 10, at(0s).mono);
  tick(0s, {reading});
  EXPECT_EQ(tracks_.samples().size(), 1U);
  tick(1s, {reading});
  EXPECT_TRUE(step_.views.at(0).fresh) << "a second is no age";
  EXPECT_THAT(tracks_.samples(), IsEmpty());
  tick(std::chrono::duration_cast<std::chrono::milliseconds>(config_.thresholds.stale_after) + 1ms,
       {reading});
  EXPECT_FALSE(step_.views.at(0).fresh);
  EXPECT_EQ(step_.views.at(0).levels.device, Level::unavailable);
  EXPECT_THAT(tracks_.samples(), IsEmpty());
}

TEST_F(GpuTracksTest, TracksFollowTheUuidNotThePlace) {
  const auto both = [](auto when) {
    return std::vector{gpu_with(0, 88, 10, at(when).mono), gpu_with(1, 40, 10, at(when).mono)};
  };
  tick(0s, both(0s));
  auto swapped = both(1s);
  std::swap(swapped[0], swapped[1]);
  tick(1s, swapped);
  EXPECT_THAT(events(), IsEmpty());
  EXPECT_EQ(step_.views.at(1).levels.device, Level::critical);
  EXPECT_EQ(step_.judged.at(0).levels.device, Level::optimal);
}

TEST_F(GpuTracksTest, HistoryHoldsItsTimeAndNoMore) {
  config_.history_seconds = 60s;
  for (int second = 0; second < 200; ++second) {
    hot(std::chrono::seconds(second), 40);
  }
  std::size_t rows = 0;
  MonoTime oldest = MonoTime::max();
  step_.views.at(0).past.for_each(at(199s).mono, 1h, [&](const history::GpuSample& sample) {
    ++rows;
    oldest = std::min(oldest, sample.at.mono);
  });
  EXPECT_GE(rows, 60U);
  EXPECT_LE(rows, 130U) << "blocks leave as a whole";
  EXPECT_LE(at(199s).mono - oldest, 130s);
}

TEST_F(GpuTracksTest, ErrorReportsAreToldAndTheNewestAreRemembered) {
  hot(0s, 40);
  for (unsigned code = 1; code <= api::kRememberedXids + 3; ++code) {
    tick(std::chrono::seconds(code), {gpu_with(0, 40, 10, at(std::chrono::seconds(code)).mono)},
         {GpuXid{"GPU-0", code, at(0s).wall}});
    EXPECT_THAT(events(), ElementsAre("xid"));
    EXPECT_THAT(step_.events.front().message, HasSubstr("XID " + std::to_string(code)));
  }
  const std::vector<GpuXid>& xids = step_.views.at(0).xids;
  ASSERT_EQ(xids.size(), api::kRememberedXids);
  EXPECT_EQ(xids.front().code, 4U);
  EXPECT_EQ(xids.back().code, api::kRememberedXids + 3);
}

TEST_F(GpuTracksTest, AReportOfAGpuThatIsNotYetListedIsKeptForIt) {
  tick(0s, {}, {GpuXid{"GPU-0", 79, at(0s).wall}});
  EXPECT_THAT(events(), ElementsAre("xid"));
  hot(1s, 40);
  EXPECT_THAT(events(), ElementsAre("gpu_found 0"));
  EXPECT_EQ(step_.views.at(0).xids.size(), 1U);
}

TEST_F(GpuTracksTest, UnifiedMemoryIsTheHosts) {
  tick(0s, {unified(at(0s).mono)});
  const GpuReading& gpu = snapshot_.gpus.at(0);
  ASSERT_TRUE(gpu.memory);
  EXPECT_EQ(gpu.memory->total, gib(100));
  EXPECT_EQ(gpu.memory->used, gib(40));
  EXPECT_EQ(gpu.memory->free, gib(60));
  EXPECT_FALSE(gpu.memory->reserved);
  EXPECT_DOUBLE_EQ(gpu.memory->percent(), 40);
}

TEST_F(GpuTracksTest, UnifiedMemoryIsUnknownWhileTheHostIs) {
  Snapshot snapshot = test::snapshot_of(test::host_using(40), at(0s));
  snapshot.gpus = {unified(at(0s).mono)};
  tracks_.complete(snapshot.gpus, std::nullopt);
  EXPECT_FALSE(snapshot.gpus[0].memory);
}

TEST_F(GpuTracksTest, GrowthIsMeasuredPerProcessAndDevice) {
  const auto with = [](auto when, std::optional<Bytes> first, Bytes second) {
    GpuReading a = gpu_with(0, 40, 10, at(when).mono);
    GpuReading b = gpu_with(1, 40, 10, at(when).mono);
    a.processes = {process(7, first)};
    b.processes = {process(7, second)};
    return std::vector{a, b};
  };
  tick(0s, with(0s, gib(1), gib(5)));
  EXPECT_FALSE(growth(0, 0));
  tick(10s, with(10s, gib(2), gib(5)));
  EXPECT_DOUBLE_EQ(growth(0, 0).value(), static_cast<double>(gib(1).count) / 10);
  EXPECT_DOUBLE_EQ(growth(1, 0).value(), 0);
  tick(11s, with(11s, std::nullopt, gib(4)));
  EXPECT_FALSE(growth(0, 0)) << "unknown memory grows by nothing known";
  EXPECT_LT(growth(1, 0).value(), 0);
}

TEST_F(GpuTracksTest, AProcessThatLeftIsForgotten) {
  const auto with = [](auto when, std::vector<GpuProcess> processes) {
    GpuReading gpu = gpu_with(0, 40, 10, at(when).mono);
    gpu.processes = std::move(processes);
    return std::vector{gpu};
  };
  tick(0s, with(0s, {process(7, gib(1))}));
  tick(1s, with(1s, {}));
  tick(2s, with(2s, {process(7, gib(9))}));
  EXPECT_FALSE(growth(0, 0)) << "a pid that is used again has no past";
}

TEST_F(GpuTracksTest, LoadCapsTheSpeedWithoutChangingTheState) {
  config_.thresholds.load_throttle_percent = 90;
  const auto loaded = [](auto when, double percent) {
    GpuReading gpu = gpu_with(0, 40, 10, at(when).mono);
    gpu.utilization_percent = percent;
    return std::vector{gpu};
  };
  EXPECT_EQ(tick(0s, loaded(0s, 90)).views.at(0).advice.speed_multiplier, 1.0);
  const auto& capped = tick(1s, loaded(1s, 91)).views.at(0);
  EXPECT_EQ(capped.advice.speed_multiplier, 0.5);
  EXPECT_FALSE(capped.advice.is_throttled);
  EXPECT_EQ(capped.levels.device, Level::optimal);
}

TEST_F(GpuTracksTest, TheMostPressedIsTheFullestWholeDeviceThatIsJudged) {
  const MonoTime now = at(0s).mono;
  GpuReading instance = gpu_with(3, 40, 99, now);
  auto who = *instance.identity;
  who.parent_uuid = "GPU-0";
  instance.identity = std::make_shared<const GpuIdentity>(std::move(who));
  tick(0s, {gpu_with(0, 90, 10, now), gpu_with(1, 40, 60, now), gpu_with(2, 40, {}, now), instance,
            in_condition(gpu_with(4, 40, 98, now), GpuCondition::lost)});
  EXPECT_EQ(most_pressed(step_.views), 1U);
}

TEST_F(GpuTracksTest, NothingIsPressedWhereNoMemoryIsKnown) {
  EXPECT_FALSE(most_pressed({}));
  tick(0s, {gpu_with(0, 40, {}, at(0s).mono)});
  EXPECT_FALSE(most_pressed(step_.views));
}

TEST_F(GpuTracksTest, MemoryThatFillsIsForecastAndItsProjectionJudged) {
  for (int second = 0; second <= 60; ++second) {
    const double percent = 40 + second / 2.0;
    tick(second * 1s, {gpu_with(0, 30, percent, at(second * 1s).mono)});
    if (second < 4) {
      EXPECT_EQ(step_.views.at(0).forecast.why_none, NoEstimate::too_few_samples) << second;
      EXPECT_EQ(step_.judged.at(0).projected_percent, std::nullopt) << second;
    }
  }
  const Forecast& forecast = step_.views.at(0).forecast;
  ASSERT_TRUE(forecast.full);
  EXPECT_NEAR(forecast.full->in, 60, 2);  // 70 % now, half a percent a second.
  EXPECT_NEAR(step_.judged.at(0).projected_percent.value_or(0), 100, 1);
  EXPECT_TRUE(step_.judged.at(0).is_filling);
}

TEST_F(GpuTracksTest, MemoryThatStaysIsNotFilling) {
  for (int second = 0; second <= 30; ++second) {
    tick(second * 1s, {gpu_with(0, 30, 93, at(second * 1s).mono)});
  }
  EXPECT_EQ(step_.views.at(0).forecast.why_none, NoEstimate::not_growing);
  EXPECT_NEAR(step_.judged.at(0).projected_percent.value_or(0), 93, 0.1);
  EXPECT_FALSE(step_.judged.at(0).is_filling);
}

TEST_F(GpuTracksTest, ABalloonThatGrowsIsNoMemoryThatFills) {
  for (int second = 0; second <= 30; ++second) {
    GpuReading gpu = gpu_with(0, 30, 40 + second, at(second * 1s).mono);
    gpu.memory->balloons =
        Bytes{gpu.memory->total.count / 100 * static_cast<std::uint64_t>(second)};
    tick(second * 1s, {gpu});
  }
  EXPECT_EQ(step_.views.at(0).forecast.why_none, NoEstimate::not_growing);
  EXPECT_NEAR(step_.judged.at(0).projected_percent.value_or(0), 40, 0.1);
}

TEST_F(GpuTracksTest, ALostGpuIsForecastNoMore) {
  for (int second = 0; second <= 30; ++second) {
    tick(second * 1s, {gpu_with(0, 30, 40 + second, at(second * 1s).mono)});
  }
  ASSERT_TRUE(step_.views.at(0).forecast.full);
  const auto last = gpu_with(0, 30, 70, at(30s).mono);
  tick(120s, {in_condition(last, GpuCondition::lost)});
  EXPECT_EQ(step_.views.at(0).forecast.why_none, NoEstimate::stale);
  EXPECT_EQ(step_.judged.at(0).projected_percent, std::nullopt);
}

}  // namespace
}  // namespace levee::engine
