// The whole way: simulated driver, real helper process, GpuSource.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpus/gpu_source.hpp"
#include "support/patience.hpp"
#include "support/simulated_machine.hpp"
#include "support/values.hpp"

namespace levee::gpus {
namespace {

using namespace levee::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using std::chrono::steady_clock;

class WholeWay {
 public:
  explicit WholeWay(std::string_view scenario) : machine(scenario) {}

  /// One tick with enough time for every device.
  GpuScan scan() {
    const MonoTime now = steady_clock::now();
    source.begin(now);
    return keep(source.finish_all(now, now + kPatience));
  }

  /// One tick of the daemon: waits 200 ms at most, and for none that did not answer before.
  GpuScan tick() {
    const MonoTime now = steady_clock::now();
    source.begin(now);
    return keep(source.finish(now, now + 200ms));
  }

  /// Ticks until `holds(scan)`.
  template <class Condition>
  [[nodiscard]] bool comes_true(Condition holds) {
    return eventually([&] { return holds(tick()); }, 3 * kPatience);
  }

  /// Until error reports arrive: a driver tells nobody of what was before the watch began.
  void hear_of_errors() {
    ASSERT_TRUE(comes_true([this](const GpuScan&) {
      machine.fault("gpu 0 xid 31");
      return !xids.empty();
    }));
  }

  SimulatedMachine machine;
  std::vector<GpuXid> xids;

 private:
  GpuScan keep(GpuScan scan) {
    xids.insert(xids.end(), scan.xids.begin(), scan.xids.end());
    return scan;
  }

  ScopedEnvironment environment_{machine.environment()};

