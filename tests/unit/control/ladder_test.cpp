// What is tried against pressure, in which order, how often, and when it ends.
#include "control/ladder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "support/values.hpp"

namespace levee::test {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace): the tests are about nothing else.
using testing::ElementsAre;
using testing::IsEmpty;

Remedy remedy(Rung rung, std::string target, int priority = 0, std::chrono::seconds since = 0s) {
  return {rung, std::move(target), priority, at(since).wall, std::nullopt};
}

/// A device of 100 GiB with a line at 85, and a ladder that is told everything.
struct Device {
  Bytes used = gib(90);
  std::optional<Severity> pressure = Severity::critical;
  std::vector<Remedy> remedies;
  LadderRules rules;
  Ladder ladder;
  std::chrono::milliseconds clock{0};

  LadderMove look() {
    return ladder.look({.pressure = pressure,
                        .used = used,
                        .line = gib(85),
                        .read_at = at(clock).mono,
                        .remedies = remedies},
                       rules, at(clock).mono);
  }
  /// The next second.
  LadderMove tick() {
    clock += 1s;
    return look();
  }
  void answer(StepEnd end = StepEnd::done, std::uint64_t number = 0) {
    const auto& step = ladder.under_way();
    ASSERT_TRUE(step || number != 0);
    ladder.answer(
        {.number = number == 0 ? step->number : number, .end = end, .said = {}, .message = {}},
        at(clock).mono);
  }
  /// Takes whatever is tried next as done, in vain.
  std::string in_vain() {
    const LadderMove move = tick();
    if (!move.begun) {
      return "-";
    }
    answer();
    return std::string(to_string(move.begun->remedy.rung)) + " " + move.begun->remedy.target;
  }
};

TEST(Ladder, DoesNothingWithoutPressure) {
  Device device;
  device.pressure.reset();
  device.remedies = {remedy(Rung::notify, "all"), remedy(Rung::clear_cache, "a")};
  for (int i = 0; i < 100; ++i) {
    const LadderMove move = device.tick();
    EXPECT_FALSE(move.begun || move.ended || move.swept);
    EXPECT_THAT(move.lifted, IsEmpty());
  }
}

TEST(Ladder, ClimbsFromTheLeastDisruptiveByPriorityAndTheNewestFirst) {
  Device device;
  device.pressure = Severity::emergency;
  device.remedies = {remedy(Rung::kill, "stranger"),
                     remedy(Rung::pause, "p"),
                     remedy(Rung::deflate_balloon, "old", 0, 1s),
                     remedy(Rung::deflate_balloon, "new", 0, 9s),
                     remedy(Rung::deflate_balloon, "dear", 5, 99s),
                     remedy(Rung::clear_cache, "a"),
                     remedy(Rung::notify, "all"),
                     remedy(Rung::restart, "worker"),
                     remedy(Rung::reduce_batch, "b"),
                     remedy(Rung::offload, "c"),
                     remedy(Rung::brake, "d")};
  std::vector<std::string> tried;
  for (std::size_t i = 0; i < device.remedies.size(); ++i) {
    tried.push_back(device.in_vain());
  }
  EXPECT_THAT(tried,
              ElementsAre("notify all", "clear_cache a", "deflate_balloon new",
                          "deflate_balloon old", "deflate_balloon dear", "reduce_batch b",
                          "offload c", "pause p", "brake d", "restart worker", "kill stranger"));
  EXPECT_EQ(device.in_vain(), "-");
}

TEST(Ladder, GoesNoFurtherThanThePressureAllows) {
  for (const auto& [pressure, last] :
       std::map<Severity, Rung>{{Severity::warning, Rung::deflate_balloon},
                                {Severity::critical, Rung::pause},
                                {Severity::emergency, Rung::kill}}) {
    Device device;
    device.pressure = pressure;
    for (int rung = 0; rung <= static_cast<int>(Rung::kill); ++rung) {
      device.remedies.push_back(remedy(static_cast<Rung>(rung), "x"));
    }
    std::string tried;
    for (std::string now = device.in_vain(); now != "-"; now = device.in_vain()) {
      tried = now;
    }
    EXPECT_EQ(tried, std::string(to_string(last)) + " x") << to_string(pressure);
  }
}

TEST(Ladder, WaitsForTheAnswerAndThenForAReading) {
  Device device;
  device.remedies = {remedy(Rung::clear_cache, "a"), remedy(Rung::clear_cache, "b")};
  const auto first = device.tick().begun;
  ASSERT_TRUE(first);
  EXPECT_EQ(first->wanted, gib(5));
  EXPECT_EQ(first->before, gib(90));
  EXPECT_FALSE(device.tick().begun) << "one at a time";
  device.answer();
  EXPECT_FALSE(device.look().ended) << "that reading is older than the answer";
  device.used = gib(87);
  const LadderMove move = device.tick();
  ASSERT_TRUE(move.ended);
  EXPECT_EQ(move.ended->freed(), gib(3));
  EXPECT_EQ(move.ended->answer.end, StepEnd::done);
  ASSERT_TRUE(move.begun) << "it lasts";
  EXPECT_EQ(move.begun->remedy.target, "b");
  EXPECT_EQ(move.begun->wanted, gib(2));
}

