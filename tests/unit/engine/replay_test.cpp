// Replay gives what was: random days through a real engine and a real recording.
#include "engine/replay.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "engine/engine.hpp"
#include "engine/state_events.hpp"
#include "recorder/flight_recorder.hpp"
#include "support/temp_dir.hpp"
#include "support/values.hpp"

namespace levee::engine {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::SizeIs;
using Json = nlohmann::json;
using namespace std::chrono_literals;

/// A machine whose days are anything but quiet, with an engine and a recorder as the daemon has
/// them; what the engine told is kept beside the recording.
class RandomDay {
 public:
  RandomDay(unsigned seed, const std::filesystem::path& file)
      : random_(seed), settings_(load({})), engine_(settings_, "box") {
    recorder::FlightRecorder::Options options;
    options.version = "0.1.0";
    options.hostname = "box";
    options.began = test::at({});
    options.settings = settings_->layers();
    options.limits.ring.keep = 40s;
    options.file = file;
    options.tell = [](EventKind, const std::string&, const std::string&) {};
    recorder_ = std::make_unique<recorder::FlightRecorder>(std::move(options));
  }

  void live(int seconds) {
    for (int second = 0; second < seconds; ++second) {
      now_ += std::chrono::milliseconds{500 + random_() % 1000};
      if (random_() % 30 == 0) {
        change_settings();
      }
      if (random_() % 20 == 0) {
        tell_something();
      }
      if (random_() % 40 == 0) {
        command();
      }
      tick();
      recorder_->wait_until_done();
    }
    recorder_->stop();
  }

  [[nodiscard]] const std::vector<std::string>& told() const { return told_; }

 private:
  static std::shared_ptr<const config::Settings> load(config::Values changes) {
    return std::make_shared<const config::Settings>(
        config::Settings::load({}).value().with_runtime(changes).value());
  }

  recorder::Context context() {
    return {.next_event_id = engine_.next_event_id(), .active = active_};
  }

  [[nodiscard]] Now now() { return test::at(now_, std::chrono::milliseconds{jump_}); }

  void change_settings() {
    const double warning = 60.0 + static_cast<double>(random_() % 20);
    const auto settings =
        load({{"gpu_memory_warning", config::Value{warning}},
              {"cpu_memory_warning", config::Value{warning}},
              {"history_seconds", config::Value{static_cast<std::int64_t>(60 + random_() % 900)}}});
    const auto before = context();
    const Told told = engine_.apply(settings, now());
    recorder_->offer(
        recorder::SettingsItem{.settings = settings->layers(), .now = now(), .told = told->json},
        before);
    told_.push_back(told->json);
  }

  void tell_something() {
    const auto before = context();
    const Told told = engine_.record(plain_event(EventKind::store_lost, "disk \xfc full", now()));
    recorder_->offer(recorder::EventItem{.event = told->event, .told = told->json}, before);
    told_.push_back(told->json);
  }

  void command() {
    const api::TrackModel track{"m" + std::to_string(random_() % 9), gib(1 + random_() % 4)};
    static_cast<void>(engine_.models().execute(track, now()));
    recorder_->offer(recorder::CommandItem{.command = track, .now = now()}, context());
  }

  void tick() {
    recorder::TickItem item;
    item.now = now();
    item.guard.at_line = random_() % 50 == 0;
    item.readings = readings();
    const auto before = context();
    const Tick tick = engine_.tick(item.readings, item.guard, item.daemon, item.now);
    for (const Told& told : tick.events) {
      item.told.push_back(told->json);
      told_.push_back(told->json);
    }
    active_ = tick.view->active;
    recorder_->offer(std::move(item), before);
  }

