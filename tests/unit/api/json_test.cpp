#include "api/json.hpp"

#include <gmock/gmock.h>

#include <limits>

#include "unit/api/fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;

Alert alert_with_culprit() {
  Alert alert = example_alert(9, Severity::warning, example_now());
  alert.culprit = example_culprit();
  return alert;
}

TEST(AlertJson, HasTheFieldsOfTheUnionInOrder) {
  const Json json = to_json(alert_with_culprit(), "train-1");
  EXPECT_THAT(keys_of(json),
              ElementsAre("id", "timestamp", "level", "severity", "type", "message", "gpu_id",
                          "gpu_uuid", "host", "value", "current_usage", "threshold", "unit",
                          "recommendations", "pid", "culprit", "resolved_at"));
  EXPECT_EQ(json["id"], 9);
  EXPECT_EQ(json["timestamp"], "2026-01-31T08:05:09.123Z");
  EXPECT_EQ(json["level"], "warning");
  EXPECT_EQ(json["severity"], "warning");
  EXPECT_EQ(json["type"], "cpu_memory");
  EXPECT_EQ(json["message"], "High CPU memory usage");
  EXPECT_EQ(json["host"], "train-1");
  EXPECT_EQ(json["value"], 82.1);
  EXPECT_EQ(json["current_usage"], 82.1);
  EXPECT_EQ(json["threshold"], 80.0);
  EXPECT_EQ(json["unit"], "percent");
  EXPECT_EQ(json["recommendations"], Json::array({"Stop what is idle"}));
  EXPECT_EQ(json["pid"], 5204);
  EXPECT_THAT(keys_of(json["culprit"]), ElementsAre("pid", "user", "comm", "command", "rss_bytes",
                                                    "gpu_memory_bytes", "growth_bytes_per_second"));
  EXPECT_EQ(json["culprit"]["growth_bytes_per_second"], 3'670'016.0);
}

TEST(AlertJson, WritesNullForWhatIsNotKnown) {
  const Json json = to_json(example_alert(1, Severity::critical, example_now()));
  for (const char* key : {"gpu_id", "host", "pid", "culprit", "resolved_at"}) {
    EXPECT_TRUE(json[key].is_null()) << key;
  }
  Alert resolved = alert_with_culprit();
  resolved.culprit->growth_per_second.reset();
  resolved.resolved_at = example_now().wall;
  EXPECT_TRUE(to_json(resolved)["culprit"]["growth_bytes_per_second"].is_null());
  EXPECT_EQ(to_json(resolved)["resolved_at"], "2026-01-31T08:05:09.123Z");
}

TEST(AlertJson, ShowsGigabytesWithThreeDecimals) {
  Alert alert = example_alert(1, Severity::emergency, example_now());
  alert.type = AlertType::host_available;
  alert.value = 1.23456;
  alert.threshold = 2;
  EXPECT_EQ(to_json(alert)["value"], 1.235);
  EXPECT_EQ(to_json(alert)["unit"], "GB");
}

TEST(EventJson, CarriesItsAlertAndDetails) {
  Event event;
  event.id = 3;
  event.at = example_now().wall;
  event.kind = EventKind::alert;
  event.severity = Severity::warning;
  event.message = "High CPU memory usage";
  event.alert = alert_with_culprit();
  event.details = {{"from", "normal"}, {"to", "throttled"}};
  const Json json = to_json(event, "train-1");
  EXPECT_THAT(keys_of(json),
              ElementsAre("id", "timestamp", "kind", "severity", "message", "alert", "details"));
  EXPECT_EQ(json["alert"]["id"], 9);
  EXPECT_EQ(json["alert"]["host"], "train-1");
  EXPECT_EQ(json["details"]["to"], "throttled");
}

TEST(EventJson, IsAnObjectWithoutAlertAndDetails) {
  const Json json = to_json(Event{});
  EXPECT_TRUE(json["alert"].is_null());
  EXPECT_TRUE(json["severity"].is_null());
  EXPECT_TRUE(json["details"].is_object());
}

TEST(ProcessJson, TellsTheAgeOfItsFigures) {
  const Now now = example_now();
  ProcessReading process = example_process(5204, gib(5), now.mono - std::chrono::seconds{2});
  process.growth_per_second = 1024.0;
  process.growth_window = Seconds{4};
  const Json json = to_json(process, now.mono);
  EXPECT_EQ(json["pid"], 5204);
  EXPECT_EQ(json["user"], "alice");
  EXPECT_EQ(json["rss_bytes"], gib(5).count);
  EXPECT_EQ(json["age_seconds"], 2.0);
  EXPECT_EQ(json["growth_bytes_per_second"], 1024.0);
  EXPECT_EQ(json["growth_window_seconds"], 4.0);
}

TEST(ProcessJson, WritesNullForWhatWasNotMeasured) {
  const Json json = to_json(example_process(1, kib(4), MonoTime{}), MonoTime{});
  for (const char* key : {"pss_bytes", "growth_bytes_per_second", "growth_window_seconds",
                          "container", "container_pid", "pod", "slurm_job", "oom_score_adj"}) {
    EXPECT_TRUE(json[key].is_null()) << key;
  }
}

TEST(ProcessJson, TellsWhereAProcessBelongs) {
  ProcessReading process = example_process(5204, gib(5), MonoTime{});
  ProcessIdentity who = *process.identity;
  who.pod = "2c48913c-b29f-11e7-9350-020968147796";
  who.slurm_job = 42;
  who.container_pid = 7;
  process.identity = std::make_shared<const ProcessIdentity>(who);
  const Json json = to_json(process, MonoTime{});
  EXPECT_EQ(json["pod"], who.pod);
  EXPECT_EQ(json["slurm_job"], 42);
  EXPECT_EQ(json["container_pid"], 7);
}

TEST(Dump, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(dump(Json{{"comm", "ab\xff\xfe"}}), "{\"comm\":\"ab\xEF\xBF\xBD\xEF\xBF\xBD\"}");
  EXPECT_EQ(dump(Json{{"comm", "cut \xe2\x82"}}), "{\"comm\":\"cut \xEF\xBF\xBD\"}");
}

TEST(Dump, WritesNullForNumbersJsonDoesNotKnow) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(dump(Json::array({kInfinity, -kInfinity, std::nan("")})), "[null,null,null]");
}

TEST(Dump, StaysOnOneLine) { EXPECT_EQ(dump(Json{{"a", "one\ntwo\r"}}), R"({"a":"one\ntwo\r"})"); }

}  // namespace
}  // namespace levee::api
