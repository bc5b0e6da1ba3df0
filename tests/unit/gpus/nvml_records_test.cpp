#include "gpus/nvml_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "gpus/nvml_device.hpp"
#include "gpus/nvml_figures.hpp"
#include "unit/gpus/gpu_values.hpp"

namespace levee::gpus {
namespace {

using namespace levee::test;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

/// Room for `room` records of the widest kind, untouched but for `records`.
template <class Record>
std::vector<std::byte> written(const std::vector<Record>& records, std::size_t room = 8) {
  std::vector<std::byte> buffer(room * nvml::kWideProcessRecord, kUntouched);
  std::memcpy(buffer.data(), records.data(), records.size() * sizeof(Record));
  return buffer;
}

nvml::ProcessV2 narrow(std::uint32_t pid, std::uint64_t used = 1 << 30,
                       std::uint32_t instance = nvml::kNoInstance) {
  return {.pid = pid, .used = used, .gpu_instance = instance, .compute_instance = instance};
}

nvml::ProcessDetail wide(std::uint32_t pid, std::uint64_t used_protected = 0) {
  return {.pid = pid,
          .used = 1 << 30,
          .gpu_instance = nvml::kNoInstance,
          .compute_instance = nvml::kNoInstance,
          .used_protected = used_protected};
}

std::vector<pid_t> pids(const std::vector<GpuProcess>& processes) {
  std::vector<pid_t> all;
  for (const GpuProcess& process : processes) {
    all.push_back(process.pid);
  }
  return all;
}

TEST(ProcessStride, IsAsTheHeaderSaysWhereNoMoreWasWritten) {
  const auto buffer = written(std::vector{narrow(100), narrow(200), narrow(300)});
  EXPECT_EQ(process_stride(buffer, 3, false), 24U);
  EXPECT_EQ(process_stride(buffer, 3, true), 24U);  // Later 535 drivers look alike.
  EXPECT_EQ(process_stride(buffer, 0, true), 24U);
}

TEST(ProcessStride, IsWideWhereTheDriverWroteWideRecords) {
  const auto buffer = written(std::vector{wide(100), wide(200), wide(300)});
  EXPECT_EQ(process_stride(buffer, 3, true), 32U);
  EXPECT_EQ(process_stride(buffer, 3, false), 32U);  // Although nothing announced it.
  EXPECT_THAT(pids(parse_processes(buffer, 3, 32, ProcessKind::compute)),
              ElementsAre(100, 200, 300));
}

TEST(ProcessStride, IsWideOnAConfidentialMachineOfThatDriver) {
  const auto buffer = written(std::vector{wide(100, 4096), wide(200, 8192)});
  EXPECT_EQ(process_stride(buffer, 2, true), 32U);
}

TEST(ProcessStride, IsNarrowWhereTheDriverOnlyClearedItsRoom) {
  auto buffer = written(std::vector{narrow(100), narrow(200)});
  std::fill(buffer.begin() + 2 * 24, buffer.end(), std::byte{0});
  EXPECT_EQ(process_stride(buffer, 2, false), 24U);
}

TEST(ParseProcesses, ReadsEveryWidth) {
  const std::vector<nvml::ProcessV1> old{{.pid = 7, .used = 4096}, {.pid = 8, .used = 8192}};
  const auto v1 = parse_processes(written(old), 2, sizeof(nvml::ProcessV1), ProcessKind::graphics);
  ASSERT_THAT(pids(v1), ElementsAre(7, 8));
  EXPECT_EQ(v1[1].memory, Bytes{8192});
  EXPECT_TRUE(v1[1].graphics);
  EXPECT_FALSE(v1[1].compute);
  EXPECT_EQ(v1[1].gpu_instance, std::nullopt);
  const auto v2 =
      parse_processes(written(std::vector{narrow(9, 1, 3)}), 1, 24, ProcessKind::compute);
  ASSERT_THAT(pids(v2), ElementsAre(9));
  EXPECT_EQ(v2[0].gpu_instance, 3U);
  EXPECT_TRUE(v2[0].compute);
}

TEST(ParseProcesses, TakesAllOnesForUnknownAndNotForZero) {
  const auto processes =
      parse_processes(written(std::vector{narrow(7, nvml::kMemoryUnknown), narrow(8, 0)}), 2, 24,
                      ProcessKind::compute);
  ASSERT_THAT(processes, SizeIs(2));
  EXPECT_EQ(processes[0].memory, std::nullopt);
  EXPECT_EQ(processes[1].memory, Bytes{0});
}

TEST(ParseProcesses, SkipsWhatIsNoPid) {
  const auto buffer =
      written(std::vector{narrow(0), narrow(0xFFFF'FFFF), narrow(4'194'305), narrow(4'194'304)});
  EXPECT_THAT(pids(parse_processes(buffer, 4, 24, ProcessKind::compute)), ElementsAre(4'194'304));
}

TEST(MergeProcesses, MakesOneEntryOfAProcessOnSeveralLists) {
  auto all = parse_processes(written(std::vector{narrow(7, 100), narrow(8, nvml::kMemoryUnknown)}),
                             2, 24, ProcessKind::compute);
  merge_processes(all, parse_processes(written(std::vector{narrow(8, 50), narrow(7, 100),
                                                           narrow(9, nvml::kMemoryUnknown)}),
                                       3, 24, ProcessKind::graphics));
  ASSERT_THAT(pids(all), ElementsAre(7, 8, 9));
  EXPECT_EQ(all[0].memory, Bytes{100});  // Both lists tell of all of it.
  EXPECT_TRUE(all[0].compute && all[0].graphics);
  EXPECT_EQ(all[1].memory, Bytes{50});
  EXPECT_EQ(all[2].memory, std::nullopt);
  EXPECT_FALSE(all[2].compute);
}

class SamplesTest : public testing::Test {
 protected:
  static constexpr std::chrono::microseconds kNow{1'000'000'000};

  static nvml::ProcessUtilization sample(std::uint32_t pid, std::chrono::microseconds age,
                                         std::uint32_t sm, std::uint32_t memory = 10) {
    return {.pid = pid,
            .timestamp_us = static_cast<std::uint64_t>((kNow - age).count()),
            .sm = sm,
            .memory = memory,
            .encoder = 0,
            .decoder = 0};
  }
  void add(const std::vector<nvml::ProcessUtilization>& samples) { samples_.add(samples, kNow); }

  /// The share of process 7, `later` than now.
  std::optional<double> share(std::chrono::microseconds later = {}) {
    std::vector<GpuProcess> processes(1);
    processes[0].pid = 7;
    samples_.attach_to(processes, kNow + later);
    return processes[0].sm_percent;
  }

  UtilizationSamples samples_;
};

TEST_F(SamplesTest, KeepsTheNewestOfEachProcess) {
  add({sample(7, 2s, 20), sample(7, 1s, 30), sample(7, 3s, 40), sample(8, 0s, 90)});
  EXPECT_EQ(share(), 30);
  EXPECT_EQ(samples_.newest(), static_cast<std::uint64_t>(kNow.count()));
}

TEST_F(SamplesTest, RemembersASampleForAFewSecondsBecauseTheDriverHasNoneEveryTime) {
  add({sample(7, 0s, 20)});
  add({});
  EXPECT_EQ(share(5s), 20);
  EXPECT_EQ(share(5s + 1us), std::nullopt);
}

TEST_F(SamplesTest, DropsGarbage) {
  add({sample(7, 0s, 101), sample(7, 0s, 4'000'000'000), sample(7, 0s, 10, 101), sample(0, 0s, 5),
       sample(0xFFFF'FFFF, 0s, 5)});
  EXPECT_EQ(share(), std::nullopt);
  EXPECT_EQ(samples_.newest(), 0U);
}

TEST_F(SamplesTest, DropsStaleSamplesAndThoseOfTheFuture) {
  add({sample(7, 6s, 20), sample(7, -1h, 30)});
  EXPECT_EQ(share(), std::nullopt);
}

TEST_F(SamplesTest, IsNotLedAstrayByAClockThatRunsAhead) {
  add({sample(7, -2s, 20)});
  EXPECT_EQ(share(), 20);
  EXPECT_EQ(samples_.newest(), static_cast<std::uint64_t>(kNow.count()));
}

TEST(SlowdownWords, NamesEveryBitButIdle) {
  EXPECT_THAT(slowdown_words(0), IsEmpty());
  EXPECT_THAT(slowdown_words(nvml::reason::kIdle), IsEmpty());
  EXPECT_THAT(slowdown_words(0x1 | 0x4 | 0x40), ElementsAre("sw_power_cap", "hw_thermal"));
  EXPECT_THAT(slowdown_words(0x1FE), SizeIs(8));
  EXPECT_THAT(slowdown_words(0x8000'0000'0000'0008ULL), ElementsAre("hw_slowdown", "other"));
}

TEST(ComputeModeWord, IsEmptyForAModeThatIsNotKnown) {
  EXPECT_EQ(compute_mode_word(nvml::ComputeMode::shared), "default");
  EXPECT_EQ(compute_mode_word(nvml::ComputeMode::exclusive_process), "exclusive_process");
  EXPECT_EQ(compute_mode_word(nvml::ComputeMode::prohibited), "prohibited");
  EXPECT_EQ(compute_mode_word(static_cast<nvml::ComputeMode>(9)), "");
}

TEST(MigProfileOf, IsTheEndOfTheName) {
  EXPECT_EQ(mig_profile_of("NVIDIA A100-SXM4-80GB MIG 3g.40gb"), "3g.40gb");
  EXPECT_EQ(mig_profile_of("NVIDIA H100 MIG 1c.2g.20gb"), "1c.2g.20gb");
  EXPECT_EQ(mig_profile_of("NVIDIA H100"), "");
  EXPECT_EQ(mig_profile_of(""), "");
}

}  // namespace
}  // namespace levee::gpus
