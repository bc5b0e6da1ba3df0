#include "recorder/flight_recorder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "support/small_disk.hpp"
#include "support/temp_dir.hpp"
#include "unit/recorder/items.hpp"

namespace levee::recorder {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Json = nlohmann::json;
using namespace std::chrono_literals;

struct Told {
  EventKind kind;
  std::string message;
  std::string incident;
};

class FlightRecorderTest : public testing::Test {
 protected:
  FlightRecorder::Options options() {
    FlightRecorder::Options options;
    options.version = "0.1.0";
    options.hostname = "box";
    options.began = test::at({});
    options.limits.aftermath = 2s;
    options.incidents = dir_ / "incidents";
    options.tell = [this](EventKind kind, std::string message, std::string incident) {
      told_.push_back({kind, std::move(message), std::move(incident)});
    };
    return options;
  }

  static void tick(FlightRecorder& recorder, std::chrono::milliseconds when) {
    recorder.offer(tick_of(when, test::host_using(50), {test::process_of(7, "job", gib(1))}),
                   {.next_event_id = 3, .active = nullptr});
    recorder.wait_until_done();
  }

  static Incident asked(std::chrono::milliseconds when,
                        IncidentKind kind = IncidentKind::on_demand) {
    Incident incident;
    incident.kind = kind;
    incident.at = test::at(when);
    incident.reasons = {"Somebody asked"};
    return incident;
  }

  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "incidents", ignored)) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }

  test::TempDir dir_;
  std::vector<Told> told_;
};

TEST_F(FlightRecorderTest, SavesWhatWasBeforeAndTheAftermathInOneFile) {
  FlightRecorder recorder(options());
  tick(recorder, 0s);
  recorder.trigger(asked(1s));
  tick(recorder, 1s);
  EXPECT_THAT(files(), IsEmpty());
  tick(recorder, 3s);
  ASSERT_THAT(files(), ElementsAre("20260131T080510Z-on_demand.levee"));
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_EQ(told_[0].kind, EventKind::incident);
  EXPECT_EQ(told_[0].incident, "20260131T080510Z-on_demand");

  auto reader = Reader::open(dir_ / "incidents/20260131T080510Z-on_demand.levee");
  ASSERT_TRUE(reader);
  const auto items = read_all(*reader);
  ASSERT_THAT(items, SizeIs(5));
  EXPECT_EQ(std::get<Incident>(items[0]).reasons.front(), "Somebody asked");
  EXPECT_EQ(std::get<Opening>(items[1]).next_event_id, 3U);
  EXPECT_EQ(std::get<TickItem>(items[4]).now.mono, test::at(3s).mono);
  EXPECT_THAT(reader->damage(), IsEmpty());
}

TEST_F(FlightRecorderTest, SavesWhatIsPendingWhenItStops) {
  FlightRecorder recorder(options());
  tick(recorder, 0s);
  recorder.trigger(asked(0s));
  recorder.stop();
  EXPECT_THAT(files(), SizeIs(1));
}

TEST_F(FlightRecorderTest, WhoAskedIsAnsweredOnceItIsSaved) {
  FlightRecorder recorder(options());
  std::vector<std::string> answers;
  const auto keep = [&](const Result<std::string>& answer) {
    answers.push_back(answer ? *answer : answer.error().message);
  };
  tick(recorder, 0s);
  recorder.trigger(asked(0s), keep);
  tick(recorder, 1s);
  EXPECT_THAT(answers, IsEmpty());
  tick(recorder, 2s);
  recorder.trigger(asked(3s), keep);
  recorder.wait_until_done();
  EXPECT_THAT(answers, ElementsAre(R"({"id":"20260131T080509Z-on_demand"})",
                                   HasSubstr("less than a minute ago")));
}

