// GET /api/v1/monitoring/alerts: of this run from memory, of earlier runs from the store.
#include <gmock/gmock.h>

#include "api/json.hpp"
#include "unit/api/fixture.hpp"

namespace levee::api {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kDay = "/api/v1/monitoring/alerts?window_seconds=86400";

/// 150 alerts, every third one critical.
std::shared_ptr<const std::vector<Alert>> many_alerts() {
  auto alerts = std::make_shared<std::vector<Alert>>();
  for (std::uint64_t id = 150; id > 0; --id) {
    alerts->push_back(
        example_alert(id, id % 3 == 0 ? Severity::critical : Severity::warning, example_now()));
  }
  return alerts;
}

TEST(Alerts, AreTheNewestHundredUnlessAskedOtherwise) {
  House house;
  house.view->recent = many_alerts();
  const Json json = house.json("/api/v1/monitoring/alerts");
  EXPECT_THAT(keys_of(json), ElementsAre("alerts", "count", "total"));
  EXPECT_EQ(json["count"], 100);
  EXPECT_EQ(json["total"], 150);
  EXPECT_EQ(json["alerts"][0]["id"], 150);
  EXPECT_EQ(json["alerts"][0]["host"], "train-1");
}

TEST(Alerts, AreFilteredBeforeTheyAreCounted) {
  House house;
  house.view->recent = many_alerts();
  const Json json = house.json("/api/v1/monitoring/alerts?severity=critical&limit=10");
  EXPECT_EQ(json["count"], 10);
  EXPECT_EQ(json["total"], 50);
  for (const Json& alert : json["alerts"]) {
    EXPECT_EQ(alert["severity"], "critical");
  }
  EXPECT_EQ(house.json("/api/v1/monitoring/alerts?severity=emergency")["count"], 0);
  EXPECT_EQ(house.json("/api/v1/monitoring/alerts?severity=warning")["count"], 100);
  EXPECT_EQ(house.json("/api/v1/monitoring/alerts?limit=1000")["count"], 150);
}

TEST(Alerts, RefuseWhatIsNoSeverityAndNoLimit) {
  House house;
  for (const char* query :
       {"severity=", "severity=CRITICAL", "severity=info", "severity=critical,warning",
        "limit=", "limit=0", "limit=-1", "limit=1001", "limit=1.0", "limit=1e2", "limit=+1",
        "limit=%201", "limit=0x10", "limit=ten", "limit=99999999999999999999", "limit=10%20"}) {
    const Response response = house.get(std::string("/api/v1/monitoring/alerts?") + query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_FALSE(json_of(response)["hint"].get<std::string>().empty()) << query;
  }
}

// --- with window_seconds: earlier runs, too

/// The event of `alert` that was told `ago` before now, as the store keeps it.
store::StoredEvent told(const Alert& alert, EventKind kind, std::chrono::milliseconds ago) {
  Event event;
  event.id = 1;
  event.at = example_now().wall - ago;
  event.kind = kind;
  event.severity = alert.severity;
  event.alert = alert;
  return {event.at, std::string(to_string(kind)), std::string(to_string(alert.severity)),
          dump(to_json(event, "train-1"))};
}

/// An alert that fired `ago` before now in an earlier run of the daemon.
Alert earlier_alert(std::uint64_t id, Severity severity, std::chrono::milliseconds ago) {
  return example_alert(id, severity, later(example_now(), -ago));
}

TEST(AlertsOfEarlierRuns, AreShownBehindThoseOfThisOne) {
  House house;
  house.view->recent = std::make_shared<const std::vector<Alert>>(
      std::vector{example_alert(1, Severity::critical, example_now())});
  const Alert old = earlier_alert(1, Severity::warning, hours{3});
  house.stored_events =
      std::vector{told(ended(old, example_now(), minutes{120}), EventKind::resolved, hours{2}),
                  told(old, EventKind::alert, hours{3})};
  const Json json = house.json(kDay);
  EXPECT_THAT(keys_of(json), ElementsAre("alerts", "count", "total", "window_seconds", "note"));
  EXPECT_EQ(json["count"], 2);
  EXPECT_EQ(json["total"], 2);
  EXPECT_EQ(json["window_seconds"], 86400);
  EXPECT_TRUE(json["note"].is_null());
  EXPECT_EQ(json["alerts"][0]["severity"], "critical");
  EXPECT_EQ(json["alerts"][0]["lasts"], true);
  EXPECT_EQ(json["alerts"][1]["severity"], "warning");
  EXPECT_EQ(json["alerts"][1]["lasts"], false);
  EXPECT_EQ(json["alerts"][1]["resolved_at"], "2026-01-31T06:05:09.123Z");
  EXPECT_EQ(json["alerts"][1]["host"], "train-1");
}

TEST(AlertsOfEarlierRuns, AreAskedForByKindAndTime) {
  House house;
  house.stored_events = std::vector<store::StoredEvent>{};
  (void)house.json(kDay);
  ASSERT_EQ(house.event_queries.size(), 1U);
  EXPECT_THAT(house.event_queries[0].kinds, ElementsAre("alert", "resolved"));
  EXPECT_EQ(house.event_queries[0].since, example_now().wall - hours{24});
}

TEST(AlertsOfEarlierRuns, AreNotAskedForWithoutAWindow) {
  House house;
  EXPECT_EQ(house.json("/api/v1/monitoring/alerts")["count"], 0);
  EXPECT_TRUE(house.event_queries.empty());
}

TEST(AlertsOfEarlierRuns, AreOneRowEachInTheirNewestState) {
  House house;
  const Alert alert = earlier_alert(4, Severity::warning, hours{1});
  Alert worse = alert;
  worse.severity = Severity::critical;
  const Alert other_run = earlier_alert(4, Severity::warning, hours{5});
  house.stored_events = std::vector{
      told(worse, EventKind::alert, minutes{58}), told(alert, EventKind::alert, minutes{59}),
      told(alert, EventKind::alert, minutes{60}), told(other_run, EventKind::alert, hours{5})};
  const Json json = house.json(kDay);
  ASSERT_EQ(json["count"], 2) << "an id that two runs used stands for two alerts";
  EXPECT_EQ(json["alerts"][0]["severity"], "critical");
  EXPECT_EQ(house.json(std::string(kDay) + "&severity=critical")["total"], 1);
  EXPECT_EQ(house.json(std::string(kDay) + "&severity=warning")["total"], 1);
  EXPECT_EQ(house.json(std::string(kDay) + "&limit=1")["count"], 1);
  EXPECT_EQ(house.json(std::string(kDay) + "&limit=1")["total"], 2);
}

TEST(AlertsOfEarlierRuns, DoNotLastWhenNobodySawTheirEnd) {
  House house;
  house.stored_events = std::vector{
      told(earlier_alert(1, Severity::warning, hours{2}), EventKind::alert, minutes{90})};
  const Json alert = house.json(kDay)["alerts"][0];
  EXPECT_TRUE(alert["resolved_at"].is_null());
  EXPECT_TRUE(alert["lasts"].is_null());
  EXPECT_EQ(alert["last_seen"], "2026-01-31T06:35:09.123Z");
}

TEST(AlertsOfEarlierRuns, YieldToMemoryForTheSameAlert) {
  House house;
  const Alert alert = earlier_alert(9, Severity::warning, minutes{5});
  house.view->recent = std::make_shared<const std::vector<Alert>>(
      std::vector{ended(alert, example_now(), minutes{1})});
  house.stored_events = std::vector{told(alert, EventKind::alert, minutes{5})};
  const Json json = house.json(kDay);
  ASSERT_EQ(json["count"], 1);
  EXPECT_EQ(json["alerts"][0]["lasts"], false);
}

TEST(AlertsOfEarlierRuns, AreCutToTheWindowAlsoInMemory) {
  House house;
  house.stored_events = std::vector<store::StoredEvent>{};
  const Alert before = earlier_alert(1, Severity::warning, minutes{50});
  Alert lasting = earlier_alert(2, Severity::warning, minutes{45});
  lasting.last_active = example_now().mono;
  house.view->recent = std::make_shared<const std::vector<Alert>>(
      std::vector{lasting, ended(before, example_now(), minutes{40})});
  const Json json = house.json("/api/v1/monitoring/alerts?window_seconds=600");
  ASSERT_EQ(json["count"], 1);
  EXPECT_EQ(json["alerts"][0]["id"], 2);
}

TEST(AlertsOfEarlierRuns, IncludeALastingOneThatMemoryNoLongerLists) {
  House house;
  house.stored_events = std::vector<store::StoredEvent>{};
  house.view->active = std::make_shared<const std::vector<Alert>>(
      std::vector{example_alert(1, Severity::warning, example_now())});
  EXPECT_EQ(house.json(kDay)["alerts"][0]["lasts"], true);
}

TEST(AlertsOfEarlierRuns, SayWhyTheyAreMissing) {
  House house;
  house.view->recent = many_alerts();
  house.stored_events = fail(ErrorCode::unavailable, "the store is turned off");
  const Json json = house.json(kDay);
  EXPECT_EQ(json["total"], 150);
  EXPECT_THAT(json["note"].get<std::string>(), HasSubstr("turned off"));
}

TEST(AlertsOfEarlierRuns, SayWhenThereWereTooManyEventsToRead) {
  House house;
  house.stored_events = std::vector<store::StoredEvent>{};
  (void)house.json(kDay);
  house.stored_events = std::vector(
      house.event_queries[0].limit,
      told(earlier_alert(1, Severity::warning, hours{2}), EventKind::alert, minutes{90}));
  const Json json = house.json(kDay);
  EXPECT_EQ(json["total"], 1);
  EXPECT_THAT(json["note"].get<std::string>(), HasSubstr("2026-01-31T06:35:09.123Z"));
}

TEST(AlertsOfEarlierRuns, LeaveOutWhatIsNoAlert) {
  House house;
  std::vector<store::StoredEvent> odd;
  for (const char* json :
       {"", "{", "null", "[]", "7", "{}", R"({"alert":null})", R"({"alert":[]})", R"({"alert":{}})",
        R"({"alert":{"id":1,"timestamp":"2026-01-31T08:00:00.000Z"}})",
        R"({"alert":{"id":"1","timestamp":"2026-01-31T08:00:00.000Z","severity":"warning"}})",
        R"({"alert":{"id":-1,"timestamp":"2026-01-31T08:00:00.000Z","severity":"warning"}})",
        R"({"alert":{"id":1,"timestamp":5,"severity":"warning"}})",
        R"({"alert":{"id":1,"timestamp":"2026-01-31T08:00:00.000Z","severity":null}})"}) {
    odd.push_back({example_now().wall, "alert", "warning", json});
  }
  house.stored_events = odd;
  const Json json = house.json(kDay);
  EXPECT_EQ(json["alerts"], Json::array());
  EXPECT_TRUE(json["note"].is_null());
}

TEST(AlertsOfEarlierRuns, RefuseWindowsThatAreNone) {
  House house;
  for (const char* window : {"", "0", "-1", "63072001", "18446744073709551616", "1e3", "24h", "+1",
                             "%201", "NaN", "0x12"}) {
    EXPECT_EQ(house.get(std::string("/api/v1/monitoring/alerts?window_seconds=") + window).status,
              400)
        << window;
  }
  EXPECT_TRUE(house.event_queries.empty());
}

}  // namespace
}  // namespace levee::api