 public:
  GpuSource source{GpuSource::Options{.helper = {LEVEE_GPU_HELPER},
                                      .hung_after = 1'000ms,
                                      .first_back_off = 50ms,
                                      .longest_back_off = 200ms}};
};

std::vector<GpuCondition> conditions(const GpuScan& scan) {
  std::vector<GpuCondition> all;
  for (const GpuReading& gpu : scan.gpus) {
    all.push_back(gpu.condition);
  }
  return all;
}

std::optional<double> temperature(const GpuScan& scan, std::size_t row) {
  return row < scan.gpus.size() ? scan.gpus[row].temperature_celsius : std::nullopt;
}

TEST(WholeWay, ReadsTheMachine) {
  WholeWay way("gpu 0 mem=80GiB reserved=600MiB\ngpu 1\n");
  way.machine.set("gpu 0 foreign pid=4242 mem=8GiB temp 66");
  const GpuScan scan = way.scan();
  ASSERT_THAT(scan.gpus, SizeIs(2));
  EXPECT_EQ(scan.gpus.at(0).temperature_celsius, 66);
  EXPECT_EQ(scan.gpus.at(0).memory->used, gib(8));
  EXPECT_EQ(scan.gpus.at(0).processes->at(0).pid, 4242);
  EXPECT_THAT(scan.troubles, IsEmpty());
}

TEST(WholeWay, ReadsOneDeviceWhileAnotherHangs) {
  WholeWay way("gpu 0 temp=50\ngpu 1 temp=50\n");
  way.scan();
  way.machine.fault("gpu 0 hang nvmlDeviceGetMemoryInfo_v2");
  way.machine.set("gpu 1 temp 51");
  EXPECT_TRUE(way.comes_true([](const GpuScan& s) { return temperature(s, 1) == 51; }));
  way.tick();
  const auto before = steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    way.machine.set("gpu 1 temp " + std::to_string(60 + i));
    const GpuScan scan = way.tick();
    EXPECT_EQ(scan.gpus.at(1).temperature_celsius, 60 + i);  // This tick's, not the one before.
    EXPECT_EQ(scan.gpus.at(0).temperature_celsius, 50);
    EXPECT_LT(scan.gpus.at(0).read_at, scan.gpus.at(1).read_at);
  }
  EXPECT_LT(steady_clock::now() - before, 1900ms);  // Nobody waited 200 ms for the hung one.
  way.machine.fault("gpu 0 clear");
  way.machine.set("gpu 0 temp 77");
  EXPECT_TRUE(way.comes_true([](const GpuScan& s) { return temperature(s, 0) == 77; }));
}

TEST(WholeWay, ReplacesTheHelperWhenEveryDeviceHangs) {
  WholeWay way("gpu 0 temp=50\n");
  way.scan();
  way.machine.fault("gpu 0 hang nvmlDeviceGetMemoryInfo_v2");
  EXPECT_TRUE(way.comes_true([](const GpuScan& s) { return !s.troubles.empty(); }));
  EXPECT_EQ(way.tick().gpus.at(0).temperature_celsius, 50);
  way.machine.fault("gpu 0 clear");
  EXPECT_TRUE(way.comes_true([](const GpuScan& s) { return s.troubles.empty(); }));
}

TEST(WholeWay, KeepsTheRowOfALostDevice) {
  WholeWay way("gpu 0 temp=50\ngpu 1 temp=51\n");
  way.scan();
  way.hear_of_errors();
  way.machine.fault("gpu 0 xid 79 lost");
  EXPECT_TRUE(way.comes_true([](const GpuScan& s) {
    return conditions(s) == std::vector{GpuCondition::lost, GpuCondition::ok};
  }));
  const GpuScan scan = way.tick();
  EXPECT_EQ(scan.gpus.at(0).temperature_celsius, 50);
  EXPECT_EQ(scan.gpus.at(1).identity->index, 1);
  EXPECT_TRUE(way.comes_true([&](const GpuScan&) { return way.xids.back().code == 79U; }));
  EXPECT_EQ(way.xids.back().uuid, scan.gpus.at(0).identity->uuid);
}

TEST(WholeWay, KeepsEveryIndexThroughUnplugAndReplug) {
  WholeWay way("gpu 0 uuid=GPU-a\ngpu 1 uuid=GPU-b\n");
  way.scan();
  way.machine.fault("gpu 0 unplug");
  EXPECT_TRUE(way.comes_true([](const GpuScan& s) {
    return conditions(s) == std::vector{GpuCondition::lost, GpuCondition::ok};
  }));
  GpuScan scan = way.tick();
  EXPECT_EQ(scan.gpus.at(0).identity->uuid, "GPU-a");
  EXPECT_EQ(scan.gpus.at(1).identity->index, 1);  // NVML calls it 0 now.
  way.machine.fault("gpu 0 replug");
  EXPECT_TRUE(way.comes_true([](const GpuScan& s) {
    return conditions(s) == std::vector{GpuCondition::ok, GpuCondition::ok};
  }));
  scan = way.tick();
  EXPECT_EQ(scan.gpus.at(0).identity->uuid, "GPU-a");
  EXPECT_EQ(scan.gpus.at(0).identity->index, 0);
}

TEST(WholeWay, LoadsTheDriverAnewAfterAnUpgrade) {
  WholeWay way("gpu 0 temp=50\n");
  way.scan();
  way.machine.fault("driver init 18");
  way.machine.fault("driver return 18 from nvmlDeviceGetCount_v2");
  way.machine.fault("driver return 18 from nvmlDeviceGetMemoryInfo_v2");
  way.machine.fault("driver return 18 from nvmlDeviceGetMemoryInfo");
  const auto trouble_of_nvml = [](const GpuScan& s) {
    return s.troubles.size() == 1 && s.troubles[0].source == "nvml" &&
           s.troubles[0].error.message.contains("nvmlInit_v2");
  };
  EXPECT_TRUE(way.comes_true(trouble_of_nvml));
  EXPECT_EQ(way.tick().gpus.at(0).temperature_celsius, 50);
  way.machine.fault("driver clear");
  way.machine.set("gpu 0 temp 60");
  EXPECT_TRUE(way.comes_true(
      [](const GpuScan& s) { return s.troubles.empty() && temperature(s, 0) == 60; }));
}

TEST(WholeWay, ReportsADriverThatIsNotLoaded) {
  WholeWay way("gpu 0\n");
  way.machine.fault("driver init 9");
  const GpuScan scan = way.scan();
  EXPECT_THAT(scan.gpus, IsEmpty());
  ASSERT_THAT(scan.troubles, SizeIs(1));
  EXPECT_EQ(scan.troubles.at(0).source, "nvml");
  EXPECT_THAT(scan.troubles.at(0).error.hint, HasSubstr("modprobe"));
}

TEST(WholeWay, WaitsForADriverThatLoadsSlowly) {
  WholeWay way("gpu 0\n");
  way.machine.fault("driver slow nvmlInit_v2 1500ms");
  EXPECT_THAT(way.scan().gpus, SizeIs(1));  // Slower than a device may be.
}

TEST(WholeWay, ShowsADeviceThatHangsFromTheStart) {
  WholeWay way("gpu 0 uuid=GPU-hung\ngpu 1\n");
  way.machine.fault("gpu 0 hang nvmlDeviceGetFanSpeed");
  EXPECT_TRUE(way.comes_true([](const GpuScan& s) { return s.gpus.size() == 2; }));
  const GpuScan scan = way.tick();
  EXPECT_EQ(scan.gpus.at(0).identity->uuid, "GPU-hung");
  EXPECT_THAT(conditions(scan), ElementsAre(GpuCondition::unreadable, GpuCondition::ok));
  way.machine.fault("gpu 0 clear");
}

}  // namespace
}  // namespace levee::gpus
