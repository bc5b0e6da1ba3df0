#include "api/metrics.hpp"

#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "unit/api/exposition.hpp"
#include "unit/api/fixture.hpp"

namespace levee::api {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A View in which every metric has a value, and one sink a name that needs escaping.
std::shared_ptr<View> full_view() {
  auto view = example_view();
  const Alert alert = example_alert(1, Severity::warning, example_now());
  view->active = std::make_shared<const std::vector<Alert>>(std::vector{alert});
  view->alert_counts = std::make_shared<const AlertCounts>(
      AlertCounts{{{AlertType::cpu_memory, Severity::warning}, 3}});
  view->daemon.sinks.push_back(
      SinkView{.name = "odd \"name\"\\\n", .dropped = 5, .last_error = {}});
  view->daemon.store.dropped_events = 4;
  return view;
}

/// A View before anything could be read.
std::shared_ptr<View> empty_view() {
  auto view = example_view();
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->at = example_now();
  view->snapshot = std::move(snapshot);
  view->level = Level::unavailable;
  view->lines = {};
  view->guard = {};
  view->daemon.self.rss = {};
  view->daemon.store.enabled = false;
  view->daemon.sinks.clear();
  return view;
}

std::string text_page(const View& view) {
  return metrics_page(view, Exposition::prometheus, example_now().mono);
}

std::string openmetrics_page(const View& view) {
  return metrics_page(view, Exposition::openmetrics, example_now().mono);
}

TEST(MetricsPage, ObeysTheRulesOfBothFormats) {
  for (const auto& view : {full_view(), example_view(), empty_view()}) {
    const auto text = check(text_page(*view), false);
    const auto openmetrics = check(openmetrics_page(*view), true);
    EXPECT_EQ(text, openmetrics);
  }
}

/// Runs the real linter; its verdict and all it says.
std::pair<int, std::string> promtool(const std::string& page) {
  const auto file = std::filesystem::temp_directory_path() /
                    ("levee_metrics_" + std::to_string(getpid()) + ".txt");
  std::ofstream(file) << page;
  const std::string command = "promtool check metrics 2>&1 < " + file.string();
  std::string said;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) {
    said.append(buffer, count);
  }
  const int status = pclose(pipe);
  std::filesystem::remove(file);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, said};
}

