#include "engine/attribution.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace levee::engine {
namespace {

using std::chrono::seconds;

constexpr pid_t kNobody = 0x7FFFFFFF;  // Larger than any pid can be.

GpuReading gpu_with(std::vector<pid_t> pids) {
  GpuReading gpu;
  gpu.processes.emplace();
  for (const pid_t pid : pids) {
    GpuProcess process;
    process.pid = pid;
    process.memory = Bytes{1 << 20};
    gpu.processes->push_back(process);
  }
  return gpu;
}

sources::Identifier identifier() {
  return {sources::Root{}, {}, std::make_shared<sources::UserNames>(sources::Root{})};
}

TEST(Attribution, CompletesAProcessOnEveryGpuThatItUses) {
  auto who = identifier();
  if (!who.trusts_all()) {
    GTEST_SKIP() << "a driver's pids are not this machine's in a container";
  }
  std::vector<GpuReading> gpus{gpu_with({::getpid()}), gpu_with({::getpid()})};
  attribute(gpus, who, MonoTime{} + seconds{1});
  for (const GpuReading& gpu : gpus) {
    const GpuProcess& process = gpu.processes->front();
    ASSERT_TRUE(process.identity);
    EXPECT_EQ(process.identity->id.pid, ::getpid());
    EXPECT_GT(process.rss.value_or(Bytes{}).count, 0U);
    EXPECT_EQ(process.memory, Bytes{1 << 20});
  }
}

TEST(Attribution, LeavesANumberANumberWhereNobodyIs) {
  auto who = identifier();
  std::vector<GpuReading> gpus{gpu_with({kNobody})};
  attribute(gpus, who, MonoTime{} + seconds{1});
  const GpuProcess& process = gpus[0].processes->front();
  EXPECT_EQ(process.pid, kNobody);
  EXPECT_FALSE(process.identity);
  EXPECT_FALSE(process.rss);
  EXPECT_EQ(process.memory, Bytes{1 << 20});
}

TEST(Attribution, LeavesAGpuAloneThatTellsNoProcesses) {
  auto who = identifier();
  std::vector<GpuReading> gpus(1);
  attribute(gpus, who, MonoTime{} + seconds{1});
  EXPECT_FALSE(gpus[0].processes);
}

GpuReading gpu_called(const char* uuid) {
  GpuIdentity identity;
  identity.uuid = uuid;
  GpuReading gpu;
  gpu.identity = std::make_shared<const GpuIdentity>(identity);
  return gpu;
}

TEST(NoteBalloons, AddsUpWhatIsHeldOnEachGpu) {
  std::vector<GpuReading> gpus{gpu_called("GPU-a"), gpu_called("GPU-b"), gpu_called("GPU-c")};
  gpus[0].memory = GpuMemory{gib(80), gib(70), gib(10), {}};
  gpus[1].memory = GpuMemory{gib(80), gib(1), gib(79), {}};
  std::vector<api::Holding> holdings(3);
  holdings[0].uuid = holdings[1].uuid = "GPU-a";
  holdings[0].held = gib(10);
  holdings[1].held = gib(20);
  holdings[2].uuid = "GPU-b";
  holdings[2].held = gib(9);
  note_balloons(gpus, holdings);
  EXPECT_EQ(gpus[0].memory->balloons, gib(30));
  EXPECT_EQ(gpus[0].memory->percent_without_balloons(), 50);
  EXPECT_EQ(gpus[0].memory->percent(), 87.5);
  EXPECT_EQ(gpus[1].memory->balloons, gib(1)) << "what is held is newer than what was read";
  EXPECT_FALSE(gpus[2].memory);
}

TEST(NoteBalloons, BelievesTheDriverWhatAHolderHas) {
  std::vector<GpuReading> gpus{gpu_called("GPU-a")};
  gpus[0].memory = GpuMemory{gib(80), gib(70), gib(10), {}};
  gpus[0].processes = gpu_with({41, 42}).processes;
  gpus[0].processes->at(0).memory = gib(30);
  gpus[0].processes->at(1).memory.reset();
  std::vector<api::Holding> holdings(2);
  holdings[0].uuid = holdings[1].uuid = "GPU-a";
  holdings[0].held = gib(10);  // It grows just now.
  holdings[0].pid = 41;
  holdings[1].held = gib(5);
  holdings[1].pid = 42;
  note_balloons(gpus, holdings);
  EXPECT_EQ(gpus[0].memory->balloons, gib(35));
  EXPECT_TRUE(gpus[0].processes->at(0).is_balloon);
  EXPECT_TRUE(gpus[0].processes->at(1).is_balloon);
}

}  // namespace
}  // namespace levee::engine