TEST_F(FlightRecorderTest, ListsShowsAndRemoves) {
  FlightRecorder recorder(options());
  tick(recorder, 0s);
  recorder.trigger(asked(0s));
  tick(recorder, 2s);
  std::vector<Result<std::string>> answers;
  const auto keep = [&](const Result<std::string>& answer) { answers.push_back(answer); };
  recorder.list(keep);
  recorder.show("20260131T080509Z-on_demand", keep);
  recorder.show("../../etc/passwd", keep);
  recorder.show("", keep);
  recorder.remove("20260131T080509Z-on_demand", keep);
  recorder.remove("20260131T080509Z-on_demand", keep);
  recorder.wait_until_done();
  ASSERT_THAT(answers, SizeIs(6));
  EXPECT_EQ(Json::parse(*answers[0])["incidents"][0]["kind"], "on_demand");
  EXPECT_EQ(Json::parse(*answers[1])["host"], "box");
  EXPECT_EQ(answers[2].error().code, ErrorCode::not_found);
  EXPECT_EQ(answers[3].error().code, ErrorCode::not_found);
  EXPECT_EQ(Json::parse(*answers[4])["incidents"], Json::array());
  EXPECT_EQ(answers[5].error().code, ErrorCode::not_found);
  recorder.stop();
  recorder.list(keep);
  EXPECT_EQ(answers.back().error().code, ErrorCode::unavailable);
}

TEST_F(FlightRecorderTest, TakesAwayWhatAnEarlierRunDidNotFinish) {
  dir_.write("incidents/x.levee.unfinished", "half");
  dir_.write("incidents/notes.txt", "mine");
  FlightRecorder recorder(options());
  EXPECT_THAT(files(), ElementsAre("notes.txt"));
}

TEST_F(FlightRecorderTest, OldBundlesMakeRoomAndThoseThatWereAskedForGoFirst) {
  auto wanted = options();
  wanted.limits.aftermath = 0s;
  wanted.limits.ring.keep = 10s;  // So that one bundle is as large as the other.
  FlightRecorder recorder(wanted);
  tick(recorder, 0s);
  recorder.trigger(asked(0s, IncidentKind::oom_kill));
  tick(recorder, 0s);
  recorder.trigger(asked(120s));
  tick(recorder, 120s);
  ASSERT_THAT(files(), SizeIs(2));
  Limits small = wanted.limits;
  small.incidents = Bytes{2 * std::filesystem::file_size(dir_ / "incidents" / files()[0]) + 64};
  recorder.configure(small);
  recorder.trigger(asked(240s, IncidentKind::xid));
  tick(recorder, 240s);
  EXPECT_THAT(files(), ElementsAre(HasSubstr("oom_kill"), HasSubstr("xid")));
}

TEST_F(FlightRecorderTest, WithoutADirectoryAnIncidentIsToldAsLost) {
  auto wanted = options();
  wanted.incidents.reset();
  wanted.why_not = "no permission";
  FlightRecorder recorder(wanted);
  tick(recorder, 0s);
  recorder.trigger(asked(0s));
  tick(recorder, 2s);
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_EQ(told_[0].kind, EventKind::incident_lost);
}

TEST_F(FlightRecorderTest, AFullDiskLosesTheIncidentAndLeavesNothingBehind) {
  const test::SmallDisk disk("64k");
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "only root can mount a small disk";
  }
  disk.fill();
  auto wanted = options();
  wanted.incidents = disk / "incidents";
  FlightRecorder recorder(wanted);
  tick(recorder, 0s);
  recorder.trigger(asked(0s));
  tick(recorder, 2s);
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_EQ(told_[0].kind, EventKind::incident_lost);
  disk.free_up();
  recorder.trigger(asked(120s));
  tick(recorder, 123s);
  ASSERT_THAT(told_, SizeIs(2));
  EXPECT_EQ(told_[1].kind, EventKind::incident);
}

TEST_F(FlightRecorderTest, RecordsToAFileFromTheStart) {
  auto wanted = options();
  wanted.file = dir_ / "day.levee";
  FlightRecorder recorder(wanted);
  tick(recorder, 0s);
  tick(recorder, 1s);
  recorder.stop();
  auto reader = Reader::open(dir_ / "day.levee");
  ASSERT_TRUE(reader);
  const auto items = read_all(*reader);
  ASSERT_THAT(items, SizeIs(3));
  EXPECT_EQ(std::get<Opening>(items[0]).number, 0U);
}

