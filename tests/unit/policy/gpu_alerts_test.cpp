#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "policy/alerts.hpp"
#include "support/values.hpp"

namespace levee::policy {
namespace {

using test::at;
using test::gpu_with;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using namespace std::chrono_literals;

/// An event in short: "alert gpu_memory warning GPU-0".
std::string brief(const Event& event) {
  return std::string(to_string(event.kind)) + " " + std::string(to_string(event.alert->type)) +
         " " + std::string(to_string(event.alert->severity)) + " " + event.alert->gpu_uuid;
}

class GpuAlerts : public testing::Test {
 protected:
  std::vector<std::string> judge(std::chrono::milliseconds when, std::vector<GpuReading> gpus) {
    Snapshot snapshot = test::snapshot_of(test::host_using(10), at(when));
    snapshot.gpus = std::move(gpus);
    std::vector<GpuJudgement> judged;
    for (GpuReading& gpu : snapshot.gpus) {
      judged.push_back({.levels = gpu_levels(gpu, {}, thresholds_, snapshot.at.mono),
                        .projected_percent = projected_,
                        .is_filling = is_filling_});
    }
    events_ = update_alerts(book_, snapshot, judged, thresholds_, std::nullopt);
    std::vector<std::string> result;
    for (const Event& event : events_) {
      result.push_back(brief(event));
    }
    return result;
  }
  /// One GPU, 30 °C.
  std::vector<std::string> memory(std::chrono::milliseconds when, double percent) {
    return judge(when, {gpu_with(0, 30, percent, at(when).mono)});
  }
  std::vector<std::string> temperature(std::chrono::milliseconds when, double celsius,
                                       std::optional<double> slowdown = {}) {
    GpuReading gpu = gpu_with(0, celsius, 10, at(when).mono);
    gpu.slowdown_celsius = slowdown;
    return judge(when, {gpu});
  }

  Thresholds thresholds_;
  std::optional<double> projected_;
  bool is_filling_ = true;
  AlertBook book_;
  std::vector<Event> events_;
};

TEST_F(GpuAlerts, MemoryFiresStrictlyAboveEachThreshold) {
  EXPECT_THAT(memory(0s, 80.0), IsEmpty());
  EXPECT_THAT(memory(1s, 80.1), ElementsAre("alert gpu_memory warning GPU-0"));
  EXPECT_THAT(memory(2s, 90.1), UnorderedElementsAre("alert gpu_memory critical GPU-0",
                                                     "alert throttle_state warning GPU-0"));
  EXPECT_EQ(events_[0].alert->threshold, 90);
  EXPECT_EQ(events_[0].alert->gpu_id, 0);
  EXPECT_FALSE(events_[0].alert->recommendations.empty());
  EXPECT_THAT(memory(3s, 95.1), UnorderedElementsAre("alert gpu_memory emergency GPU-0",
                                                     "alert throttle_state critical GPU-0"));
  EXPECT_THAT(memory(4s, 50), UnorderedElementsAre("resolved gpu_memory emergency GPU-0",
                                                   "resolved throttle_state critical GPU-0"));
}

TEST_F(GpuAlerts, TemperatureWarnsAt85IsCriticalAt90AndAnEmergencyAtTheSlowdownTemperature) {
  EXPECT_THAT(temperature(0s, 75), ElementsAre("alert throttle_state warning GPU-0"));
  EXPECT_THAT(temperature(1s, 85), IsEmpty());
  EXPECT_THAT(temperature(2s, 85.1), UnorderedElementsAre("alert gpu_temperature warning GPU-0",
                                                          "alert throttle_state critical GPU-0"));
  EXPECT_THAT(temperature(3s, 90.5), ElementsAre("alert gpu_temperature critical GPU-0"));
  EXPECT_THAT(temperature(4s, 91, 91), ElementsAre("alert gpu_temperature emergency GPU-0"));
}

TEST_F(GpuAlerts, EachDeviceHasItsOwnAndTheIndexDoesNotIdentifyIt) {
  EXPECT_THAT(
      judge(0s, {gpu_with(0, 30, 85, at(0s).mono), gpu_with(1, 30, 82, at(0s).mono)}),
      UnorderedElementsAre("alert gpu_memory warning GPU-0", "alert throttle_state warning GPU-0",
                           "alert gpu_memory warning GPU-1"));
  EXPECT_THAT(judge(1s, {gpu_with(0, 30, 85, at(1s).mono), gpu_with(1, 30, 10, at(1s).mono)}),
              ElementsAre("resolved gpu_memory warning GPU-1"));
  EXPECT_EQ(active_alerts(book_).size(), 2U);
}

TEST_F(GpuAlerts, ALostDeviceNeitherFiresNorResolves) {
  EXPECT_THAT(memory(0s, 92).size(), 2U);
  GpuReading lost = gpu_with(0, 30, 10, at(1s).mono);
  lost.condition = GpuCondition::lost;
  EXPECT_THAT(judge(1s, {lost}), IsEmpty());
  EXPECT_EQ(active_alerts(book_).size(), 2U);
}

TEST_F(GpuAlerts, OnUnifiedMemoryTheHostSpeaksForThePool) {
  GpuReading gpu = gpu_with(0, 30, 82, at(0s).mono);
  GpuIdentity who = *gpu.identity;
  who.unified_memory = true;
  gpu.identity = std::make_shared<const GpuIdentity>(who);
  EXPECT_THAT(judge(0s, {gpu}), IsEmpty());
}

TEST_F(GpuAlerts, NameTheProcessThatGrowsOnThatDevice) {
  GpuReading gpu = gpu_with(0, 30, 82, at(0s).mono);
  GpuProcess process;
  process.pid = 4242;
  process.memory = gib(60);
  process.growth_per_second = 5e6;
  gpu.processes = {process};
  judge(0s, {gpu});
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].alert->culprit->id.pid, 4242);
  EXPECT_EQ(events_[0].alert->culprit->gpu_memory, gib(60));
}

TEST_F(GpuAlerts, AProjectionWarnsAbove90AndIsCriticalAbove95) {
  projected_ = 90;
  EXPECT_THAT(memory(0s, 50), IsEmpty());
  projected_ = 90.1;
  EXPECT_THAT(memory(1s, 50), ElementsAre("alert gpu_projection warning GPU-0"));
  EXPECT_EQ(events_.front().message, "Projected to reach 90.1% memory usage in 60 seconds");
  projected_ = 95.1;
  EXPECT_THAT(memory(2s, 50), ElementsAre("alert gpu_projection critical GPU-0"));
  projected_ = 60;
  EXPECT_THAT(memory(3s, 50), ElementsAre("resolved gpu_projection critical GPU-0"));
}

TEST_F(GpuAlerts, AMemoryThatIsFullAndStaysSoIsNotProjected) {
  projected_ = 94;
  is_filling_ = false;
  EXPECT_THAT(memory(0s, 70), IsEmpty());
}

TEST_F(GpuAlerts, WithoutAProjectionNothingFiresAndNothingResolves) {
  projected_ = 99;
  EXPECT_THAT(memory(0s, 50), ElementsAre("alert gpu_projection critical GPU-0"));
  projected_.reset();
  EXPECT_THAT(memory(10s, 50), IsEmpty());
  projected_ = 50;
  EXPECT_THAT(memory(11s, 50), ElementsAre("resolved gpu_projection critical GPU-0"));
}

}  // namespace
}  // namespace levee::policy
