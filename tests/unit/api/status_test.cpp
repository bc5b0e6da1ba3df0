// The large answers: what is documented, in the documented order.
#include <gmock/gmock.h>

#include "api/json.hpp"
#include "unit/api/gpu_fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;

/// A changed copy of the example's snapshot.
template <class Change>
void change_snapshot(View& view, Change change) {
  auto snapshot = std::make_shared<Snapshot>(*view.snapshot);
  change(*snapshot);
  view.snapshot = std::move(snapshot);
}

TEST(StatusJson, HasTheDocumentedFieldsFirst) {
  const Json json = status_json(*example_view());
  const auto keys = keys_of(json);
  EXPECT_THAT(std::vector(keys.begin(), keys.begin() + 5),
              ElementsAre("timestamp", "cpu", "gpu", "gpus", "process"));
  EXPECT_THAT(keys_of(json["cpu"]), ElementsAre("usage_percent", "memory_used_gb",
                                                "memory_available_gb", "memory_percent"));
  EXPECT_THAT(keys_of(json["gpu"]),
              ElementsAre("available", "memory_used_gb", "memory_total_gb", "memory_percent",
                          "utilization", "temperature", "gpu_id"));
  EXPECT_THAT(keys_of(json["process"]), ElementsAre("memory_gb", "gpu_memory_gb"));
}

TEST(StatusJson, ShowsTheDocumentedExample) {
  const Json json = status_json(*example_view());
  EXPECT_EQ(json["timestamp"], "2026-01-31T08:05:08.873Z");  // When the host was read.
  EXPECT_EQ(json["cpu"]["usage_percent"], 45.2);
  EXPECT_EQ(json["cpu"]["memory_used_gb"], 8.4);
  EXPECT_EQ(json["cpu"]["memory_available_gb"], 23.6);
  EXPECT_EQ(json["cpu"]["memory_percent"], 26.2);
  EXPECT_EQ(json["process"]["memory_gb"], 0.016);
}

TEST(StatusJson, SaysThatNoGpuIsWatchedWithoutInventingFigures) {
  const Json json = status_json(*example_view());
  EXPECT_EQ(json["gpu"]["available"], false);
  for (const auto& [key, value] : json["gpu"].items()) {
    EXPECT_TRUE(key == "available" || value.is_null()) << key;
  }
  EXPECT_EQ(json["gpus"], Json::array());
  EXPECT_TRUE(json["process"]["gpu_memory_gb"].is_null());
}

TEST(StatusJson, ShowsTheMostPressedGpuAndAll) {
  GpuReading full = example_gpu(1);
  full.memory->free = mib(100);
  const auto view = view_with({example_gpu(0), full});
  view->pressed_gpu = 1;
  const Json json = status_json(*view);
  EXPECT_EQ(json["gpu"]["gpu_id"], 1);
  EXPECT_EQ(json["gpu"]["memory_percent"], 98.8);
  ASSERT_EQ(json["gpus"].size(), 2U);
  EXPECT_EQ(json["gpus"][0]["memory_used_gb"], 3.0);
  EXPECT_EQ(json["gpus"][0]["memory_used_bytes"], mib(3072).count);
}

TEST(StatusJson, KnowsWhatTheDaemonItselfHoldsOnGpus) {
  auto view = view_with({example_gpu(0), example_gpu(1)});
  EXPECT_EQ(status_json(*view)["process"]["gpu_memory_gb"], 0.0);
  view->daemon.pid = 5204;
  EXPECT_EQ(status_json(*view)["process"]["gpu_memory_gb"], 4.0);
  EXPECT_TRUE(status_json(*view_with({bare_gpu()}))["process"]["gpu_memory_gb"].is_null());
}