TEST(Ladder, StopsAsSoonAsThePressureIsGone) {
  Device device;
  device.remedies = {remedy(Rung::clear_cache, "a"), remedy(Rung::reduce_batch, "b")};
  ASSERT_TRUE(device.tick().begun);
  device.answer();
  device.used = gib(80);
  device.pressure.reset();
  const LadderMove move = device.tick();
  EXPECT_EQ(move.ended->freed(), gib(10));
  EXPECT_FALSE(move.begun);
}

TEST(Ladder, PassesOverWhoDoesNotAnswer) {
  Device device;
  device.remedies = {remedy(Rung::clear_cache, "hangs"), remedy(Rung::clear_cache, "helps")};
  const auto hanging = device.tick().begun;
  device.clock += device.rules.deadline;
  const LadderMove move = device.tick();
  ASSERT_TRUE(move.ended);
  EXPECT_EQ(move.ended->answer.end, StepEnd::silent);
  EXPECT_EQ(move.begun->remedy.target, "helps");
  device.answer(StepEnd::done, hanging->number);
  EXPECT_FALSE(device.tick().ended) << "an answer that comes too late is none";
}

TEST(Ladder, TakesTheFirstAnswerOnly) {
  Device device;
  device.remedies = {remedy(Rung::clear_cache, "a")};
  ASSERT_TRUE(device.tick().begun);
  device.answer(StepEnd::refused);
  device.answer(StepEnd::done);
  EXPECT_EQ(device.tick().ended->answer.end, StepEnd::refused);
}

TEST(Ladder, LetsARemedyRestAndLongerEachTimeThatItGaveNothing) {
  Device device;
  device.remedies = {remedy(Rung::clear_cache, "empty")};
  std::vector<int> tried_at;
  for (int second = 0; second < 3'600; ++second) {
    if (device.in_vain() != "-") {
      tried_at.push_back(second);
    }
  }
  ASSERT_GE(tried_at.size(), 4U);
  EXPECT_EQ(tried_at[1] - tried_at[0], 61) << "60 s from its report";
  EXPECT_EQ(tried_at[2] - tried_at[1], 121);
  EXPECT_EQ(tried_at[3] - tried_at[2], 241);
  EXPECT_LE(tried_at.size(), 8U);
}

TEST(Ladder, DoesNotPunishWhoGaveSomething) {
  Device device;
  device.remedies = {remedy(Rung::clear_cache, "a")};
  std::vector<int> tried_at;
  for (int second = 0; second < 400; ++second) {
    device.used = gib(90);
    const LadderMove move = device.tick();
    if (move.begun) {
      tried_at.push_back(second);
      device.answer();
      device.used = gib(88);
      EXPECT_EQ(device.tick().ended->freed(), gib(2));
    }
  }
  ASSERT_GE(tried_at.size(), 6U);
  EXPECT_EQ(tried_at[5] - tried_at[4], tried_at[1] - tried_at[0]);
}

TEST(Ladder, LiftsAPauseWhenItHasBeenCalm) {
  Device device;
  device.remedies = {remedy(Rung::pause, "job")};
  ASSERT_EQ(device.in_vain(), "pause job");
  EXPECT_THAT(device.tick().lifted, IsEmpty());
  EXPECT_THAT(device.ladder.paused(), ElementsAre(device.remedies[0]));
  device.pressure.reset();
  std::chrono::milliseconds calm_at = device.clock + 1s;
  std::vector<Remedy> lifted;
  while (lifted.empty()) {
    lifted = device.tick().lifted;
    ASSERT_LE(device.clock, calm_at + device.rules.calm);
  }
  EXPECT_EQ(device.clock, calm_at + device.rules.calm);
  EXPECT_THAT(lifted, ElementsAre(device.remedies[0]));
  EXPECT_THAT(device.ladder.paused(), IsEmpty());
}

TEST(Ladder, LiftsAPauseThatDoesNotHelpAndPausesNotAgainAtOnce) {
  Device device;
  device.remedies = {remedy(Rung::pause, "job")};
  ASSERT_EQ(device.in_vain(), "pause job");
  int lifted_at = 0;
  for (int second = 1; lifted_at == 0 && second < 1'000; ++second) {
    lifted_at = device.tick().lifted.empty() ? 0 : second;
  }
  EXPECT_EQ(lifted_at, 301);
  for (int second = 0; second < 59; ++second) {
    EXPECT_EQ(device.in_vain(), "-") << second;
  }
}

TEST(Ladder, ACalmThatIsInterruptedBeginsAnew) {
  Device device;
  device.remedies = {remedy(Rung::pause, "job")};
  ASSERT_EQ(device.in_vain(), "pause job");
  for (int round = 0; round < 5; ++round) {
    device.pressure.reset();
    for (int second = 0; second < 29; ++second) {
      EXPECT_THAT(device.tick().lifted, IsEmpty());
    }
    device.pressure = Severity::warning;
    EXPECT_THAT(device.tick().lifted, IsEmpty());
  }
}

