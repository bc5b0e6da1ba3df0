// Scenarios: what is accepted, and that every refusal names the line, the text and what to write.
#include "simgpu/scenario/scenario.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "levee/bytes.hpp"

namespace levee::simgpu {
namespace {

using testing::HasSubstr;

Result<Scenario> parse(std::string_view text) {
  return parse_scenario("levee-sim 1\n" + std::string(text));
}

const Step& only_step(const Result<Scenario>& scenario) { return scenario->steps.at(0); }

constexpr std::uint64_t kSecond = 1'000'000'000;

TEST(ParseScenario, ReadsTheExampleOfTheDocument) {
  const auto scenario = parse_scenario(R"(levee-sim 1
clock step            # or: real
gpu 0 name="Sim H200" mem=143771MiB reserved=600MiB ctx=512MiB cc=9.0 profile=r550 power-limit=700W
at 0s        gpu 0 temp 41 util 0 power 78W
ramp 10s 40s gpu 0 temp 41 88
at 20s       gpu 0 foreign pid=4242 mem=8GiB   # holder outside the simulator
at 30s       gpu 0 xid 79 lost
at 0s for 5s gpu 0 slow nvmlDeviceGetMemoryInfo_v2 800ms
)");
  ASSERT_TRUE(scenario) << scenario.error().message;
  EXPECT_EQ(scenario->clock, ClockKind::step);
  EXPECT_EQ(scenario->profile, Profile::r550);
  ASSERT_EQ(scenario->gpus.size(), 1U);
  EXPECT_EQ(scenario->gpus[0].name, "Sim H200");
  EXPECT_EQ(scenario->gpus[0].total_bytes, 143771 * kMiB);
  EXPECT_EQ(scenario->gpus[0].reserved_bytes, 600 * kMiB);
  ASSERT_EQ(scenario->steps.size(), 8U);
  EXPECT_EQ(scenario->steps[3].kind, StepKind::rule);
  EXPECT_EQ(scenario->steps[3].for_ns, 5 * kSecond);
  EXPECT_EQ(scenario->steps[4].duration_ns, 30 * kSecond);
  EXPECT_EQ(scenario->steps[7].key, Key::lost);
}

TEST(ParseScenario, OrdersStepsByTimeAndKeepsTheOrderOfEqualTimes) {
  const auto scenario = parse("gpu 0\nat 2s gpu 0 temp 3\nat 1s gpu 0 temp 1\nat 1s gpu 0 temp 2");
  ASSERT_TRUE(scenario);
  EXPECT_EQ(scenario->steps[0].from, 1);
  EXPECT_EQ(scenario->steps[1].from, 2);
  EXPECT_EQ(scenario->steps[2].from, 3);
}

TEST(ParseScenario, ALineWithoutATimeHappensAtTheBeginning) {
  const auto scenario = parse("gpu 0\ngpu 0 temp 80");
  ASSERT_TRUE(scenario);
  EXPECT_EQ(only_step(scenario).at_ns, 0U);
}

TEST(ParseScenario, AStarMeansEveryGpu) {
  const auto scenario = parse("gpu 0\ngpu 1\nat 1s gpu * temp 80");
  ASSERT_TRUE(scenario);
  ASSERT_EQ(scenario->steps.size(), 2U);
  EXPECT_EQ(scenario->steps[1].gpu, 1);
}

TEST(ParseScenario, AnUnplugThatLastsEndsWithAReplug) {
  const auto scenario = parse("gpu 0\nat 1s for 2s gpu 0 unplug");
  ASSERT_TRUE(scenario);
  ASSERT_EQ(scenario->steps.size(), 2U);
  EXPECT_EQ(scenario->steps[1].kind, StepKind::replug);
  EXPECT_EQ(scenario->steps[1].at_ns, 3 * kSecond);
}

TEST(ParseScenario, ReadsMigInstances) {
  const auto scenario = parse("gpu 0 mem=80GiB mig=3g.40gb,2g.20gb");
  ASSERT_TRUE(scenario);
  const auto& instances = scenario->gpus[0].instances;
  ASSERT_EQ(instances.size(), 2U);
  EXPECT_EQ(instances[1].slices, 2U);
  EXPECT_EQ(instances[1].bytes, 20 * kGiB);
}

struct ValueCase {
  std::string text;
  Key key;
  std::int64_t stored;
};

class ParseValues : public testing::TestWithParam<ValueCase> {};

TEST_P(ParseValues, AreStoredInTheDriversUnit) {
  const auto scenario = parse("gpu 0\ngpu 0 " + GetParam().text);
  ASSERT_TRUE(scenario) << scenario.error().message;
  EXPECT_EQ(only_step(scenario).key, GetParam().key);
  EXPECT_EQ(only_step(scenario).from, GetParam().stored);
}

INSTANTIATE_TEST_SUITE_P(
    Units, ParseValues,
    testing::Values(ValueCase{"temp -5", Key::temp, -5}, ValueCase{"temp 80C", Key::temp, 80},
                    ValueCase{"util 95%", Key::util, 95},
                    ValueCase{"power 78.5W", Key::power, 78500},
                    ValueCase{"power 78", Key::power, 78000},
                    ValueCase{"clock 1980MHz", Key::clock, 1980},
                    ValueCase{"pcie-rx 2GiB/s", Key::pcie_rx, 2 * 1024 * 1024},
                    ValueCase{"max-allocation 1GiB", Key::max_allocation, 1 << 30},
                    ValueCase{"max-allocation 0", Key::max_allocation, 0},
                    ValueCase{"release-delay 800ms", Key::release_delay, 800'000'000},
                    ValueCase{"ecc off", Key::ecc, 0}, ValueCase{"ecc", Key::ecc, 1},
                    ValueCase{"lost", Key::lost, choice::kLostLater},
                    ValueCase{"lost lookup", Key::lost, choice::kLostLookup},
                    ValueCase{"lost no", Key::lost, 0},
                    ValueCase{"memory zero-total", Key::memory, choice::kMemoryZeroTotal},
                    ValueCase{"throttle none", Key::throttle, 0},
                    ValueCase{"throttle hw-thermal,power-cap", Key::throttle, 0x44},
                    ValueCase{"fan not-supported", Key::fan, kNotSupported}));

struct BadCase {
  std::string text;
  std::string line;       ///< Where the complaint must point.
  std::string complaint;  ///< What it must name.
};

class RefuseScenario : public testing::TestWithParam<BadCase> {};

TEST_P(RefuseScenario, NamesTheLineTheTextAndTheAcceptedForm) {
  const auto scenario = parse_scenario(GetParam().text);
  ASSERT_FALSE(scenario);
  EXPECT_EQ(scenario.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(scenario.error().message, HasSubstr(GetParam().line));
  EXPECT_THAT(scenario.error().message, HasSubstr(GetParam().complaint));
  EXPECT_FALSE(scenario.error().hint.empty());
}

std::string after_gpu(std::string_view line) {
  return "levee-sim 1\ngpu 0 mem=80GiB mig=3g.40gb\n" + std::string(line);
}

INSTANTIATE_TEST_SUITE_P(
    Files, RefuseScenario,
    testing::Values(BadCase{"", "", "empty"}, BadCase{"# nothing\n", "", "empty"},
                    BadCase{"levee-sim 2", "line 1", "levee-sim"},
                    BadCase{"gpu 0", "line 1", "gpu"},
                    BadCase{"levee-sim 1\nlevee-sim 1", "line 2", "levee-sim"},
                    BadCase{"levee-sim 1\nclock", "line 2", "a value"},
                    BadCase{"levee-sim 1\nclock fast", "line 2", "fast"},
                    BadCase{"levee-sim 1\nclock step now", "line 2", "now"},
                    BadCase{"levee-sim 1\nseed -1", "line 2", "-1"},
                    BadCase{"levee-sim 1\n\n\nwhen 5s", "line 4", "when"},
                    BadCase{"levee-sim 1\ngpu 0 temp 5", "line 2", "no GPU"},
                    BadCase{"levee-sim 1\nat 1s gpu 0 temp 5", "line 2", "no GPU"}));

INSTANTIATE_TEST_SUITE_P(
    GpuLines, RefuseScenario,
    testing::Values(BadCase{"levee-sim 1\ngpu 1", "line 2", "gpu 1"},
                    BadCase{"levee-sim 1\ngpu x", "line 2", "x"},
                    BadCase{"levee-sim 1\ngpu 16", "line 2", "16"},
                    BadCase{"levee-sim 1\ngpu 0\ngpu 0", "line 3", "gpu 0"},
                    BadCase{"levee-sim 1\ngpu 0 name=H200", "line 2", "name=H200"},
                    BadCase{"levee-sim 1\ngpu 0 name=\"Sim", "line 2", "Sim"},
                    BadCase{"levee-sim 1\ngpu 0 mem=lots", "line 2", "mem=lots"},
                    BadCase{"levee-sim 1\ngpu 0 mem=0", "line 2", "mem=0"},
                    BadCase{"levee-sim 1\ngpu 0 mem=-1GiB", "line 2", "-1GiB"},
                    BadCase{"levee-sim 1\ngpu 0 mem=1GiB reserved=1GiB", "line 2", "reserved"},
                    BadCase{"levee-sim 1\ngpu 0 cc=9", "line 2", "cc=9"},
                    BadCase{"levee-sim 1\ngpu 0 cc=a.b", "line 2", "cc=a.b"},
                    BadCase{"levee-sim 1\ngpu 0 uuid=123", "line 2", "uuid=123"},
                    BadCase{"levee-sim 1\ngpu 0 pci-bus=100", "line 2", "pci-bus=100"},
                    BadCase{"levee-sim 1\ngpu 0 mig=3g", "line 2", "3g"},
                    BadCase{"levee-sim 1\ngpu 0 mig=4g.40gb,4g.40gb", "line 2", "8 of 7"},
                    BadCase{"levee-sim 1\ngpu 0 mem=40GiB mig=7g.80gb", "line 2", "larger"},
                    BadCase{"levee-sim 1\ngpu 0 profile=r999", "line 2", "r999"},
                    BadCase{"levee-sim 1\ngpu 0 profile=r535\ngpu 1 profile=r550", "line 3",
                            "r550"},
                    BadCase{"levee-sim 1\ngpu 0 colour=red", "line 2", "colour"},
                    BadCase{"levee-sim 1\ngpu 0 temp=hot", "line 2", "hot"},
                    BadCase{"levee-sim 1\ngpu 0 mem=1GiB lost", "line 2", "lost"}));

INSTANTIATE_TEST_SUITE_P(
    Times, RefuseScenario,
    testing::Values(BadCase{after_gpu("at"), "line 3", "a time"},
                    BadCase{after_gpu("at 5 gpu 0 temp 1"), "line 3", "\"5\""},
                    BadCase{after_gpu("at -5s gpu 0 temp 1"), "line 3", "-5s"},
                    BadCase{after_gpu("at 5weeks gpu 0 temp 1"), "line 3", "5weeks"},
                    BadCase{after_gpu("at 1e400s gpu 0 temp 1"), "line 3", "1e400s"},
                    BadCase{after_gpu("at 5s for 0s gpu 0 lost"), "line 3", "for 0"},
                    BadCase{after_gpu("at 5s for gpu 0 lost"), "line 3", "gpu"},
                    BadCase{after_gpu("at 5s temp 1"), "line 3", "temp"},
                    BadCase{after_gpu("at 5s gpu 1 temp 1"), "line 3", "\"1\""},
                    BadCase{after_gpu("at 5s gpu 0"), "line 3", "what happens"},
                    BadCase{after_gpu("at 5s for 5s gpu 0 xid 79"), "line 3", "instant"},
                    BadCase{after_gpu("ramp 5s 5s gpu 0 temp 1 2"), "line 3", "before"},
                    BadCase{after_gpu("ramp 1s 5s gpu 0 temp 1"), "line 3", "temp"},
                    BadCase{after_gpu("ramp 1s 5s gpu 0 ecc on off"), "line 3", "ecc"},
                    BadCase{after_gpu("ramp 1s 5s gpu 0 lost no later"), "line 3", "lost"},
                    BadCase{after_gpu("ramp 1s 5s gpu 0 xid 1"), "line 3", "xid"},
                    BadCase{after_gpu("ramp 1s 5s gpu 0 temp not-supported 5"), "line 3", "temp"}));

INSTANTIATE_TEST_SUITE_P(
    Items, RefuseScenario,
    testing::Values(BadCase{after_gpu("gpu 0 tmep 80"), "line 3", "tmep"},
                    BadCase{after_gpu("gpu 0 temp 900"), "line 3", "900"},
                    BadCase{after_gpu("gpu 0 temp 1.5"), "line 3", "1.5"},
                    BadCase{after_gpu("gpu 0 util 101"), "line 3", "101"},
                    BadCase{after_gpu("gpu 0 util -1"), "line 3", "-1"},
                    BadCase{after_gpu("gpu 0 power 5kW"), "line 3", "5kW"},
                    BadCase{after_gpu("gpu 0 pcie-rx 5GiB"), "line 3", "5GiB"},
                    BadCase{after_gpu("gpu 0 throttle hot"), "line 3", "hot"},
                    BadCase{after_gpu("gpu 0 throttle hw-thermal,"), "line 3", "hw-thermal,"},
                    BadCase{after_gpu("gpu 0 compute-mode mine"), "line 3", "mine"},
                    BadCase{after_gpu("gpu 0 vmm not-supported"), "line 3", "not-supported"},
                    BadCase{after_gpu("gpu 0 xid many"), "line 3", "many"},
                    BadCase{after_gpu("gpu 0 init 9"), "line 3", "init"},
                    BadCase{after_gpu("driver temp 9"), "line 3", "temp"},
                    BadCase{after_gpu("driver init"), "line 3", "a return code"},
                    BadCase{after_gpu("driver pid-offset x"), "line 3", "\"x\""},
                    BadCase{after_gpu("gpu 0 nvlink 18 down"), "line 3", "18"},
                    BadCase{after_gpu("gpu 0 nvlink 1 sideways"), "line 3", "sideways"},
                    BadCase{after_gpu("gpu 0 free-jump -"), "line 3", "\"\""},
                    BadCase{after_gpu("gpu 0 foreign mem=1GiB"), "line 3", "pid="},
                    BadCase{after_gpu("gpu 0 foreign pid=5"), "line 3", "mem="},
                    BadCase{after_gpu("gpu 0 foreign pid=0 mem=1GiB"), "line 3", "\"0\""},
                    BadCase{after_gpu("gpu 0 foreign pid=5 mem=1GiB kind=nice"), "line 3", "nice"},
                    BadCase{after_gpu("gpu 0 foreign pid=5 mem=1GiB mig=1"), "line 3", "mig=1"},
                    BadCase{after_gpu("gpu 0 slow printf 5s"), "line 3", "printf"},
                    BadCase{after_gpu("gpu 0 slow nvmlInit_v2"), "line 3", "a duration"},
                    BadCase{after_gpu("gpu 0 return x from nvmlInit"), "line 3", "\"x\""},
                    BadCase{after_gpu("gpu 0 return 5 nvmlInit"), "line 3", "from"},
                    BadCase{after_gpu("gpu 0 hang cuMemCreate after 3"), "line 3", "calls"},
                    BadCase{after_gpu("gpu 0 hang cuMemCreate after no calls"), "line 3", "no"},
                    BadCase{after_gpu("gpu 0 return 5 from nvmlInit for 0 calls"), "line 3",
                            "\"0\""},
                    BadCase{after_gpu("gpu 0 return 5 from nvmlInit for 5s"), "line 3", "5s"},
                    BadCase{after_gpu("gpu 0 return 5 from nvmlInit for 5"), "line 3", "calls"}));

TEST(ParseScenario, RefusesMoreStepsThanFit) {
  std::string text = "gpu 0\n";
  for (std::size_t i = 0; i <= kMaxSteps; ++i) {
    text += "at 1s gpu 0 temp 1\n";
  }
  const auto scenario = parse(text);
  ASSERT_FALSE(scenario);
  EXPECT_THAT(scenario.error().message, HasSubstr(std::to_string(kMaxSteps + 1)));
}

TEST(ParseAction, HappensNowAndMayLast) {
  const auto steps = parse_action("for 5s gpu 0 temp 80 lost", 1, 7 * kSecond);
  ASSERT_TRUE(steps);
  ASSERT_EQ(steps->size(), 2U);
  EXPECT_EQ((*steps)[0].at_ns, 7 * kSecond);
  EXPECT_EQ((*steps)[1].for_ns, 5 * kSecond);
}

TEST(ParseAction, RefusesNothingAndUnknownGpus) {
  EXPECT_FALSE(parse_action("", 1, 0));
  EXPECT_FALSE(parse_action("gpu 1 lost", 1, 0));
  EXPECT_FALSE(parse_action("gpu 0", 1, 0));
  EXPECT_FALSE(parse_action("at 5s gpu 0 lost", 1, 0));
}

}  // namespace
}  // namespace levee::simgpu
