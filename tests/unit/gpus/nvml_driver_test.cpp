// NVIDIA's driver: finding it, the devices that come and go, and its error reports.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <mutex>
#include <thread>

#include "support/patience.hpp"
#include "unit/gpus/nvml_machine.hpp"

namespace levee::gpus {
namespace {

using namespace levee::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kTwo = "gpu 0 mem=80GiB reserved=600MiB\ngpu 1 mem=40GiB\n";

TEST(NvmlDevices, KeepTheirNumbersWhenOneCannotBeReached) {
  Simulated sim("gpu 0\ngpu 1\ngpu 2\n");
  sim.machine.fault("gpu 1 lost lookup");
  EXPECT_THAT(indices(sim.devices()), ElementsAre(0, 2));
  ASSERT_TRUE(sim.driver().complaint().has_value());
  EXPECT_THAT(sim.driver().complaint()->message, HasSubstr("1 of 3"));
  EXPECT_THAT(sim.driver().complaint()->message, HasSubstr("number 1: "));
  sim.machine.fault("gpu 1 recover");
  EXPECT_THAT(indices(sim.devices()), ElementsAre(0, 1, 2));
  EXPECT_EQ(sim.driver().complaint(), std::nullopt);
}

TEST(NvmlDevices, ComeAndGo) {
  Simulated sim("gpu 0 uuid=GPU-a\ngpu 1 uuid=GPU-b\n");
  const auto before = sim.devices();
  sim.machine.fault("gpu 0 unplug");
  const auto without = sim.devices();
  ASSERT_THAT(without, SizeIs(1));
  EXPECT_EQ(without[0]->identity().uuid, "GPU-b");
  EXPECT_EQ(before[0]->read(real_now()).at(0).condition, GpuCondition::lost);
  sim.machine.fault("gpu 0 replug");
  const auto after = sim.devices();
  ASSERT_THAT(after, SizeIs(2));
  EXPECT_EQ(after[0]->identity().uuid, "GPU-a");
  EXPECT_EQ(before[0]->read(real_now()).at(0).condition, GpuCondition::lost);  // An old handle.
  EXPECT_EQ(after[0]->read(real_now()).at(0).condition, GpuCondition::ok);
}

TEST(NvmlDevices, EndTheSessionWhenTheDriverWasReplaced) {
  for (const char* code : {"1", "9", "18", "999"}) {
    for (const char* function : {"nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2"}) {
      Simulated sim(kTwo);
      (void)sim.devices();
      sim.machine.fault(std::string("driver return ") + code + " from " + function);
      const auto devices = sim.driver().devices();
      ASSERT_FALSE(devices.has_value()) << function << " answering " << code;
      EXPECT_EQ(devices.error().code, ErrorCode::unavailable);
      EXPECT_THAT(devices.error().message, HasSubstr(function));
    }
  }
}

TEST(FindNvml, SaysWhyTheDriverCannotBeUsed) {
  const std::vector<std::pair<const char*, const char*>> refusals{
      {"9", "modprobe"}, {"17", "cgroup"}, {"18", "upgraded"}, {"999", "container"}};
  for (const auto& [code, hint] : refusals) {
    Simulated sim(kTwo);
    sim.machine.fault(std::string("driver init ") + code);
    const auto found = sim.find();
    ASSERT_FALSE(found.has_value()) << code;
    EXPECT_EQ(found.error().code, ErrorCode::unavailable) << code;
    EXPECT_THAT(found.error().message, HasSubstr("nvmlInit_v2: ")) << code;
    EXPECT_THAT(found.error().hint, HasSubstr(hint)) << code;
    sim.machine.fault("driver init 0");
    EXPECT_TRUE(sim.find().has_value()) << code;
  }
}

TEST(FindNvml, IsNotFoundWhereThereIsNoLibrary) {
  const auto found = find_nvml({"libno-such-library.so.1", "/no/such/folder/libx.so"});
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::not_found);
}

TEST(FindNvml, RefusesFilesThatAreNoDriver) {
  const TempDir dir;
  dir.write("text.so", "this is no library\n");
  const auto text = find_nvml({(dir.path() / "text.so").string()});
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, ErrorCode::unavailable);
  const auto other = find_nvml({"libdl.so.2"});
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code, ErrorCode::unavailable);
  EXPECT_THAT(other.error().message, HasSubstr("lacks"));
}

/// watch() on a thread of its own.
class Watching {
 public:
  explicit Watching(Driver& driver)
      : thread_([this, &driver](const std::stop_token& stop) {
          driver.watch(
              [this](const GpuXid& xid) {
                const std::scoped_lock lock(mutex_);
                xids_.push_back(xid);
              },
              stop);
        }) {}

  [[nodiscard]] std::vector<GpuXid> heard() {
    const std::scoped_lock lock(mutex_);
    return xids_;
  }
  [[nodiscard]] bool hears(std::string_view uuid, std::uint64_t code) {
    return std::ranges::any_of(
        heard(), [&](const GpuXid& xid) { return xid.uuid == uuid && xid.code == code; });
  }

 private:
  std::mutex mutex_;
  std::vector<GpuXid> xids_;
  std::jthread thread_;
};

TEST(NvmlWatch, TellsErrorReportsOfEveryDevice) {
  Simulated sim("gpu 0 uuid=GPU-a\ngpu 1 uuid=GPU-b\n");
  Watching watching(sim.driver());
  (void)sim.devices();
  // A report that comes before the devices are watched is not told.
  EXPECT_TRUE(eventually([&] {
    sim.machine.fault("gpu 0 xid 79");
    return watching.hears("GPU-a", 79);
  }));
  sim.machine.fault("gpu 1 xid 48");
  EXPECT_TRUE(eventually([&] { return watching.hears("GPU-b", 48); }));
  EXPECT_FALSE(watching.hears("GPU-a", 48));
}

TEST(NvmlWatch, GoesOnAfterADeviceWasLostAndWithOneThatCameBack) {
  Simulated sim("gpu 0 uuid=GPU-a\ngpu 1 uuid=GPU-b\n");
  Watching watching(sim.driver());
  (void)sim.devices();
  sim.machine.fault("gpu 0 unplug");
  (void)sim.devices();
  EXPECT_TRUE(eventually([&] {
    sim.machine.fault("gpu 1 xid 48");
    return watching.hears("GPU-b", 48);
  }));
  sim.machine.fault("gpu 0 replug");
  (void)sim.devices();
  EXPECT_TRUE(eventually([&] {
    sim.machine.fault("gpu 0 xid 31");
    return watching.hears("GPU-a", 31);
  }));
}

TEST(NvmlWatch, EndsWhenAsked) {
  Simulated sim(kTwo);
  const auto before = std::chrono::steady_clock::now();
  {
    const Watching watching(sim.driver());
    (void)sim.devices();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, 8s);
}

}  // namespace
}  // namespace levee::gpus