TEST(StatusJson, AddsOursBehindTheDocumented) {
  const Json json = status_json(*example_view());
  const auto keys = keys_of(json);
  EXPECT_THAT(std::vector(keys.begin() + 5, keys.end()),
              ElementsAre("host", "state", "speed_multiplier", "is_throttled", "should_throttle",
                          "health", "memory_pressure", "host_forecast", "lines", "alerts",
                          "sample_age_seconds", "daemon", "store", "guard", "troubles"));
  EXPECT_EQ(json["host"]["total_bytes"], gib(32).count);
  EXPECT_EQ(json["host"]["swap_used_bytes"], gib(1).count);
  EXPECT_EQ(json["host"]["pressure"]["some"]["avg10"], 2.5);
  EXPECT_EQ(json["host"]["ceiling"]["headroom_bytes"], gib(23).count);
  EXPECT_EQ(json["host"]["stale"], false);
  EXPECT_EQ(json["state"], "optimal");
  EXPECT_EQ(json["memory_pressure"], false);
  EXPECT_EQ(json["lines"]["emergency_bytes"], gib(2).count);
  EXPECT_EQ(json["sample_age_seconds"], 0.25);
  EXPECT_EQ(json["daemon"]["version"], LEVEE_VERSION);
  EXPECT_EQ(json["daemon"]["tick_ms"], 1.5);
  EXPECT_EQ(json["daemon"]["protection"]["memory_lock"]["in_force"], true);
  EXPECT_EQ(json["daemon"]["sinks"]["webhook"]["dropped"], 2);
  EXPECT_EQ(json["daemon"]["sinks"]["webhook"]["failed"], 1);
  EXPECT_EQ(json["daemon"]["sinks"]["webhook"]["last_error"]["detail"],
            "hooks.example answered with status 503");
  EXPECT_EQ(json["daemon"]["sinks"]["webhook"]["last_error"]["code"], "unavailable");
  EXPECT_EQ(json["daemon"]["sinks"]["log"]["written"], 12);
  EXPECT_TRUE(json["daemon"]["sinks"]["log"]["last_error"].is_null());
  EXPECT_EQ(json["store"]["durable"], true);
  EXPECT_EQ(json["guard"]["interval_ms"], 500.0);
}

TEST(StatusJson, WritesNullForEverythingTheHostDidNotTell) {
  const auto view = example_view();
  change_snapshot(*view, [](Snapshot& snapshot) {
    HostReading bare;
    bare.total = gib(8);
    bare.available = gib(6);
    bare.mem_total = gib(8);
    bare.mem_available = gib(6);
    snapshot.host->value = bare;
  });
  const Json json = status_json(*view);
  EXPECT_TRUE(json["cpu"]["usage_percent"].is_null());
  EXPECT_EQ(json["cpu"]["memory_percent"], 25.0);
  for (const char* key :
       {"cpu_percent", "load1", "cores", "free_bytes", "cached_bytes", "shmem_bytes",
        "swap_total_bytes", "swap_used_bytes", "pressure", "ceiling"}) {
    EXPECT_TRUE(json["host"][key].is_null()) << key;
  }
}

TEST(StatusJson, JudgesNothingWithoutAnyReading) {
  const auto view = example_view();
  change_snapshot(*view, [](Snapshot& snapshot) {
    snapshot.host.reset();
    snapshot.troubles = {{"host", Error{ErrorCode::permission_denied, "no access", "mount /proc"}}};
  });
  view->lines = {};
  view->level = Level::unavailable;
  const Json json = status_json(*view);
  EXPECT_EQ(json["timestamp"], "2026-01-31T08:05:09.123Z");
  for (const auto& [key, value] : json["cpu"].items()) {
    EXPECT_TRUE(value.is_null()) << key;
  }
  for (const char* key : {"host", "lines", "memory_pressure", "sample_age_seconds"}) {
    EXPECT_TRUE(json[key].is_null()) << key;
  }
  EXPECT_EQ(json["state"], "unavailable");
  EXPECT_EQ(json["troubles"][0]["source"], "host");
  EXPECT_EQ(json["troubles"][0]["hint"], "mount /proc");
}

TEST(StatusJson, KeepsAnOldReadingApartFromTheFreshOnes) {
  const auto view = example_view();
  change_snapshot(*view, [](Snapshot& snapshot) {
    snapshot.host->read_at = snapshot.at.mono - std::chrono::seconds{60};
  });
  const Json json = status_json(*view);
  EXPECT_TRUE(json["cpu"]["memory_percent"].is_null());
  EXPECT_EQ(json["host"]["stale"], true);
  EXPECT_EQ(json["host"]["total_bytes"], gib(32).count);
  EXPECT_EQ(json["sample_age_seconds"], 60.0);
  EXPECT_EQ(json["timestamp"], "2026-01-31T08:04:09.123Z");
}

