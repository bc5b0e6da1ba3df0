#include "engine/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "support/values.hpp"

namespace levee::engine {
namespace {

using test::at;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Json = nlohmann::json;
using namespace std::chrono_literals;

std::shared_ptr<const config::Settings> settings_with(
    std::map<std::string, std::string> command_line = {}) {
  config::Inputs inputs;
  inputs.command_line = std::move(command_line);
  auto settings = config::Settings::load(std::move(inputs));
  EXPECT_TRUE(settings) << settings.error().message;
  return std::make_shared<const config::Settings>(std::move(*settings));
}

Readings readings_of(Result<HostReading> host, std::vector<ProcessReading> processes = {}) {
  Readings readings;
  readings.host = std::move(host);
  readings.processes = sources::ProcessScan{.processes = std::move(processes), .seen = 123};
  return readings;
}

Readings lost_host() { return readings_of(fail(ErrorCode::unavailable, "meminfo is empty")); }

/// "alert warning", "state_change throttle", "source_lost", …
std::string brief(const Told& told) {
  std::string text{to_string(told->event.kind)};
  if (told->event.severity) {
    text += " " + std::string(to_string(*told->event.severity));
  }
  for (const auto& [key, value] : told->event.details) {
    text += key == "event" ? " " + value : "";
  }
  return text;
}

std::vector<std::string> brief(const Tick& tick) {
  std::vector<std::string> texts;
  for (const Told& told : tick.events) {
    texts.push_back(brief(told));
  }
  return texts;
}

class EngineTest : public testing::Test {
 protected:
  Tick tick(std::chrono::milliseconds when, Readings readings, bool at_line = false) {
    api::GuardView guard;
    guard.at_line = at_line;
    return engine_.tick(std::move(readings), guard, {}, at(when));
  }
  Tick using_percent(std::chrono::milliseconds when, double percent) {
    return tick(when, readings_of(test::host_using(percent)));
  }

