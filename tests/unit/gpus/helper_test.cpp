#include "gpus/helper.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/patience.hpp"
#include "unit/gpus/fake_driver.hpp"
#include "unit/gpus/running_helper.hpp"

namespace levee::gpus {
namespace {

using namespace levee::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class HelperTest : public testing::Test {
 protected:
  ~HelperTest() override {
    world_->change([](FakeWorld& world) { world.over = true; });
  }

  void add(const std::string& uuid) {
    world_->change([&](FakeWorld& world) {
      world.gpus.push_back({.identity = gpu_named(uuid, static_cast<int>(world.gpus.size()))});
    });
  }

  [[nodiscard]] std::vector<DriverEntry> drivers() const {
    std::vector<DriverEntry> all;
    all.push_back({"nvml", std::make_unique<FakeDriver>(world_)});
    return all;
  }

  std::shared_ptr<FakeWorld> world_ = std::make_shared<FakeWorld>();
};

std::vector<std::string> uuids(const wire::Devices& devices) {
  std::vector<std::string> all;
  for (const GpuIdentity& device : devices.devices) {
    all.push_back(device.uuid);
  }
  return all;
}

std::string uuid_of(const wire::Answer& answer) {
  return answer.readings.empty() ? "" : answer.readings[0].identity->uuid;
}

TEST_F(HelperTest, ListsDevicesAndAnswersForEach) {
  add("a");
  add("b");
  RunningHelper helper(drivers());
  helper.ask(7);
  EXPECT_THAT(uuids(helper.next<wire::Devices>()), ElementsAre("a", "b"));
  const auto first = helper.next<wire::Answer>();
  const auto second = helper.next<wire::Answer>();
  EXPECT_EQ(first.number, 7U);
  EXPECT_EQ(second.number, 7U);
  EXPECT_THAT((std::vector{uuid_of(first), uuid_of(second)}), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(helper.end(), 0);
}

TEST_F(HelperTest, LeavesAHungDeviceAloneAndAsksItAgainWhenItIsBack) {
  add("hung");
  add("quick");
  world_->change([](FakeWorld& world) { world.gpus[0].hangs = true; });
  RunningHelper helper(drivers());
  helper.ask(1);
  helper.next<wire::Devices>();
  {  // A question that nobody has begun with gives way to the next one.
    std::unique_lock lock(world_->mutex);
    ASSERT_TRUE(world_->changed.wait_for(lock, kPatience, [&] { return world_->gpus[0].is_read; }));
  }
  for (std::uint64_t number = 1; number <= 5; ++number) {
    const auto answer = helper.next<wire::Answer>();
    EXPECT_EQ(uuid_of(answer), "quick");
    EXPECT_EQ(answer.number, number);
    helper.ask(number + 1);
  }
  EXPECT_EQ(helper.next<wire::Answer>().number, 6U);
  world_->change([](FakeWorld& world) { world.gpus[0].hangs = false; });
  const auto late = helper.next<wire::Answer>();
  EXPECT_EQ(uuid_of(late), "hung");
  EXPECT_EQ(late.number, 1U);
  helper.ask(7);
  EXPECT_EQ(helper.next<wire::Answer>().number, 7U);
  EXPECT_EQ(helper.next<wire::Answer>().number, 7U);
}

TEST_F(HelperTest, EndsWithItsInputThoughADeviceHangs) {
  add("hung");
  world_->change([](FakeWorld& world) { world.gpus[0].hangs = true; });
  RunningHelper helper(drivers());
  helper.ask(1);
  helper.next<wire::Devices>();
  EXPECT_EQ(helper.end(), 0);
}

TEST_F(HelperTest, AnswersAQuestionThatCameWhileTheDeviceCaughtUp) {
  add("a");
  world_->change([](FakeWorld& world) { world.gpus[0].catches_up = false; });
  RunningHelper helper(drivers());
  helper.ask(1);
  helper.next<wire::Devices>();
  EXPECT_EQ(helper.next<wire::Answer>().number, 1U);
  {
    std::unique_lock lock(world_->mutex);
    ASSERT_TRUE(
        world_->changed.wait_for(lock, kPatience, [&] { return world_->gpus[0].caught_up == 1; }));
  }
  helper.ask(2);
  world_->change([](FakeWorld& world) { world.gpus[0].catches_up = true; });
  EXPECT_EQ(helper.next<wire::Answer>().number, 2U);
}

TEST_F(HelperTest, ListsAgainAtOnceWhenADeviceIsLost) {
  add("a");
  add("b");
  RunningHelper helper(drivers());
  helper.next<wire::Devices>();
  world_->change([](FakeWorld& world) { world.gpus.erase(world.gpus.begin()); });
  const auto asked = std::chrono::steady_clock::now();
  helper.ask(1);
  std::optional<wire::Devices> list;
  while (!list) {
    const auto message = helper.next_message();
    ASSERT_TRUE(message.has_value());
    if (const auto* devices = std::get_if<wire::Devices>(&*message)) {
      list = *devices;
    }
  }
  EXPECT_THAT(uuids(*list), ElementsAre("b"));
  EXPECT_LT(std::chrono::steady_clock::now() - asked, 4s);  // The routine look is every 5 s.
}

TEST_F(HelperTest, FindsADeviceThatIsPluggedInAndReadsItForTheLastQuestion) {
  add("a");
  RunningHelper helper(drivers());
  helper.ask(9);
  helper.next<wire::Devices>();
  helper.next<wire::Answer>();
  add("b");
  EXPECT_THAT(uuids(helper.next<wire::Devices>()), ElementsAre("a", "b"));
  const auto answer = helper.next<wire::Answer>();
  EXPECT_EQ(uuid_of(answer), "b");
  EXPECT_EQ(answer.number, 9U);
}

TEST_F(HelperTest, ReadsAReplacedDeviceByItsNewHandle) {
  add("a");
  RunningHelper helper(drivers());
  helper.next<wire::Devices>();
  world_->change([](FakeWorld& world) { world.gpus[0].handle = 1; });
  GpuCondition condition = GpuCondition::lost;
  EXPECT_TRUE(eventually([&, number = std::uint64_t{0}]() mutable {
    helper.ask(++number);
    condition = helper.next<wire::Answer>().readings[0].condition;
    return condition == GpuCondition::ok;
  }));
}

TEST_F(HelperTest, PassesErrorReportsOn) {
  add("a");
  RunningHelper helper(drivers());
  helper.next<wire::Devices>();
  const GpuXid xid{"a", 79, at({}).wall};
  world_->change([&](FakeWorld& world) { world.xids = {xid}; });
  EXPECT_EQ(helper.next<GpuXid>(), xid);
}

TEST_F(HelperTest, SaysThatThereIsNoDriverAndEnds) {
  std::vector<DriverEntry> none;
  none.push_back({"nvml", fail(ErrorCode::not_found, "no library")});
  none.push_back({"amdgpu", fail(ErrorCode::not_found, "no device")});
  RunningHelper helper(std::move(none));
  EXPECT_TRUE(helper.next<wire::Trouble>().no_driver);
  EXPECT_EQ(helper.wait(), 0);
}

TEST_F(HelperTest, EndsWithATroubleWhenTheOnlyDriverCannotBeLoaded) {
  std::vector<DriverEntry> broken;
  broken.push_back({"nvml", fail(ErrorCode::unavailable, "version mismatch")});
  RunningHelper helper(std::move(broken));
  const auto trouble = helper.next<wire::Trouble>();
  EXPECT_EQ(trouble.trouble.source, "nvml");
  EXPECT_THAT(trouble.trouble.error.message, HasSubstr("mismatch"));
  EXPECT_FALSE(trouble.no_driver);
  EXPECT_EQ(helper.wait(), 1);
}

TEST_F(HelperTest, EndsWithATroubleWhenTheDriverFailsLater) {
  add("a");
  RunningHelper helper(drivers());
  helper.next<wire::Devices>();
  world_->change([](FakeWorld& world) {
    world.failure = Error{ErrorCode::unavailable, "upgraded", {}};
    world.gpus[0].condition = GpuCondition::unreadable;
  });
  helper.ask(1);
  std::optional<wire::Trouble> trouble;
  while (const auto message = helper.next_message()) {
    if (const auto* found = std::get_if<wire::Trouble>(&*message)) {
      trouble = *found;
    }
  }
  ASSERT_TRUE(trouble.has_value());
  EXPECT_THAT(trouble->trouble.error.message, HasSubstr("upgraded"));
  EXPECT_EQ(helper.wait(), 1);
}

TEST_F(HelperTest, ServesTheDevicesOfOneDriverWhileAnotherCannotBeLoaded) {
  add("a");
  std::vector<DriverEntry> both;
  both.push_back({"nvml", fail(ErrorCode::unavailable, "version mismatch")});
  both.push_back({"amdgpu", std::make_unique<FakeDriver>(world_)});
  RunningHelper helper(std::move(both));
  EXPECT_EQ(helper.next<wire::Trouble>().trouble.source, "nvml");
  EXPECT_THAT(uuids(helper.next<wire::Devices>()), ElementsAre("a"));
  helper.ask(1);
  EXPECT_EQ(helper.next<wire::Answer>().number, 1U);
  EXPECT_EQ(helper.end(), 0);
}

TEST_F(HelperTest, NumbersTheDevicesOfTheSecondDriverAfterTheFirst) {
  add("a");
  add("b");
  world_->change([](FakeWorld& world) { world.gpus[1].identity.index = 3; });
  const auto other = std::make_shared<FakeWorld>();
  other->gpus.push_back({.identity = gpu_named("c", 0)});
  std::vector<DriverEntry> both = drivers();
  both.push_back({"amdgpu", std::make_unique<FakeDriver>(other)});
  RunningHelper helper(std::move(both));
  const auto list = helper.next<wire::Devices>();
  EXPECT_THAT(uuids(list), ElementsAre("a", "b", "c"));
  EXPECT_EQ(list.devices.at(1).index, 3);
  EXPECT_EQ(list.devices.at(2).index, 4);
  helper.end();
  other->change([](FakeWorld& world) { world.over = true; });
}

TEST_F(HelperTest, PassesOnWhatTheDriverHadToLeaveOut) {
  add("a");
  world_->change([](FakeWorld& world) {
    world.complaint = Error{ErrorCode::unavailable, "GPU 1 cannot be reached", {}};
  });
  RunningHelper helper(drivers());
  EXPECT_THAT(helper.next<wire::Trouble>().trouble.error.message, HasSubstr("GPU 1"));
  EXPECT_THAT(uuids(helper.next<wire::Devices>()), ElementsAre("a"));
}

TEST_F(HelperTest, EndsOnAnythingThatIsNoQuestion) {
  for (const std::string& odd :
       {std::string("hello\n"), std::string("{\"devices\":[]}\n"), std::string(100'000, 'x')}) {
    RunningHelper helper(drivers());
    helper.next<wire::Devices>();
    helper.say(odd);
    EXPECT_EQ(helper.wait(), 1);
  }
}

}  // namespace
}  // namespace levee::gpus