  Readings readings() {
    Readings readings;
    host_ = std::clamp(host_ + static_cast<int>(random_() % 21) - 10, 10, 99);
    if (random_() % 15 != 0) {
      readings.host = test::host_using(host_ + 0.1 * static_cast<double>(random_() % 10));
    }
    if (random_() % 15 != 0) {
      sources::ProcessScan scan;
      for (pid_t pid = 10; pid < 40; ++pid) {
        if (random_() % 10 == 0) {
          identities_[pid] = test::process_of(pid, "p" + std::to_string(random_()), gib(1));
        }
        if (identities_.contains(pid) && random_() % 20 != 0) {
          ProcessReading& process = identities_[pid];
          if (random_() % 3 == 0) {
            process.rss = mib(random_() % 4000);
            process.growth_per_second = static_cast<double>(random_()) / 7;
            process.read_at = now().mono;
          }
          scan.processes.push_back(process);
        }
      }
      std::ranges::sort(scan.processes, std::ranges::greater{}, &ProcessReading::rss);
      readings.processes = std::move(scan);
    }
    for (std::size_t index = 0; index < gpu_.size(); ++index) {
      gpu_[index] = std::clamp(gpu_[index] + static_cast<int>(random_() % 31) - 15, 3, 100);
      GpuReading gpu =
          test::gpu_with(static_cast<int>(index), 40.0 + static_cast<double>(random_() % 60),
                         gpu_[index], now().mono);
      const auto pid = static_cast<pid_t>(10 + index);
      const auto known = identities_.find(pid);
      GpuProcess process;
      process.pid = pid;
      process.memory = mib(random_() % 50'000);
      process.identity = known == identities_.end() ? nullptr : known->second.identity;
      gpu.processes = {process};
      gpu.memory->balloons = mib(random_() % 20'000);
      if (random_() % 25 == 0) {
        gpu.condition = GpuCondition::lost;
        gpu.condition_detail = "GPU is lost";
      }
      readings.gpus.gpus.push_back(std::move(gpu));
      if (random_() % 60 == 0) {
        readings.gpus.xids.push_back({"GPU-0", 79, now().wall});
      }
    }
    readings.gpus.is_known = true;
    if (random_() % 100 == 0) {
      jump_ = static_cast<int>(random_() % 1'000'000) - 500'000;
    }
    return readings;
  }

  std::mt19937 random_;
  std::shared_ptr<const config::Settings> settings_;
  Engine engine_;
  std::unique_ptr<recorder::FlightRecorder> recorder_;
  std::chrono::milliseconds now_{0};
  int jump_ = 0;
  int host_ = 50;
  std::array<int, 2> gpu_{30, 60};
  std::map<pid_t, ProcessReading> identities_;
  std::shared_ptr<const std::vector<Alert>> active_;
  std::vector<std::string> told_;
};

Replayed replayed(const std::filesystem::path& file, const config::Values& others = {}) {
  auto reader = recorder::Reader::open(file);
  EXPECT_TRUE(reader) << reader.error().message;
  auto outcome = replay(*reader, others);
  EXPECT_TRUE(outcome) << outcome.error().message;
  return std::move(*outcome);
}

TEST(Replay, RandomDaysGiveExactlyTheEventsThatWere) {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    const test::TempDir dir;
    RandomDay day(seed, dir / "day");
    day.live(300);
    ASSERT_GT(day.told().size(), 50U) << "a day in which little happened shows little";
    const Replayed outcome = replayed(dir / "day");
    EXPECT_TRUE(outcome.from_start);
    EXPECT_EQ(outcome.ticks, 300U);
    EXPECT_THAT(outcome.recorded, ElementsAreArray(day.told())) << seed;
    EXPECT_THAT(outcome.same, ElementsAreArray(day.told())) << seed;
    EXPECT_TRUE(outcome.is_exact());
  }
}

TEST(Replay, OtherThresholdsGiveOtherEventsAndTheSameTwice) {
  const test::TempDir dir;
  RandomDay day(5, dir / "day");
  day.live(300);
  const config::Values calm{{"gpu_memory_warning", config::Value{99.0}},
                            {"gpu_memory_critical", config::Value{99.5}},
                            {"gpu_memory_emergency", config::Value{100.0}}};
  const Replayed outcome = replayed(dir / "day", calm);
  EXPECT_TRUE(outcome.is_exact());
  EXPECT_NE(outcome.other, outcome.same);
  EXPECT_EQ(outcome.other, replayed(dir / "day", calm).other);
  const Json json = Json::parse(to_json(outcome, true));
  EXPECT_THAT(json["summary"].get<std::string>(), HasSubstr("with these settings: "));
  EXPECT_LT(json["counts"]["alert"]["after"], json["counts"]["alert"]["before"]);
}

TEST(Replay, ARecordingThatIsCutIsReplayedUpToThere) {
  const test::TempDir dir;
  RandomDay day(6, dir / "day");
  day.live(100);
  const std::string bytes = test::contents(dir / "day");
  dir.write("cut", bytes.substr(0, bytes.size() / 2));
  const Replayed outcome = replayed(dir / "cut");
  EXPECT_TRUE(outcome.is_exact());
  EXPECT_LT(outcome.ticks, 100U);
  EXPECT_THAT(outcome.damage, HasSubstr("left out"));
}

TEST(Replay, SettingsThatCannotBeTogetherAreRefused) {
  const test::TempDir dir;
  RandomDay day(7, dir / "day");
  day.live(5);
  auto reader = recorder::Reader::open(dir / "day");
  ASSERT_TRUE(reader);
  const auto outcome = replay(*reader, {{"gpu_memory_warning", config::Value{99.0}}});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::invalid_argument);
}

TEST(Replay, TheFirstAlertOfBothSidesIsCompared) {
  Replayed outcome;
  const auto alert = [](std::string_view time, int id) {
    return fmt::format(R"({{"id":{0},"timestamp":"2026-01-31T{1}.000Z","kind":"alert",)"
                       R"("severity":"warning","message":"m","alert":{{"id":{0}}}}})",
                       id, time);
  };
  outcome.recorded = outcome.same = {alert("08:05:00", 1), alert("08:06:00", 2)};
  outcome.other = {alert("08:02:00", 7)};
  const Json json = Json::parse(to_json(outcome, true));
  EXPECT_EQ(json["summary"], "with these settings: 1 alert instead of 2, the first 3m 0s earlier");
  EXPECT_THAT(json["events"], SizeIs(3));
  EXPECT_EQ(json["events"][0]["after"], true);
  EXPECT_EQ(json["events"][0]["before"], false);
}

}  // namespace
}  // namespace levee::engine