  Engine engine_{settings_with(), "box"};
};

TEST_F(EngineTest, FirstTickShowsTheMachineAndChangesNothing) {
  const Tick first =
      tick(0s, readings_of(test::host_using(50), {test::process_of(7, "job", gib(1))}));
  EXPECT_THAT(first.events, IsEmpty());
  ASSERT_TRUE(first.sample);
  EXPECT_DOUBLE_EQ(first.sample->memory_percent(), 50);
  const api::View& view = *first.view;
  EXPECT_EQ(view.snapshot->sequence, 1U);
  EXPECT_EQ(view.snapshot->hostname, "box");
  EXPECT_EQ(view.snapshot->processes_seen, 123U);
  EXPECT_EQ(view.snapshot->processes.size(), 1U);
  EXPECT_EQ(view.level, Level::optimal);
  EXPECT_EQ(view.health, Health::healthy);
  EXPECT_DOUBLE_EQ(view.advice.speed_multiplier, 1.0);
  EXPECT_FALSE(view.pressure);
  EXPECT_EQ(view.lines.emergency, gib(2));
  EXPECT_EQ(view.samples->size(), 1U);
  EXPECT_THAT(*view.active, IsEmpty());
  EXPECT_THAT(*view.recent, IsEmpty());
  EXPECT_THAT(*view.events, IsEmpty());
  EXPECT_THAT(*view.alert_counts, IsEmpty());
  EXPECT_EQ(view.settings, engine_.settings());
}

TEST_F(EngineTest, PublishedViewsNeverChange) {
  const auto first = using_percent(0s, 50).view;
  using_percent(1s, 97);
  EXPECT_EQ(first->samples->size(), 1U);
  EXPECT_THAT(*first->active, IsEmpty());
  EXPECT_THAT(*first->events, IsEmpty());
  EXPECT_EQ(first->level, Level::optimal);
}

TEST_F(EngineTest, PressureIsStrictlyBeyondItsThreshold) {
  EXPECT_FALSE(using_percent(0s, 85).view->pressure);
  EXPECT_TRUE(using_percent(1s, 85.001).view->pressure);
}

TEST_F(EngineTest, StateChangesBearTheirDocumentedNames) {
  using_percent(0s, 50);
  EXPECT_THAT(brief(using_percent(1s, 75)), ElementsAre("state_change state_change"));
  EXPECT_THAT(brief(using_percent(2s, 87)), ElementsAre("state_change throttle", "alert warning"));
  const Tick worst = using_percent(3s, 96);
  EXPECT_THAT(brief(worst), ElementsAre("state_change critical", "alert critical"));
  EXPECT_EQ(worst.events[0]->event.message, "Host memory is critical (was throttled)");
  EXPECT_DOUBLE_EQ(worst.view->advice.speed_multiplier, 0.0);
  EXPECT_EQ(worst.view->health, Health::critical);
  EXPECT_THAT(brief(using_percent(4s, 87)), ElementsAre("state_change throttle"));
  const Tick resumed = using_percent(5s, 60);
  EXPECT_THAT(brief(resumed), ElementsAre("state_change resume", "resolved critical"));
  EXPECT_TRUE(resumed.view->advice.should_throttle) << "the cooldown";
  EXPECT_EQ(resumed.view->health, Health::critical) << "was so within five minutes";
  EXPECT_FALSE(using_percent(35s, 60).view->advice.should_throttle);
  EXPECT_EQ(using_percent(304s, 60).view->health, Health::moderate);
  EXPECT_EQ(using_percent(305s, 60).view->health, Health::healthy);
}

TEST_F(EngineTest, LostHostIsToldOnceAndGoesStaleBeforeItIsUnknown) {
  using_percent(0s, 87);
  const Tick lost = tick(1s, lost_host());
  EXPECT_THAT(brief(lost), ElementsAre("source_lost"));
  EXPECT_THAT(lost.events[0]->event.message, HasSubstr("meminfo is empty"));
  EXPECT_FALSE(lost.sample);
  EXPECT_EQ(lost.view->level, Level::throttled) << "the last reading still counts";
  EXPECT_THAT(brief(tick(5s, lost_host())), IsEmpty());

  const Tick stale = tick(5'001ms, lost_host());
  EXPECT_THAT(brief(stale), ElementsAre("state_change state_change")) << "no resume, no resolved";
  EXPECT_EQ(stale.view->level, Level::unavailable);
  EXPECT_EQ(stale.view->health, Health::unknown);
  EXPECT_TRUE(stale.view->advice.is_throttled);
  EXPECT_DOUBLE_EQ(stale.view->advice.speed_multiplier, 0.5);
  EXPECT_EQ(stale.view->active->size(), 1U) << "absence resolves nothing";
  EXPECT_EQ(stale.view->samples->size(), 1U);
  EXPECT_THAT(brief(tick(100s, lost_host())), IsEmpty());

  const Tick back = using_percent(101s, 50);
  EXPECT_THAT(brief(back), ElementsAre("source_back", "state_change resume", "resolved warning"));
  EXPECT_EQ(back.view->health, Health::moderate);
}

TEST_F(EngineTest, AMachineThatWasNotThrottledIsNotResumed) {
  using_percent(0s, 50);
  EXPECT_THAT(brief(tick(10s, lost_host())),
              ElementsAre("source_lost", "state_change state_change"));
  EXPECT_THAT(brief(using_percent(11s, 50)),
              ElementsAre("source_back", "state_change state_change"));
}

TEST_F(EngineTest, StaleLimitIsASetting) {
  static_cast<void>(engine_.apply(settings_with({{"stale_seconds", "30"}}), at(0s)));
  using_percent(0s, 50);
  EXPECT_EQ(tick(30s, lost_host()).view->level, Level::optimal);
  EXPECT_EQ(tick(30'001ms, lost_host()).view->level, Level::unavailable);
}

TEST_F(EngineTest, MachineThatCannotBeReadFromTheStartIsUnknown) {
  const Tick first = tick(0s, lost_host());
  EXPECT_THAT(brief(first), ElementsAre("source_lost"));
  EXPECT_FALSE(first.view->snapshot->host);
  EXPECT_EQ(first.view->level, Level::unavailable);
  EXPECT_EQ(first.view->health, Health::unknown);
  EXPECT_DOUBLE_EQ(first.view->advice.speed_multiplier, 1.0);
  EXPECT_THAT(*first.view->samples, IsEmpty());
}

TEST_F(EngineTest, ASourceWithSeveralTroublesIsLostOnceAndBackOnce) {
  const auto troubled = [] {
    Readings readings = readings_of(test::host_using(50));
    const Error error{ErrorCode::permission_denied, "no", ""};
    readings.troubles = {{"cgroup", error}, {"pressure", error}, {"cgroup", error}};
    return readings;
  };
  EXPECT_THAT(brief(tick(0s, troubled())), ElementsAre("source_lost", "source_lost"));
  EXPECT_THAT(brief(tick(1s, troubled())), IsEmpty());
  EXPECT_THAT(brief(using_percent(2s, 50)), ElementsAre("source_back", "source_back"));
  EXPECT_THAT(brief(using_percent(3s, 50)), IsEmpty());
}

TEST_F(EngineTest, LostProcessesDoNotTouchTheJudgement) {
  Readings readings = readings_of(test::host_using(50));
  readings.processes = fail(ErrorCode::permission_denied, "cannot list /proc");
  const Tick lost = tick(0s, std::move(readings));
  EXPECT_THAT(brief(lost), ElementsAre("source_lost"));
  EXPECT_EQ(lost.view->level, Level::optimal);
  ASSERT_EQ(lost.view->snapshot->troubles.size(), 1U);
  EXPECT_EQ(lost.view->snapshot->troubles[0].source, "processes");
}

TEST_F(EngineTest, AlertNamesTheCulpritAndTheHost) {
  const Tick fired =
      tick(0s, readings_of(test::host_using(82.1), {test::process_of(9, "cache", gib(40), 0.0),
                                                    test::process_of(7, "trainer", gib(9), 1e9)}));
  ASSERT_THAT(brief(fired), ElementsAre("alert warning"));
  const Json json = Json::parse(fired.events[0]->json);
  EXPECT_EQ(json["message"], "High CPU memory usage");
  EXPECT_EQ(json["alert"]["value"], 82.1);
  EXPECT_EQ(json["alert"]["threshold"], 80);
  EXPECT_EQ(json["alert"]["severity"], "warning");
  EXPECT_EQ(json["alert"]["culprit"]["pid"], 7);
  EXPECT_EQ(json["alert"]["culprit"]["comm"], "trainer");
  EXPECT_EQ(json["alert"]["host"], "box");
  EXPECT_EQ(fired.view->active->at(0).culprit->comm, "trainer");
}

TEST_F(EngineTest, GuardAtTheLineIsAnEmergencyAtOnce) {
  tick(0s, readings_of(test::host_with(gib(64), gib(40))));
  const Tick reached = tick(100ms, readings_of(test::host_with(gib(64), gib(40))), true);
  ASSERT_THAT(brief(reached), ElementsAre("alert emergency"));
  EXPECT_EQ(reached.events[0]->event.alert->type, AlertType::host_available);
  EXPECT_TRUE(reached.view->snapshot->brake_line_reached);
  EXPECT_TRUE(reached.view->guard.at_line);
  EXPECT_EQ(reached.view->health, Health::critical);
  EXPECT_THAT(brief(tick(200ms, readings_of(test::host_with(gib(64), gib(40))))),
              ElementsAre("resolved emergency"));
}

TEST_F(EngineTest, SmallMachineIsToldOnceThatItsLinesAreCapped) {
  const auto small = [] { return readings_of(test::host_with(gib(8), gib(7))); };
  const Tick first = tick(0s, small());
  ASSERT_THAT(brief(first), ElementsAre("config_changed"));
  EXPECT_EQ(first.events[0]->event.message,
            "This machine has 8.00 GiB: available memory warns below 2.00 GiB and is an emergency "
            "below 1.00 GiB");
  EXPECT_TRUE(first.view->lines.capped);
  for (int second = 1; second < 10; ++second) {
    EXPECT_THAT(tick(1s * second, small()).events, IsEmpty());
  }
}

TEST_F(EngineTest, OtherThresholdsCountFromTheNextTick) {
  EXPECT_THAT(using_percent(0s, 60).events, IsEmpty());
  const Told told = engine_.apply(settings_with({{"cpu_memory_warning", "55"}}), at(1s));
  EXPECT_EQ(told->event.kind, EventKind::config_changed);
  EXPECT_THAT(told->event.message, HasSubstr("cpu_memory_warning"));
  EXPECT_THAT(brief(using_percent(2s, 60)), ElementsAre("alert warning"));
  const Told back = engine_.apply(settings_with(), at(3s));
  EXPECT_EQ(back->event.id, told->event.id + 2);
  EXPECT_THAT(brief(using_percent(4s, 60)), ElementsAre("resolved warning"));
  EXPECT_THAT(engine_.apply(settings_with(), at(5s))->event.message, HasSubstr("nothing changed"));
}

TEST_F(EngineTest, HistoryKeepsNineHundredSecondsAtOneSecond) {
  std::shared_ptr<const api::View> view;
  for (int second = 0; second < 2000; ++second) {
    view = using_percent(1s * second, 50).view;
  }
  EXPECT_EQ(view->samples->size(), 901U);
  EXPECT_EQ(view->samples->front().at.mono, at(1099s).mono);
  EXPECT_EQ(view->samples->back().at.mono, at(1999s).mono);
}

TEST_F(EngineTest, EventIdsRiseByOneAndTheStreamKeepsTheNewest256) {
  std::uint64_t last = 0;
  std::shared_ptr<const api::View> view;
  for (int i = 0; i < 400; ++i) {
    const Tick next = using_percent(10s * i, i % 2 == 0 ? 96 : 50);
    for (const Told& told : next.events) {
      EXPECT_EQ(told->event.id, last + 1);
      last = told->event.id;
    }
    view = next.view;
  }
  ASSERT_GT(last, 500U);
  ASSERT_EQ(view->events->size(), 256U);
  EXPECT_EQ(view->events->back().id, last);
  for (std::size_t i = 0; i < 256; ++i) {
    const api::StreamedEvent& event = view->events->at(i);
    EXPECT_EQ(event.id, last - 255 + i);
    EXPECT_EQ(Json::parse(event.json)["id"], event.id);
    EXPECT_EQ(Json::parse(event.json)["kind"], event.kind);
  }
}

TEST_F(EngineTest, CountsEachTimeAnAlertIsTold) {
  for (int second = 0; second <= 60; ++second) {
    using_percent(1s * second, 82);
  }
  const auto counts = using_percent(61s, 91).view->alert_counts;
  EXPECT_EQ(counts->at({AlertType::cpu_memory, Severity::warning}), 3U);
  EXPECT_EQ(counts->at({AlertType::cpu_memory, Severity::critical}), 1U);
}

/// A day of random readings, judged by a fresh engine.
std::vector<std::string> replay(unsigned seed, bool wall_jumps, bool with_json) {
  Engine engine(settings_with(), "box");
  std::mt19937 random(seed);
  std::vector<std::string> log;
  std::chrono::milliseconds when{0};
  for (int i = 0; i < 3000; ++i) {
    when += std::chrono::milliseconds{200 + random() % 1800};
    const std::chrono::milliseconds jump =
        std::chrono::minutes{static_cast<int>(random() % 2000) - 1000};
    Readings readings = random() % 8 == 0
                            ? lost_host()
                            : readings_of(test::host_with(gib(24), mib(random() % 24'000)),
                                          {test::process_of(7, "job", gib(1), 1e8)});
    api::GuardView guard;
    guard.at_line = random() % 50 == 0;
    const Tick tick =
        engine.tick(std::move(readings), guard, {}, at(when, wall_jumps ? jump : 0ms));
    std::string line = std::string(to_string(tick.view->level)) + " " +
                       std::string(to_string(tick.view->health)) + " " +
                       std::to_string(tick.view->advice.should_throttle);
    for (const Told& told : tick.events) {
      line += "; " + brief(told) + " " + (with_json ? told->json : "");
    }
    log.push_back(std::move(line));
  }
  return log;
}

TEST(EngineReplay, SameReadingsGiveTheSameEventsByteForByte) {
  EXPECT_EQ(replay(1, false, true), replay(1, false, true));
  EXPECT_NE(replay(1, false, true), replay(2, false, true));
}

TEST(EngineReplay, WallClockJumpsChangeNoDecision) {
  EXPECT_EQ(replay(3, false, false), replay(3, true, false));
}

}  // namespace
}  // namespace levee::engine
