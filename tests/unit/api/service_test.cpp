// Health and the event stream.
#include <gmock/gmock.h>

#include "unit/api/fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Healthz, IsOkWhileTicksAreFresh) {
  House house;
  const Json json = house.json("/healthz");
  EXPECT_THAT(keys_of(json), ElementsAre("status", "reasons", "health", "sample_age_seconds",
                                         "tick_age_seconds", "store", "version"));
  EXPECT_EQ(json["status"], "ok");
  EXPECT_EQ(json["health"], "healthy");
  EXPECT_EQ(json["sample_age_seconds"], 0.25);
  EXPECT_EQ(json["store"]["durable"], true);
  EXPECT_EQ(json["version"], LEVEE_VERSION);
}

TEST(Healthz, Is503WithTheReasonOnceTheEngineStalls) {
  House house;
  house.now = later(example_now(), std::chrono::milliseconds{4999});
  EXPECT_EQ(house.get("/healthz").status, 200);
  house.now = later(example_now(), std::chrono::seconds{5});
  const Response stalled = house.get("/healthz");
  EXPECT_EQ(stalled.status, 503);
  EXPECT_EQ(json_of(stalled)["status"], "stalled");
  EXPECT_THAT(json_of(stalled)["detail"].get<std::string>(), HasSubstr("5.0 s"));
}

TEST(Healthz, AllowsThreeIntervalsOfASlowRhythm) {
  House house;
  house.view->settings = std::make_shared<const config::Settings>(
      house.view->settings
          ->with_runtime(
              {{"monitoring_interval", std::int64_t{10}}, {"stale_seconds", std::int64_t{60}}})
          .value());
  house.now = later(example_now(), std::chrono::seconds{29});
  EXPECT_EQ(house.get("/healthz").status, 200);
  house.now = later(example_now(), std::chrono::seconds{30});
  EXPECT_EQ(house.get("/healthz").status, 503);
}

TEST(Healthz, Is503BeforeTheFirstTick) {
  House house;
  house.view = nullptr;
  const Response response = house.get("/healthz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(json_of(response)["status"], "starting");
}

TEST(Healthz, NamesWhatWorksOnlyInPart) {
  House house;
  auto snapshot = std::make_shared<Snapshot>(*house.view->snapshot);
  snapshot->host.reset();
  snapshot->troubles = {{"pressure", Error{ErrorCode::not_found, "no PSI", ""}}};
  house.view->snapshot = snapshot;
  house.view->daemon.store.durable = false;
  house.view->daemon.store.reason = "disk full";
  const Json json = house.json("/healthz");
  EXPECT_EQ(json["status"], "degraded");
  ASSERT_EQ(json["reasons"].size(), 3U);
  EXPECT_THAT(json["reasons"][2].get<std::string>(), HasSubstr("disk full"));
  EXPECT_TRUE(json["sample_age_seconds"].is_null());
}

TEST(Healthz, DoesNotMissAStoreThatIsTurnedOff) {
  House house;
  house.view->daemon.store.enabled = false;
  house.view->daemon.store.durable = false;
  EXPECT_EQ(house.json("/healthz")["status"], "ok");
}

/// Events 5, 6 and 7 are kept.
class EventStream : public testing::Test {
 protected:
  House house;

  void SetUp() override {
    house.view->events = std::make_shared<const std::vector<StreamedEvent>>(
        std::vector<StreamedEvent>{{5, "alert", R"({"id":5})"},
                                   {6, "resolved", R"({"id":6})"},
                                   {7, "state_change", R"({"id":7})"}});
  }

  Response after(const std::string& last_event_id) {
    Request request = house.request("GET", "/api/v1/events");
    request.last_event_id = last_event_id;
    return house.answer(request);
  }
};

constexpr std::string_view kHello = "retry: 2000\n: connected\n\n";
constexpr std::string_view kSix = "id: 6\nevent: resolved\ndata: {\"id\":6}\n\n";
constexpr std::string_view kSeven = "id: 7\nevent: state_change\ndata: {\"id\":7}\n\n";

TEST_F(EventStream, BeginsWithNowUnlessAskedOtherwise) {
  const Response response = house.get("/api/v1/events");
  EXPECT_TRUE(response.stream);
  EXPECT_EQ(response.content_type, "text/event-stream");
  EXPECT_EQ(*response.body, kHello);
}

TEST_F(EventStream, GoesOnAfterTheLastEventSeen) {
  EXPECT_EQ(*after("5").body, std::string(kHello) + std::string(kSix) + std::string(kSeven));
  EXPECT_EQ(*after("7").body, kHello);
  EXPECT_EQ(*house.get("/api/v1/events?since=6").body, std::string(kHello) + std::string(kSeven));
}

TEST_F(EventStream, TrustsTheHeaderOfAReconnectMoreThanTheAddress) {
  Request request = house.request("GET", "/api/v1/events?since=0");
  request.last_event_id = "6";
  EXPECT_EQ(*house.answer(request).body, std::string(kHello) + std::string(kSeven));
}

TEST_F(EventStream, SaysHowManyEventsAreLost) {
  EXPECT_THAT(*after("2").body, HasSubstr(": 2 events before 5 are no longer kept\n\nid: 5\n"));
  EXPECT_THAT(*after("4").body, testing::Not(HasSubstr("no longer kept")));
}

TEST_F(EventStream, SendsAllToAReaderOfAnEarlierDaemon) {
  EXPECT_THAT(*after("900").body, HasSubstr("id: 5\n"));
  EXPECT_THAT(*after("18446744073709551615").body, HasSubstr("id: 7\n"));
}

TEST_F(EventStream, RefusesWhatIsNoEventId) {
  for (const char* id : {"x", "-1", "1.5", " 5", "5 ", "0x5", "18446744073709551616"}) {
    EXPECT_EQ(after(id).status, 400) << id;
    EXPECT_FALSE(after(id).stream);
  }
  EXPECT_EQ(house.get("/api/v1/events?since=").status, 400);
  EXPECT_EQ(house.get("/api/v1/events?since=yesterday").status, 400);
}

TEST_F(EventStream, OpensNoStreamForHead) {
  EXPECT_FALSE(house.ask("HEAD", "/api/v1/events").stream);
}

TEST_F(EventStream, HasNothingToReplayBeforeTheFirstEvent) {
  house.view->events = std::make_shared<const std::vector<StreamedEvent>>();
  EXPECT_EQ(*after("3").body, kHello);
}

TEST(Frame, GivesEachLineItsOwnField) {
  EXPECT_EQ(Api::frame({9, "alert", "{\n}"}), "id: 9\nevent: alert\ndata: {\ndata: }\n\n");
  EXPECT_EQ(Api::frame({9, "alert", ""}), "id: 9\nevent: alert\ndata: \n\n");
}

}  // namespace
}  // namespace levee::api
