#include "gpus/roster.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/gpus/gpu_values.hpp"

namespace levee::gpus {
namespace {

using namespace levee::test;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto kSilence = 10'000ms;
constexpr auto kPatience = 50ms;

wire::Answer answer_of(std::string uuid, std::uint64_t number,
                       std::chrono::milliseconds read_at = {},
                       std::chrono::microseconds took = 1ms) {
  return {number, took, {reading_of(gpu_named(std::move(uuid), 0), read_at)}};
}

wire::Answer broken_answer(std::string uuid, std::uint64_t number, GpuCondition condition,
                           std::string detail) {
  GpuReading reading;
  reading.identity = std::make_shared<const GpuIdentity>(gpu_named(std::move(uuid), 0));
  reading.condition = condition;
  reading.condition_detail = std::move(detail);
  reading.read_at = at(99s).mono;
  return {number, 1ms, {std::move(reading)}};
}

std::vector<GpuIdentity> listed(const std::vector<std::string>& uuids) {
  std::vector<GpuIdentity> devices;
  for (const std::string& uuid : uuids) {
    devices.push_back(gpu_named(uuid, static_cast<int>(devices.size())));
  }
  return devices;
}

/// A roster whose `uuids` have all answered question 1.
Roster roster_of(const std::vector<std::string>& uuids) {
  Roster roster;
  roster.list(listed(uuids), at(0ms).mono);
  roster.asked(1);
  for (const std::string& uuid : uuids) {
    roster.take(answer_of(uuid, 1));
  }
  return roster;
}

/// "uuid:index" of each row.
std::vector<std::string> names(const Roster& roster, std::chrono::milliseconds now = 0ms) {
  std::vector<std::string> all;
  for (const GpuReading& row : roster.rows(at(now).mono, kSilence)) {
    all.push_back(row.identity->uuid + ":" + std::to_string(row.identity->index));
  }
  return all;
}

GpuReading row_of(const Roster& roster, std::string_view uuid) {
  for (GpuReading& row : roster.rows(at(0ms).mono, kSilence)) {
    if (row.identity->uuid == uuid) {
      return row;
    }
  }
  ADD_FAILURE() << uuid << " has no row";
  return {};
}

TEST(Roster, ListsDevicesByIndexWhateverTheirNames) {
  EXPECT_THAT(names(roster_of({"z", "m", "a"})), ElementsAre("z:0", "m:1", "a:2"));
}

TEST(Roster, KeepsEveryIndexWhenADeviceInTheMiddleFallsOff) {
  Roster roster = roster_of({"a", "b", "c"});
  roster.list(listed({"a", "c"}), at(1s).mono);  // The driver now calls c number 1.
  EXPECT_THAT(names(roster), ElementsAre("a:0", "b:1", "c:2"));
  EXPECT_EQ(row_of(roster, "b").condition, GpuCondition::lost);
  EXPECT_EQ(row_of(roster, "c").condition, GpuCondition::ok);
}

TEST(Roster, GivesANewDeviceTheNextFreeIndexWhenItsNumberIsTaken) {
  Roster roster = roster_of({"a", "b"});
  roster.list(listed({"new", "a", "b"}), at(1s).mono);
  roster.asked(2);
  roster.take(answer_of("new", 2));
  EXPECT_THAT(names(roster), ElementsAre("a:0", "b:1", "new:2"));
}

TEST(Roster, GivesADeviceThatComesBackItsOldIndex) {
  Roster roster = roster_of({"a", "b"});
  roster.list(listed({"b"}), at(1s).mono);
  roster.list(listed({"b", "a"}), at(2s).mono);
  roster.asked(2);
  roster.take(answer_of("a", 2));
  EXPECT_THAT(names(roster), ElementsAre("a:0", "b:1"));
  EXPECT_EQ(row_of(roster, "a").condition, GpuCondition::ok);
}

TEST(Roster, LeavesGapsThatTheDriverReports) {
  Roster roster;
  std::vector<GpuIdentity> devices = listed({"a", "c"});
  devices[1].index = 2;  // Number 1 could not be reached.
  roster.list(devices, at(0ms).mono);
  roster.asked(1);
  roster.take(answer_of("a", 1));
  roster.take(answer_of("c", 1));
  EXPECT_THAT(names(roster), ElementsAre("a:0", "c:2"));
}

TEST(Roster, GivesInstancesTheIndexOfTheirDevice) {
  Roster roster;
  roster.list(listed({"a", "b"}), at(0ms).mono);
  wire::Answer answer = answer_of("b", 1);
  GpuIdentity instance = gpu_named("MIG-1", 0);
  instance.parent_uuid = "b";
  answer.readings.push_back(reading_of(instance));
  roster.take(answer);
  EXPECT_THAT(names(roster), ElementsAre("b:1", "MIG-1:1"));
  roster.take(answer_of("b", 2));  // The instance was taken away.
  EXPECT_THAT(names(roster), ElementsAre("b:1"));
}

TEST(Roster, KeepsTheLastFiguresAndTheirAgeOfALostDevice) {
  Roster roster = roster_of({"a"});
  roster.asked(2);
  roster.take(broken_answer("a", 2, GpuCondition::lost, "nvmlX: GPU is lost"));
  roster.list({}, at(5s).mono);
  const GpuReading row = row_of(roster, "a");
  EXPECT_EQ(row.condition, GpuCondition::lost);
  EXPECT_EQ(row.condition_detail, "nvmlX: GPU is lost");  // Its own word is the better one.
  EXPECT_EQ(row.memory, reading_of(gpu_named("a", 0)).memory);
  EXPECT_EQ(row.read_at, at(0ms).mono);
}

TEST(Roster, MarksInstancesLostWithTheirDevice) {
  Roster roster;
  roster.list(listed({"a"}), at(0ms).mono);
  wire::Answer answer = answer_of("a", 1);
  answer.readings.push_back(reading_of(gpu_named("MIG-1", 0)));
  roster.take(answer);
  roster.list({}, at(1s).mono);
  EXPECT_EQ(row_of(roster, "MIG-1").condition, GpuCondition::lost);
}

TEST(Roster, ShowsADeviceThatIsBrokenFromTheStart) {
  Roster roster;
  roster.list(listed({"a"}), at(0ms).mono);
  roster.take(broken_answer("a", 1, GpuCondition::unreadable, "nvmlX: Unknown Error"));
  EXPECT_EQ(row_of(roster, "a").condition, GpuCondition::unreadable);
  EXPECT_EQ(row_of(roster, "a").memory, std::nullopt);
}

TEST(Roster, BecomesWellWhenTheDeviceAnswersAgain) {
  Roster roster = roster_of({"a"});
  roster.take(broken_answer("a", 2, GpuCondition::reset_required, "nvmlX: reset"));
  EXPECT_EQ(row_of(roster, "a").condition, GpuCondition::reset_required);
  roster.take(answer_of("a", 3, 7s));
  EXPECT_EQ(row_of(roster, "a").condition, GpuCondition::ok);
  EXPECT_EQ(row_of(roster, "a").condition_detail, "");
  EXPECT_EQ(row_of(roster, "a").read_at, at(7s).mono);
}

TEST(Roster, ShowsASilentDeviceOnlyAfterAWhile) {
  Roster roster;
  roster.list(listed({"a"}), at(0ms).mono);
  EXPECT_THAT(roster.rows(at(9'999ms).mono, kSilence), IsEmpty());
  const auto rows = roster.rows(at(10s).mono, kSilence);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].condition, GpuCondition::unreadable);
  EXPECT_EQ(rows[0].identity->uuid, "a");
  EXPECT_EQ(rows[0].memory, std::nullopt);
}

TEST(Roster, IgnoresAnswersOfDevicesThatAreNotListed) {
  Roster roster = roster_of({"a"});
  roster.take(answer_of("stranger", 1));
  EXPECT_THAT(names(roster), ElementsAre("a:0"));
  roster.list({}, at(1s).mono);
  roster.take(answer_of("a", 2, 5s));  // Was on its way when the device fell off.
  EXPECT_EQ(row_of(roster, "a").condition, GpuCondition::lost);
}

TEST(Roster, AwaitsADeviceThatAnsweredThePreviousQuestion) {
  Roster roster = roster_of({"a"});
  EXPECT_FALSE(roster.awaits_within(kPatience));  // It has answered this one.
  roster.asked(2);
  EXPECT_TRUE(roster.awaits_within(kPatience));
  roster.take(answer_of("a", 2));
  EXPECT_FALSE(roster.awaits_within(kPatience));
}

TEST(Roster, DoesNotAwaitADeviceThatMissedAQuestion) {
  Roster roster = roster_of({"hung", "quick"});
  roster.asked(2);
  roster.take(answer_of("quick", 2));
  EXPECT_TRUE(roster.awaits_within(kPatience));  // Once.
  roster.asked(3);
  roster.take(answer_of("quick", 3));
  EXPECT_FALSE(roster.awaits_within(kPatience));
  EXPECT_TRUE(roster.awaits_any());
}

TEST(Roster, DoesNotAwaitADeviceThatTakesLongerThanThePatience) {
  Roster roster = roster_of({"slow"});
  roster.take(answer_of("slow", 1, 0ms, 51ms));
  roster.asked(2);
  EXPECT_FALSE(roster.awaits_within(kPatience));
  EXPECT_TRUE(roster.awaits_within(60ms));
}

TEST(Roster, AwaitsADeviceAgainOnceItIsQuickEvenIfItsAnswerCameLate) {
  Roster roster = roster_of({"a"});
  roster.asked(2);
  roster.asked(3);
  EXPECT_FALSE(roster.awaits_within(kPatience));
  roster.take(answer_of("a", 3));  // Nobody waited for it, but it was quick.
  roster.asked(4);
  EXPECT_TRUE(roster.awaits_within(kPatience));
}

TEST(Roster, AwaitsNobodyWhoIsNotListedOrNew) {
  Roster roster = roster_of({"a"});
  roster.list(listed({"new"}), at(1s).mono);
  roster.asked(2);
  EXPECT_FALSE(roster.awaits_within(kPatience));
  EXPECT_TRUE(roster.awaits_any());  // The new one, for one who wants everything.
  EXPECT_FALSE(roster.is_empty());
  roster.list({}, at(2s).mono);
  EXPECT_FALSE(roster.awaits_any());
  EXPECT_TRUE(roster.is_empty());
}

TEST(Roster, SharesOneIdentityAmongReadings) {
  Roster roster = roster_of({"a"});
  const auto before = row_of(roster, "a").identity;
  roster.take(answer_of("a", 2));
  EXPECT_EQ(row_of(roster, "a").identity, before);
}

TEST(Roster, DoesNotCollectNamesWithoutEnd) {
  Roster roster;
  for (int i = 0; i < 5'000; ++i) {
    roster.list({gpu_named("GPU-" + std::to_string(i), 0)}, at(0ms).mono);
  }
  EXPECT_LE(roster.rows(at(20s).mono, kSilence).size(), 2'000U);
}

}  // namespace
}  // namespace levee::gpus
