// Dispatch: what is refused before any handler runs, and that there is exactly one answer.
#include <gmock/gmock.h>

#include <stdexcept>

#include "unit/api/fixture.hpp"

namespace levee::api {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

struct Known {
  const char* method;
  const char* path;
};

constexpr Known kKnown[] = {
    {"GET", "/"},
    {"GET", "/healthz"},
    {"GET", "/metrics"},
    {"GET", "/api/v1/monitoring/status"},
    {"GET", "/api/v1/monitoring/report"},
    {"GET", "/api/v1/monitoring/alerts"},
    {"GET", "/api/v1/monitoring/optimization-suggestions"},
    {"POST", "/api/v1/monitoring/cleanup"},
    {"GET", "/api/v1/monitoring/history"},
    {"GET", "/api/v1/events"},
    {"GET", "/api/v1/processes"},
    {"GET", "/api/v1/config"},
    {"GET", "/api/v1/overview"},
};

/// The good request for a route; every one of them is answered with 200.
Response ask(House& house, const Known& known) {
  house.outcome = CleanedUp{};
  return house.ask(known.method, known.path);
}

TEST(Routes, AnswerEveryKnownPath) {
  House house;
  for (const Known& known : kKnown) {
    EXPECT_EQ(ask(house, known).status, 200) << known.path;
  }
}

TEST(Routes, AreListedAtTheRoot) {
  House house;
  const Json index = house.json("/");
  std::vector<std::string> listed;
  for (const Json& route : index["routes"]) {
    listed.push_back(route["method"].get<std::string>() + " " + route["path"].get<std::string>());
    EXPECT_FALSE(route["summary"].get<std::string>().empty());
  }
  for (const Known& known : kKnown) {
    EXPECT_THAT(listed, Contains(std::string(known.method) + " " + known.path));
  }
  EXPECT_THAT(listed, Contains("PUT /api/v1/config"));
  EXPECT_EQ(index["routes"][5]["query"], Json::array({"severity", "limit", "window_seconds"}));
}

TEST(Routes, AnswerHeadAsGet) {
  House house;
  const Response head = house.ask("HEAD", "/api/v1/monitoring/status");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(*head.body, *house.get("/api/v1/monitoring/status").body);
  EXPECT_EQ(house.ask("HEAD", "/api/v1/monitoring/cleanup").status, 405);
}

TEST(Routes, RefuseOtherMethodsAndNameTheRightOnes) {
  House house;
  const Response wrong = house.ask("DELETE", "/api/v1/config");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_THAT(wrong.headers, ElementsAre(Pair("Allow", "GET, HEAD, PUT, OPTIONS")));
  EXPECT_THAT(json_of(wrong)["detail"].get<std::string>(), HasSubstr("DELETE"));
  EXPECT_EQ(house.get("/api/v1/monitoring/cleanup").status, 405);
  for (const char* method : {"", "get", "TRACE", "GET ", "PATCH", "CONNECT"}) {
    EXPECT_EQ(house.ask(method, "/metrics").status, 405) << method;
  }
}

TEST(Routes, TellTheirMethodsWhenAsked) {
  House house;
  const Response options = house.ask("OPTIONS", "/api/v1/monitoring/cleanup");
  EXPECT_EQ(options.status, 204);
  EXPECT_TRUE(options.body->empty());
  EXPECT_THAT(options.headers, ElementsAre(Pair("Allow", "POST, OPTIONS")));
  EXPECT_EQ(house.ask("OPTIONS", "/nowhere").status, 404);
}

TEST(Routes, PointToTheNearestPath) {
  House house;
  const Response missing = house.get("/api/v1/monitoring/statsu");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(json_of(missing)["code"], "not_found");
  EXPECT_THAT(json_of(missing)["hint"].get<std::string>(), HasSubstr("/api/v1/monitoring/status?"));
}

TEST(Routes, RefuseEveryUnknownPath) {
  House house;
  for (const char* path :
       {"/api", "/api/v1/monitoring/status/", "//", "/API/v1/config", "/metrics%20",
        "/api/v1/monitoring/../config", "/favicon.ico", "/.", "/healthz/x"}) {
    EXPECT_EQ(house.get(path).status, 404) << path;
  }
  EXPECT_EQ(house.get("/" + std::string(16'000, 'x')).status, 404);
  EXPECT_LT(house.get("/" + std::string(16'000, 'x')).body->size(), 500U);
}

TEST(Routes, RefuseUnknownParametersAndNameTheAcceptedOnes) {
  House house;
  const Response response = house.get("/api/v1/monitoring/alerts?severty=critical");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(json_of(response)["detail"].get<std::string>(), HasSubstr("\"severty\""));
  EXPECT_EQ(json_of(response)["hint"], "accepted: severity, limit, window_seconds");
  for (const Known& known : kKnown) {
    EXPECT_EQ(house.ask(known.method, std::string(known.path) + "?x=1").status, 400) << known.path;
  }
}

TEST(Routes, RefuseRepeatedParameters) {
  House house;
  for (const char* target :
       {"/api/v1/monitoring/alerts?limit=1&limit=1", "/api/v1/monitoring/alerts?limit=1&l%69mit=2",
        "/api/v1/monitoring/history?window_seconds=1&window_seconds=2"}) {
    const Response response = house.get(target);
    EXPECT_EQ(response.status, 400);
    EXPECT_THAT(json_of(response)["detail"].get<std::string>(), HasSubstr("more than once"));
  }
}

TEST(Routes, RefuseTargetsThatAreNoPath) {
  House house;
  for (const char* target : {"", "*", "http://localhost/metrics", "/%", "/metrics?%00"}) {
    EXPECT_EQ(house.get(target).status, 400) << target;
  }
}

TEST(Routes, CheckTheOriginOfEveryRequest) {
  House house;
  for (const Known& known : kKnown) {
    Request rebound = house.request(known.method, known.path);
    rebound.host = "evil.example:8000";
    EXPECT_EQ(house.answer(rebound).status, 403) << known.path;

    Request foreign = house.request(known.method, known.path);
    foreign.origin = "null";
    EXPECT_EQ(house.answer(foreign).status, 403) << known.path;
  }
  EXPECT_TRUE(house.commands.empty());
}

TEST(Routes, NeedNoHostOnAUnixSocket) {
  House house;
  Request request = house.request("GET", "/healthz");
  request.host.clear();
  request.via = Peer::Via::unix_socket;
  EXPECT_EQ(house.answer(request).status, 200);
}

TEST(Routes, LookUpTheUserOnlyForChanges) {
  House house;
  house.outcome = CleanedUp{};
  (void)house.get("/api/v1/config");
  EXPECT_EQ(house.uid_lookups, 0);
  (void)house.ask("POST", "/api/v1/monitoring/cleanup");
  EXPECT_EQ(house.uid_lookups, 1);
}

TEST(Routes, LetOnlyTheOwnerChangeThings) {
  House house;
  house.outcome = CleanedUp{};
  for (const std::optional<uid_t> uid : {std::optional<uid_t>{}, std::optional{kOtherUid}}) {
    house.uid = uid;
    EXPECT_EQ(house.ask("POST", "/api/v1/monitoring/cleanup").status, 403);
    EXPECT_EQ(house.ask("PUT", "/api/v1/config", "{}").status, 403);
    EXPECT_EQ(house.get("/api/v1/config").status, 200);
  }
  EXPECT_TRUE(house.commands.empty());
  house.uid = 0;
  EXPECT_EQ(house.ask("POST", "/api/v1/monitoring/cleanup").status, 200);
}

TEST(Routes, TakeNobodysWordWhenTheUserCannotBeAsked) {
  House house;
  Request request = house.request("POST", "/api/v1/monitoring/cleanup");
  request.peer_uid = nullptr;
  EXPECT_EQ(house.answer(request).status, 403);
}

TEST(Routes, RefuseBodiesThatAreNotJsonByTheirType) {
  House house;
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded", "json",
                           "application/jsonx", "multipart/form-data; boundary=application/json"}) {
    Request request = house.request("PUT", "/api/v1/config", "{}");
    request.content_type = type;
    EXPECT_EQ(house.answer(request).status, 415) << type;
  }
  EXPECT_TRUE(house.commands.empty());
}

TEST(Routes, AcceptJsonHoweverItsTypeIsSpelled) {
  House house;
  house.outcome = ConfigUpdated{};
  for (const char* type :
       {"application/json", "application/json; charset=utf-8", "Application/JSON ;charset=utf-8"}) {
    Request request = house.request("PUT", "/api/v1/config", "{}");
    request.content_type = type;
    EXPECT_EQ(house.answer(request).status, 200) << type;
  }
}

TEST(Routes, SayThatNothingWasMeasuredYet) {
  House house;
  house.view = nullptr;
  for (const char* path :
       {"/metrics", "/api/v1/monitoring/status", "/api/v1/monitoring/report", "/api/v1/events",
        "/api/v1/monitoring/alerts", "/api/v1/monitoring/history", "/api/v1/processes",
        "/api/v1/config", "/api/v1/overview", "/api/v1/monitoring/optimization-suggestions"}) {
    const Response response = house.get(path);
    EXPECT_EQ(response.status, 503) << path;
    EXPECT_EQ(json_of(response)["code"], "unavailable");
  }
  EXPECT_EQ(house.get("/").status, 200);
}

/// Ports that fail in ways they should not.
Ports bad_ports(House& house) {
  return Ports{.view = [&house] { return house.view; },
               .command = [](Command, const std::function<void(Result<Outcome>)>&) {},
               .stored_history = [](store::Query, const auto&) {},
               .stored_events = [](store::EventQuery, const auto&) {},
               .ledger = {},
               .now = [] { return example_now(); },
               .authority = Authority{.daemon_uid = kDaemonUid}};
}

std::vector<Response> answers_of(Ports ports, const Request& request) {
  std::vector<Response> answers;
  Api api(std::move(ports));
  api.handle(request, [&](Response response) { answers.push_back(std::move(response)); });
  return answers;
}

TEST(Routes, AnswerOnceWhenAPortThrows) {
  House house;
  Ports ports = bad_ports(house);
  ports.view = []() -> std::shared_ptr<const View> { throw std::runtime_error("broken"); };
  const auto answers = answers_of(ports, house.request("GET", "/metrics"));
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, 500);
  EXPECT_THAT(*answers[0].body, HasSubstr("broken"));
}

TEST(Routes, AnswerOnceWhenACommandIsForgotten) {
  House house;
  const auto answers =
      answers_of(bad_ports(house), house.request("POST", "/api/v1/monitoring/cleanup"));
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, 503);
}

TEST(Routes, AnswerOnceWhenACommandIsAnsweredTwiceAndThenThrows) {
  House house;
  Ports ports = bad_ports(house);
  ports.command = [](Command, const std::function<void(Result<Outcome>)>& done) {
    done(CleanedUp{});
    done(fail(ErrorCode::internal, "again"));
    throw std::runtime_error("broken");
  };
  const auto answers = answers_of(ports, house.request("POST", "/api/v1/monitoring/cleanup"));
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, 200);
}

TEST(Routes, AnswerWithADefectWhenTheOutcomeIsOfAnotherCommand) {
  House house;
  house.outcome = ConfigUpdated{};
  EXPECT_EQ(house.ask("POST", "/api/v1/monitoring/cleanup").status, 500);
}

}  // namespace
}  // namespace levee::api