TEST(Ladder, ASweepTriesEachOnceWithoutPressure) {
  Device device;
  device.pressure.reset();
  device.remedies = {remedy(Rung::notify, "all"), remedy(Rung::clear_cache, "a"),
                     remedy(Rung::clear_cache, "b"), remedy(Rung::deflate_balloon, "c"),
                     remedy(Rung::reduce_batch, "d")};
  device.ladder.sweep({});
  EXPECT_EQ(device.in_vain(), "clear_cache a");
  EXPECT_EQ(device.in_vain(), "clear_cache b");
  EXPECT_EQ(device.in_vain(), "deflate_balloon c");
  const LadderMove last = device.tick();
  EXPECT_TRUE(last.ended && last.swept && !last.begun);
  EXPECT_FALSE(device.tick().swept) << "told once";
  device.ladder.sweep({Rung::clear_cache, Rung::offload});
  EXPECT_EQ(device.in_vain(), "clear_cache a") << "what rests is asked by hand all the same";
}

TEST(Ladder, ASweepOfNothingIsOverAtOnce) {
  Device device;
  device.ladder.sweep({});
  EXPECT_TRUE(device.tick().swept);
}

TEST(Ladder, WhoIsGoneMeanwhileIsNotTried) {
  Device device;
  device.remedies = {remedy(Rung::clear_cache, "a"), remedy(Rung::clear_cache, "b")};
  EXPECT_EQ(device.in_vain(), "clear_cache a");
  device.remedies.clear();
  EXPECT_EQ(device.in_vain(), "-");
}

// --- any device, any answers

class RandomDevices : public testing::TestWithParam<unsigned> {};

/// Every rule at once, over half a day of a device on which anything happens.
TEST_P(RandomDevices, ActOnlyUnderPressureNeverTwiceWithinARestAndComeToAnEnd) {
  std::mt19937 random(GetParam());
  const auto below = [&](unsigned most) { return static_cast<unsigned>(random() % most); };
  Device device;
  device.rules.longest_rest = 600s;
  std::map<std::pair<Rung, std::string>, std::chrono::milliseconds> ended_at;
  std::set<std::string> paused;
  std::uint64_t last_number = 0;
  int steps = 0;
  for (int second = 0; second < 40'000; ++second) {
    if (below(20) == 0) {
      device.pressure =
          below(4) == 0 ? std::nullopt : std::optional(static_cast<Severity>(below(3)));
    }
    if (below(50) == 0) {
      device.remedies.clear();
      for (unsigned i = below(8); i > 0; --i) {
        device.remedies.push_back(
            remedy(static_cast<Rung>(below(9)), std::string(1, static_cast<char>('a' + below(4))),
                   static_cast<int>(below(3)), std::chrono::seconds(below(9))));
      }
    }
    device.used = gib(80 + below(20));
    const bool was_busy = device.ladder.under_way().has_value();
    const LadderMove move = device.tick();
    if (move.ended) {
      EXPECT_TRUE(was_busy);
      EXPECT_EQ(move.ended->step.number, last_number);
      const Remedy& done = move.ended->step.remedy;
      ended_at[{done.rung, done.target}] = device.clock;
      if (done.rung == Rung::pause && move.ended->answer.end == StepEnd::done) {
        EXPECT_TRUE(paused.insert(done.target).second) << "paused twice";
      }
    }
    for (const Remedy& each : move.lifted) {
      EXPECT_EQ(paused.erase(each.target), 1U);
      ended_at[{each.rung, each.target}] = device.clock;
    }
    if (move.begun) {
      ++steps;
      const LadderStep& step = *move.begun;
      ASSERT_TRUE(device.pressure);
      EXPECT_LE(step.remedy.rung, highest_rung(*device.pressure));
      EXPECT_GE(std::ranges::count(device.remedies, step.remedy), 1);
      EXPECT_GT(step.number, last_number);
      EXPECT_TRUE(!was_busy || move.ended) << "one at a time";
      last_number = step.number;
      const auto before = ended_at.find({step.remedy.rung, step.remedy.target});
      EXPECT_TRUE(before == ended_at.end() || device.clock - before->second >= 60s);
      EXPECT_FALSE(step.remedy.rung == Rung::pause && paused.contains(step.remedy.target));
    }
    if (device.ladder.under_way() && below(3) == 0) {
      device.answer(static_cast<StepEnd>(below(3)));
    }
  }
  EXPECT_GT(steps, 100);
  // It ends: without pressure nothing is left under way, and nothing stays paused.
  device.pressure.reset();
  for (int second = 0; second < 60; ++second) {
    static_cast<void>(device.tick());
  }
  EXPECT_FALSE(device.ladder.under_way());
  EXPECT_THAT(device.ladder.paused(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDevices, testing::Range(0U, 40U));

}  // namespace
}  // namespace levee::test