TEST(MetricsPage, GivesPromtoolNothingToComplainAbout) {
  if (std::system("promtool --version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "promtool (package prometheus) is not installed";
  }
  for (const auto& view : {full_view(), empty_view()}) {
    const auto [rc, said] = promtool(text_page(*view));
    EXPECT_EQ(rc, 0);
    EXPECT_EQ(said, "");
  }
  EXPECT_NE(promtool("levee_x_total 1\n").first, 0) << "a page without HELP must not pass";
}

TEST(MetricsPage, ShowsTheHostInBaseUnits) {
  const auto samples = check(text_page(*full_view()), false);
  EXPECT_EQ(samples.at("levee_up"), 1);
  EXPECT_EQ(samples.at("levee_host_memory_total_bytes"), static_cast<double>(gib(32).count));
  EXPECT_EQ(samples.at("levee_host_memory_available_bytes"), 25'340'313'600.0);
  EXPECT_NEAR(samples.at("levee_host_memory_used_ratio"), 0.2625, 1e-6);
  EXPECT_EQ(samples.at("levee_host_swap_free_bytes"), static_cast<double>(gib(3).count));
  EXPECT_EQ(samples.at("levee_host_cgroup_limit_bytes"), static_cast<double>(gib(32).count));
  EXPECT_EQ(samples.at("levee_host_pressure_some_ratio"), 0.025);
  EXPECT_EQ(samples.at("levee_host_pressure_stalled_seconds_total{kind=\"some\"}"), 1.234567);
  EXPECT_EQ(samples.at("levee_host_state{state=\"optimal\"}"), 1);
  EXPECT_EQ(samples.at("levee_host_state{state=\"critical\"}"), 0);
  EXPECT_EQ(samples.at("levee_health{health=\"healthy\"}"), 1);
  EXPECT_EQ(samples.at("levee_sample_age_seconds"), 0.25);
  EXPECT_EQ(samples.at("levee_processes"), 311);
  EXPECT_EQ(samples.at("levee_daemon_ticks_total"), 3600);
  EXPECT_EQ(samples.at("levee_daemon_tick_duration_seconds"), 0.0015);
  EXPECT_EQ(samples.at("levee_guard_looks_total"), 1234);
  EXPECT_EQ(samples.at("levee_store_durable"), 1);
  EXPECT_EQ(samples.at("levee_sink_written_total{sink=\"webhook\"}"), 7);
  EXPECT_EQ(samples.at("levee_sink_failed_total{sink=\"webhook\"}"), 1);
  EXPECT_EQ(samples.at("levee_sink_failed_total{sink=\"log\"}"), 0);
  EXPECT_EQ(samples.at("levee_sink_dropped_total{sink=\"webhook\"}"), 2);
  EXPECT_EQ(samples.at("levee_store_dropped_points_total"), 0);
  EXPECT_EQ(samples.at("levee_store_dropped_events_total"), 4);
  EXPECT_EQ(samples.at("levee_build_info{version=\"" LEVEE_VERSION "\"}"), 1);
}

TEST(MetricsPage, HasEveryAlertFromTheFirstScrapeOn) {
  const auto samples = check(text_page(*full_view()), false);
  EXPECT_EQ(samples.at("levee_alerts_total{type=\"cpu_memory\",severity=\"warning\"}"), 3);
  EXPECT_EQ(samples.at("levee_alerts_total{type=\"host_available\",severity=\"emergency\"}"), 0);
  EXPECT_EQ(samples.at("levee_alert_active{type=\"cpu_memory\",severity=\"warning\"}"), 1);
  EXPECT_EQ(samples.at("levee_alert_active{type=\"cpu_memory\",severity=\"critical\"}"), 0);
}

TEST(MetricsPage, LeavesOutWhatIsNotKnown) {
  const std::string page = text_page(*empty_view());
  EXPECT_THAT(page, HasSubstr("levee_up 0\n"));
  for (const char* name :
       {"levee_host_memory", "levee_host_swap", "levee_host_cgroup", "levee_host_pressure",
        "levee_host_cpu", "levee_host_brake_line", "levee_sample_age", "levee_processes",
        "levee_guard_interval", "levee_daemon_resident", "levee_store", "NaN", "Inf"}) {
    EXPECT_THAT(page, Not(HasSubstr(name))) << name;
  }
}

TEST(MetricsPage, LeavesOutNumbersThatAreNone) {
  auto view = full_view();
  auto snapshot = std::make_shared<Snapshot>(*view->snapshot);
  snapshot->host->value.cpu_percent = std::nan("");
  view->snapshot = std::move(snapshot);
  EXPECT_THAT(text_page(*view), Not(HasSubstr("levee_host_cpu_used_ratio")));
}

TEST(MetricsPage, AgesWhileNoNewViewComes) {
  const auto view = full_view();
  const auto now = example_now().mono + std::chrono::seconds{2};
  EXPECT_EQ(
      check(metrics_page(*view, Exposition::prometheus, now), false).at("levee_sample_age_seconds"),
      2.25);
}

TEST(MetricsPage, EscapesLabels) {
  EXPECT_THAT(text_page(*full_view()),
              HasSubstr("levee_sink_dropped_total{sink=\"odd \\\"name\\\"\\\\\\n\"} 5\n"));
}

TEST(MetricsPage, WritesWholeNumbersWithoutExponent) {
  EXPECT_THAT(text_page(*full_view()), HasSubstr("\nlevee_host_memory_total_bytes 34359738368\n"));
}

TEST(Negotiate, ChoosesOpenMetricsOnlyWhenItIsPreferred) {
  const std::pair<const char*, Exposition> cases[] = {
      {"", Exposition::prometheus},
      {"*/*", Exposition::prometheus},
      {"text/plain", Exposition::prometheus},
      {"text/html,*/*;q=0.8", Exposition::prometheus},
      {"application/openmetrics-text", Exposition::openmetrics},
      {"application/openmetrics-text; version=1.0.0; charset=utf-8", Exposition::openmetrics},
      {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
       "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
       Exposition::openmetrics},
      {"text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5",
       Exposition::prometheus},
      {"application/openmetrics-text;q=0", Exposition::prometheus},
      {"application/openmetrics-text;q=x", Exposition::prometheus},
      {"application/openmetrics-text;version=0.0.1", Exposition::prometheus},
      {"application/openmetrics-text;version=2.0.0", Exposition::prometheus},
      {"application/openmetrics-textual", Exposition::prometheus},
      {" , ;;; , application/openmetrics-text ;q=1 ", Exposition::openmetrics},
      {";q=,=;,", Exposition::prometheus},
  };
  for (const auto& [accept, expected] : cases) {
    EXPECT_EQ(negotiate(accept), expected) << accept;
  }
}

TEST(MetricsRoute, SendsTheFormatItNegotiated) {
  House house;
  EXPECT_EQ(house.get("/metrics").content_type, "text/plain; version=0.0.4; charset=utf-8");
  Request request = house.request("GET", "/metrics");
  request.accept = "application/openmetrics-text;version=1.0.0";
  const Response response = house.answer(request);
  EXPECT_EQ(response.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_TRUE(response.body->ends_with("# EOF\n"));
}

}  // namespace
}  // namespace levee::api