TEST_F(FlightRecorderTest, ARecordingIsBoundedAndItsPartsFollowEachOther) {
  auto wanted = options();
  wanted.file = dir_ / "day.levee";
  wanted.limits.file = kib(32);
  FlightRecorder recorder(wanted);
  for (int i = 0; i < 400; ++i) {
    TickItem item = tick_of(std::chrono::seconds{i}, test::host_using(50));
    // Nothing that compresses.
    for (int k = 0; k < 50; ++k) {
      item.told.push_back(std::to_string(std::hash<int>{}(i * 1000 + k) * 2654435761U));
    }
    recorder.offer(std::move(item), {});
    recorder.wait_until_done();
  }
  recorder.stop();
  const auto size = std::filesystem::file_size(dir_ / "day.levee") +
                    std::filesystem::file_size(dir_ / "day.levee.1");
  EXPECT_LE(size, 36U * 1024);
  auto reader = Reader::open(dir_ / "day.levee");
  ASSERT_TRUE(reader);
  const auto items = read_all(*reader);
  EXPECT_TRUE(std::ranges::none_of(
      items, [](const Item& item) { return std::holds_alternative<GapItem>(item); }));
  EXPECT_EQ(std::get<TickItem>(items.back()).now.mono, test::at(399s).mono);
}

TEST_F(FlightRecorderTest, AFullDiskStopsTheRecordingWithOneWord) {
  const test::SmallDisk disk("64k");
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "only root can mount a small disk";
  }
  auto wanted = options();
  wanted.file = disk / "day.levee";
  FlightRecorder recorder(wanted);
  tick(recorder, 0s);
  disk.fill();
  for (int i = 1; i < 200; ++i) {
    tick(recorder, std::chrono::seconds{i});
  }
  recorder.trigger(asked(200s));
  tick(recorder, 203s);
  ASSERT_THAT(told_, SizeIs(2));
  EXPECT_EQ(told_[0].kind, EventKind::recording_stopped);
  EXPECT_EQ(told_[1].kind, EventKind::incident) << "the last minutes are kept all the same";
}

TEST_F(FlightRecorderTest, AFileThatCannotBeMadeIsToldOnce) {
  auto wanted = options();
  wanted.file = dir_ / "not/there/day.levee";
  FlightRecorder recorder(wanted);
  tick(recorder, 0s);
  tick(recorder, 1s);
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_EQ(told_[0].kind, EventKind::recording_stopped);
}

TEST_F(FlightRecorderTest, NeverWritesThroughALink) {
  std::filesystem::create_symlink(dir_ / "elsewhere", dir_ / "day.levee");
  auto wanted = options();
  wanted.file = dir_ / "day.levee";
  FlightRecorder recorder(wanted);
  tick(recorder, 0s);
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "elsewhere"));
}

TEST_F(FlightRecorderTest, TheRingKeepsNoMoreThanItMay) {
  Ring ring({.keep = 100s, .memory = mib(1)});
  for (int second = 0; second < 1000; ++second) {
    const MonoTime now = test::at(std::chrono::seconds{second}).mono;
    if (ring.wants_piece(now)) {
      ring.begin("O", now);
    }
    ring.add("x", now);
    EXPECT_LE(ring.span(), 111s);
  }
  EXPECT_GE(ring.span(), 100s);
  for (int second = 1000; second < 1020; ++second) {
    const MonoTime now = test::at(std::chrono::seconds{second}).mono;
    if (ring.wants_piece(now)) {
      ring.begin("O", now);
    }
    ring.add(std::string(100'000, 'x'), now);
    EXPECT_LE(ring.size(), mib(1) + Bytes{200'000});
  }
}

}  // namespace
}  // namespace levee::recorder