/// Three alerts that count (a warning that lasts, an emergency that just ended, a critical one) and
/// a warning that ended too long ago.
std::shared_ptr<View> view_with_alerts() {
  const Now now = example_now();
  const Alert lasting = example_alert(4, Severity::warning, now);
  const Alert over =
      ended(example_alert(3, Severity::emergency, now), now, std::chrono::minutes{4});
  const Alert critical = example_alert(2, Severity::critical, now);
  const Alert forgotten =
      ended(example_alert(1, Severity::warning, now), now, std::chrono::minutes{6});
  auto view = example_view();
  view->recent =
      std::make_shared<const std::vector<Alert>>(std::vector{lasting, over, critical, forgotten});
  view->active = std::make_shared<const std::vector<Alert>>(std::vector{critical, lasting});
  view->health = Health::critical;
  return view;
}

TEST(ReportJson, HasTheDocumentedShape) {
  const Json json = report_json(*example_view());
  EXPECT_THAT(keys_of(json), ElementsAre("current", "average_5min", "allocated_resources",
                                         "cached_models", "alerts", "health_status"));
  EXPECT_THAT(keys_of(json["average_5min"]), ElementsAre("cpu_percent", "cpu_memory_percent",
                                                         "gpu_memory_percent", "gpu_utilization"));
  EXPECT_EQ(json["current"], status_json(*example_view()));
  EXPECT_EQ(json["average_5min"]["cpu_percent"], 50.0);
  EXPECT_EQ(json["average_5min"]["cpu_memory_percent"], 25.0);
  EXPECT_TRUE(json["average_5min"]["gpu_utilization"].is_null());
  EXPECT_EQ(json["allocated_resources"].dump(), "{}");
  EXPECT_EQ(json["cached_models"].dump(), "{}");
  EXPECT_EQ(json["health_status"], "healthy");
}

TEST(ReportJson, CountsAlertsOfTheLastFiveMinutesBySeverity) {
  const Json alerts = report_json(*view_with_alerts())["alerts"];
  EXPECT_THAT(keys_of(alerts), ElementsAre("total", "critical", "warnings", "emergency", "recent"));
  EXPECT_EQ(alerts["total"], 3);
  EXPECT_EQ(alerts["critical"], 1);
  EXPECT_EQ(alerts["warnings"], 1);
  EXPECT_EQ(alerts["emergency"], 1);
  ASSERT_EQ(alerts["recent"].size(), 3U);
  EXPECT_EQ(alerts["recent"][0]["id"], 4);
}

TEST(ReportJson, ListsAtMostTenAlerts) {
  const auto view = example_view();
  std::vector<Alert> many;
  for (std::uint64_t id = 30; id > 0; --id) {
    many.push_back(example_alert(id, Severity::warning, example_now()));
  }
  view->recent = std::make_shared<const std::vector<Alert>>(many);
  const Json alerts = report_json(*view)["alerts"];
  EXPECT_EQ(alerts["total"], 30);
  EXPECT_EQ(alerts["recent"].size(), 10U);
}

TEST(ReportJson, AveragesOnlyTheLastFiveMinutesAndNothingWhenThereIsNothing) {
  const auto view = example_view();
  auto samples = *example_samples(example_now(), 1);
  samples.insert(samples.begin(), samples.front());
  samples.front().at = later(example_now(), -std::chrono::minutes{6});
  samples.front().cpu_percent = 100;
  view->samples = std::make_shared<const std::vector<history::HostSample>>(samples);
  EXPECT_EQ(report_json(*view)["average_5min"]["cpu_percent"], 50.0);
  view->samples = std::make_shared<const std::vector<history::HostSample>>();
  EXPECT_TRUE(report_json(*view)["average_5min"]["cpu_memory_percent"].is_null());
}

TEST(OverviewJson, KeepsTheKeysOfGpustatAndAddsOurs) {
  const Json json = overview_json(*view_with_alerts());
  const auto keys = keys_of(json);
  EXPECT_THAT(std::vector(keys.begin(), keys.begin() + 4),
              ElementsAre("hostname", "driver_version", "query_time", "gpus"));
  EXPECT_EQ(json["hostname"], "train-1");
  EXPECT_TRUE(json["driver_version"].is_null());
  EXPECT_EQ(json["processes"].size(), 2U);
  EXPECT_EQ(json["processes_seen"], 311);
  EXPECT_EQ(json["alerts"]["active"][0]["severity"], "critical");
  EXPECT_EQ(json["alerts"]["active"][0]["host"], "train-1");
}

}  // namespace
}  // namespace levee::api
