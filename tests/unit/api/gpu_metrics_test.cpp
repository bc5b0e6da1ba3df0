#include <gmock/gmock.h>

#include "api/metrics.hpp"
#include "unit/api/exposition.hpp"
#include "unit/api/gpu_fixture.hpp"

namespace levee::api {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kFirst = R"({gpu="0",uuid="GPU-00000000-aaaa"})";

std::map<std::string, double> samples_of(const View& view) {
  return check(metrics_page(view, Exposition::prometheus, example_now().mono), false);
}

std::string page_of(const View& view) {
  return metrics_page(view, Exposition::prometheus, example_now().mono);
}

/// The example View with `count` processes of 1, 2, 3 … GiB on one GPU, and that many series asked
/// for.
std::shared_ptr<View> view_with_processes(int count, const char* series) {
  GpuReading gpu = example_gpu();
  gpu.processes->clear();
  for (int i = 1; i <= count; ++i) {
    GpuProcess process = example_gpu_process();
    process.pid = 100 + i;
    process.memory = gib(static_cast<std::uint64_t>(i));
    gpu.processes->push_back(process);
  }
  auto view = view_with({gpu});
  config::Inputs inputs;
  inputs.command_line = {{"metrics.processes", series}};
  view->settings =
      std::make_shared<const config::Settings>(config::Settings::load(std::move(inputs)).value());
  return view;
}

TEST(GpuMetrics, AreInBaseUnits) {
  const auto samples = samples_of(*view_with({example_gpu()}));
  const auto value = [&](const std::string& name) { return samples.at(name + kFirst); };
  EXPECT_EQ(value("levee_gpu_up"), 1);
  EXPECT_EQ(value("levee_gpu_sample_age_seconds"), 0.5);
  EXPECT_EQ(value("levee_gpu_memory_total_bytes"), 8192.0 * kMiB);
  EXPECT_EQ(value("levee_gpu_memory_used_bytes"), 3072.0 * kMiB);
  EXPECT_EQ(value("levee_gpu_memory_free_bytes"), 5120.0 * kMiB);
  EXPECT_EQ(value("levee_gpu_memory_available_bytes"), 4608.0 * kMiB);
  EXPECT_EQ(value("levee_gpu_memory_unattributed_bytes"), 1024.0 * kMiB);
  EXPECT_EQ(value("levee_gpu_pressure_ratio"), 0.375);
  EXPECT_EQ(value("levee_gpu_temperature_celsius"), 68);
  EXPECT_DOUBLE_EQ(value("levee_gpu_utilization_ratio"), 0.452);
  EXPECT_EQ(value("levee_gpu_power_watts"), 91.25);
  EXPECT_EQ(value("levee_gpu_fan_ratio"), 0.38);
  EXPECT_EQ(value("levee_gpu_core_clock_hertz"), 1.92e9);
  EXPECT_EQ(value("levee_gpu_ecc_uncorrected_errors_total"), 1);
  EXPECT_EQ(value("levee_gpu_speed_multiplier"), 0.8);
  EXPECT_EQ(value("levee_gpu_processes"), 1);
  EXPECT_EQ(samples.at(R"(levee_user_gpu_memory_bytes{user="alice"})"), 2048.0 * kMiB);
}

TEST(GpuMetrics, OneStateIsOneAndTheOthersZero) {
  const auto samples = samples_of(*view_with({example_gpu()}));
  const auto state = [&](const std::string& name) {
    return samples.at(R"(levee_gpu_state{gpu="0",uuid="GPU-00000000-aaaa",state=")" + name +
                      R"("})");
  };
  EXPECT_EQ(state("normal"), 1);
  for (const char* other : {"optimal", "throttled", "critical", "unavailable"}) {
    EXPECT_EQ(state(other), 0) << other;
  }
}

TEST(GpuMetrics, UnknownHasNoSample) {
  const std::string page = page_of(*view_with({bare_gpu()}));
  check(page, false);
  EXPECT_THAT(page, HasSubstr("levee_gpu_up{"));
  for (const char* name : {"memory_used_bytes", "temperature_celsius", "utilization_ratio",
                           "power_watts", "pressure_ratio", "processes", "last_xid"}) {
    EXPECT_THAT(page, Not(HasSubstr("\nlevee_gpu_" + std::string(name) + "{"))) << name;
  }
}

TEST(GpuMetrics, OldFiguresHaveNoSample) {
  const std::string page = page_of(*view_with({lost(example_gpu())}));
  EXPECT_THAT(page, HasSubstr("levee_gpu_up" + std::string(kFirst) + " 0\n"));
  for (const char* name : {"memory_used_bytes", "memory_available_bytes", "temperature_celsius",
                           "unattributed_bytes", "processes"}) {
    EXPECT_THAT(page, Not(HasSubstr("\nlevee_gpu_" + std::string(name) + "{"))) << name;
  }
  EXPECT_THAT(page, Not(HasSubstr("levee_user_gpu_memory_bytes{")));
}

TEST(GpuMetrics, NamesNeedEscaping) {
  auto who = *example_identity(0);
  who.name = "odd \"name\"\\\nGPU";
  GpuReading gpu = example_gpu();
  gpu.identity = std::make_shared<const GpuIdentity>(std::move(who));
  const std::string page = page_of(*view_with({gpu}));
  check(page, false);
  EXPECT_THAT(page, HasSubstr(R"(name="odd \"name\"\\\nGPU")"));
}

TEST(GpuMetrics, ObeyOpenMetricsToo) {
  auto view = view_with({example_gpu(), example_instance(), bare_gpu(1)});
  view->gpus[0].xids = {GpuXid{"GPU-00000000-aaaa", 79, example_now().wall}};
  const auto samples =
      check(metrics_page(*view, Exposition::openmetrics, example_now().mono), true);
  EXPECT_EQ(samples.at(std::string("levee_gpu_last_xid") + kFirst), 79);
  EXPECT_EQ(samples.at(std::string("levee_gpu_ecc_corrected_errors_total") + kFirst), 3);
}

TEST(GpuMetrics, InstancesDoNotCountTheirProcessesTwice) {
  GpuReading instance = example_instance();
  instance.processes = {example_gpu_process()};
  const auto samples = samples_of(*view_with({example_gpu(), instance}));
  EXPECT_EQ(samples.at(R"(levee_user_gpu_memory_bytes{user="alice"})"), 2048.0 * kMiB);
}

TEST(GpuMetrics, HaveAsManyProcessesAsAskedForTheLargestFirst) {
  EXPECT_THAT(page_of(*view_with_processes(5, "0")),
              Not(HasSubstr("levee_process_gpu_memory_bytes{")));
  const std::string page = page_of(*view_with_processes(5, "2"));
  check(page, false);
  EXPECT_THAT(page, HasSubstr("pid=\"105\""));
  EXPECT_THAT(page, HasSubstr("pid=\"104\""));
  EXPECT_THAT(page, Not(HasSubstr("pid=\"103\"")));
  EXPECT_LT(page.find("pid=\"105\""), page.find("pid=\"104\""));
  EXPECT_THAT(page_of(*view_with_processes(2, "1000")), HasSubstr("pid=\"101\""));
}

}  // namespace
}  // namespace levee::api
