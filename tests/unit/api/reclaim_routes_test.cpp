// /api/v1/reclaim: who can give memory back, and asking them.
#include <gmock/gmock.h>

#include "unit/api/fixture.hpp"

namespace levee::api {
namespace {

using namespace std::chrono_literals;
using reclaim::Asked;
using reclaim::Client;
using reclaim::Outcome;
using testing::ElementsAre;
using testing::HasSubstr;

/// What the routes ask of the port is the test's to answer.
class ReclaimHouse {
 public:
  std::shared_ptr<reclaim::Roster> roster = std::make_shared<reclaim::Roster>();
  std::vector<std::pair<std::string, reclaim::Ask>> asked;
  Result<Asked> answer = Asked{};
  Result<std::shared_ptr<Dialogue>> dialogue =
      fail(ErrorCode::resource_exhausted, "64 are here already", "end some");
  std::vector<std::tuple<pid_t, uid_t, bool>> callers;
  House house{{},
              {},
              {.converse =
                   [this](pid_t pid, uid_t uid, bool is_administrator) {
                     callers.emplace_back(pid, uid, is_administrator);
                     return dialogue;
                   },
               .roster = [this] { return roster; },
               .ask =
                   [this](const auto& client, const auto& ask, const auto& done) {
                     asked.emplace_back(client, ask);
                     done(answer);
                   }}};

  ReclaimHouse() {
    Client client;
    client.id = "r3";
    client.caller = {
        .process = {.boot = {}, .pid = 4242, .start_ticks = 7}, .uid = kOtherUid, .user = "marie"};
    client.name = "trainer";
    client.priority = -2;
    client.account = "lease-1";
    client.since = house.now.wall;
    client.offers = {{ReclaimStrategy::clear_cache, "host", gib(2)},
                     {ReclaimStrategy::offload, "GPU-0", std::nullopt},
                     {ReclaimStrategy::offload, "GPU-1", std::nullopt}};
    roster->clients = {client};
  }

  Response ask(const std::string& body, const std::string& id = "r3") {
    return house.ask("POST", "/api/v1/reclaim/clients/" + id + "/ask", body);
  }
  Response upgrade(std::string protocol) {
    Request request = house.request("GET", "/api/v1/reclaim");
    request.via = Peer::Via::unix_socket;
    request.upgrade = std::move(protocol);
    request.peer_pid = 77;
    return house.answer(request);
  }
};

TEST(GetReclaimClients, ShowsWhoCanGiveBackWhat) {
  ReclaimHouse at;
  at.roster->clients[0].record.asked = 3;
  at.roster->clients[0].record.measured = gib(1);
  at.roster->totals.lied = 2;
  const Json json = at.house.json("/api/v1/reclaim/clients");
  const Json& client = json["clients"][0];
  EXPECT_THAT(keys_of(client),
              ElementsAre("id", "pid", "user", "uid", "name", "lease", "priority", "state",
                          "passed_over_seconds", "since", "offers", "record"));
  EXPECT_EQ(client["pid"], 4242);
  EXPECT_EQ(client["state"], "ready");
  EXPECT_EQ(client["lease"], "lease-1");
  EXPECT_EQ(client["offers"][0]["estimate_bytes"], gib(2).count);
  EXPECT_EQ(client["offers"][1]["estimate_bytes"], nullptr);
  EXPECT_EQ(client["record"]["freed_bytes"], gib(1).count);
  EXPECT_EQ(json["totals"]["lied"], 2);
}

TEST(GetReclaimClients, ShowsWhoIsBusyAndWhoIsPassedOver) {
  ReclaimHouse at;
  at.roster->clients[0].record.passed_over_until = at.house.now.mono + 90s;
  Json client = at.house.json("/api/v1/reclaim/clients")["clients"][0];
  EXPECT_EQ(client["state"], "passed_over");
  EXPECT_EQ(client["passed_over_seconds"], 90.0);
  at.roster->clients[0].busy = true;
  EXPECT_EQ(at.house.json("/api/v1/reclaim/clients")["clients"][0]["state"], "busy");
}

TEST(Reclaim, IsNotThereWithoutADaemon) {
  House house;
  EXPECT_EQ(house.get("/api/v1/reclaim/clients").status, 503);
  EXPECT_EQ(house.ask("POST", "/api/v1/reclaim/clients/r1/ask", "{}").status, 503);
}

TEST(AskReclaimClient, PassesOnWhatIsWanted) {
  ReclaimHouse at;
  const Response response =
      at.ask(R"({"strategy":"clear-cache","memory":"1GB","deadline_ms":250,"reason":"full"})");
  EXPECT_EQ(response.status, 200) << *response.body;
  ASSERT_EQ(at.asked.size(), 1U);
  EXPECT_EQ(at.asked[0].first, "r3");
  const reclaim::Ask& ask = at.asked[0].second;
  EXPECT_EQ(ask.strategy, ReclaimStrategy::clear_cache);
  EXPECT_EQ(ask.device, "host") << "the only one";
  EXPECT_EQ(ask.bytes, gib(1));
  EXPECT_EQ(ask.deadline, 250ms);
  EXPECT_EQ(ask.reason, "full");
  EXPECT_TRUE(ask.despite_record);
}

TEST(AskReclaimClient, ShowsWhatWasSaidAndWhatWasMeasured) {
  ReclaimHouse at;
  at.answer->client = at.roster->clients[0];
  at.answer->outcome = Outcome::done;
  at.answer->said = gib(1);
  at.answer->verdict = reclaim::Verdict::lied;
  at.answer->before =
      reclaim::Weight{.process = gib(4), .used = gib(20), .read_at = {}, .growth_per_second = {}};
  at.answer->after = reclaim::Weight{
      .process = gib(5), .used = std::nullopt, .read_at = {}, .growth_per_second = {}};
  at.answer->passed_over_until = at.house.now.mono + 60s;
  const Json json = json_of(at.ask(R"({"strategy":"offload","device":"GPU-1","memory_bytes":5})"));
  EXPECT_EQ(at.asked[0].second.device, "GPU-1");
  EXPECT_EQ(at.asked[0].second.bytes, Bytes{5});
  EXPECT_EQ(json["result"], "done");
  EXPECT_EQ(json["said_bytes"], gib(1).count);
  EXPECT_EQ(json["process"]["before_bytes"], gib(4).count);
  EXPECT_EQ(json["process"]["fell_by_bytes"], -static_cast<std::int64_t>(kGiB));
  EXPECT_EQ(json["device_used"]["before_bytes"], gib(20).count);
  EXPECT_EQ(json["device_used"]["fell_by_bytes"], nullptr);
  EXPECT_EQ(json["verdict"], "lied");
  EXPECT_EQ(json["passed_over_seconds"], 60.0);
}

TEST(AskReclaimClient, WhatWasNotDoneHasNoVerdict) {
  ReclaimHouse at;
  at.answer->outcome = Outcome::timed_out;
  const Json json = json_of(at.ask(R"({"strategy":"clear_cache","memory":"1GB"})"));
  EXPECT_EQ(json["result"], "timed_out");
  EXPECT_EQ(json["verdict"], nullptr);
  EXPECT_EQ(json["said_bytes"], nullptr);
}

TEST(AskReclaimClient, IsForItsUserAndAdministrators) {
  ReclaimHouse at;
  const auto status_for = [&](std::optional<uid_t> uid) {
    at.house.uid = uid;
    return at.ask(R"({"strategy":"clear_cache","memory":"1GB"})").status;
  };
  EXPECT_EQ(status_for(kOtherUid), 200);
  EXPECT_EQ(status_for(kDaemonUid), 200);
  EXPECT_EQ(status_for(0), 200);
  EXPECT_EQ(status_for(kOtherUid + 1), 403);
  EXPECT_EQ(status_for(std::nullopt), 403);
  EXPECT_EQ(at.asked.size(), 3U);
}

TEST(AskReclaimClient, RefusesWhatMakesNoSense) {
  struct Row {
    const char* body;
    const char* message;
  };
  const Row rows[] = {
      {"{}", "no strategy is named"},
      {R"({"strategy":"pray","memory":"1GB"})", "no strategy \\\"pray\\\""},
      {R"({"strategy":"clear_cache"})", "how much memory"},
      {R"({"strategy":"clear_cache","memory":"lots"})", "lots"},
      {R"({"strategy":"clear_cache","memory":"0GB","memory_bytes":1})", "memory_bytes"},
      {R"({"strategy":"clear_cache","memory":"1GB","deadline_ms":9})", "deadline_ms"},
      {R"({"strategy":"clear_cache","memory":"1GB","deadline_ms":600001})", "deadline_ms"},
      {R"({"strategy":"clear_cache","memory":"1GB","device":""})", "device"},
      {R"({"strategy":"clear_cache","memory":"1GB","devise":"host"})", "devise"},
      {R"({"strategy":"offload","memory":"1GB"})", "several devices"},
      {R"({"strategy":"reduce_batch","memory":"1GB"})", "does not offer reduce_batch"},
  };
  ReclaimHouse at;
  for (const Row& row : rows) {
    const Response response = at.ask(row.body);
    EXPECT_EQ(response.status, 400) << row.body;
    EXPECT_THAT(*response.body, HasSubstr(row.message)) << row.body;
  }
  EXPECT_EQ(at.ask(R"({"strategy":"clear_cache","memory":"1GB"})", "r9").status, 404);
  EXPECT_TRUE(at.asked.empty());
  at.answer = fail(ErrorCode::already_exists, "it has not answered");
  EXPECT_EQ(at.ask(R"({"strategy":"clear_cache","memory":"1GB"})").status, 409);
}

TEST(GetReclaim, LeavesHttpForAProcessOnTheUnixSocket) {
  ReclaimHouse at;
  struct Mute final : Dialogue {
    [[nodiscard]] std::string protocol() const override { return "levee-reclaim/1"; }
    [[nodiscard]] std::size_t longest_line() const override { return 1; }
    void begin(std::shared_ptr<Outlet>) override {}
    void heard(std::string_view) override {}
    void heard_too_much() override {}
    void heard_nothing() override {}
    void ended() override {}
  };
  at.dialogue = std::make_shared<Mute>();
  const Response response = at.upgrade("levee-reclaim/1");
  EXPECT_EQ(response.status, 101);
  EXPECT_EQ(response.dialogue, *at.dialogue);
  at.house.uid = kOtherUid;
  static_cast<void>(at.upgrade("levee-reclaim/1"));
  EXPECT_THAT(at.callers,
              ElementsAre(std::tuple{77, kDaemonUid, true}, std::tuple{77, kOtherUid, false}));
}

TEST(GetReclaim, NamesTheVersionThatItSpeaks) {
  ReclaimHouse at;
  for (const char* protocol : {"", "levee-reclaim/2", "websocket"}) {
    const Response response = at.upgrade(protocol);
    EXPECT_EQ(response.status, 426) << protocol;
    EXPECT_THAT(response.headers, testing::Contains(testing::Pair("Upgrade", "levee-reclaim/1")));
    EXPECT_THAT(*response.body, HasSubstr("levee-reclaim/1"));
  }
  EXPECT_TRUE(at.callers.empty());
}

TEST(GetReclaim, TurnsAwayWhomItCannotTellApart) {
  ReclaimHouse at;
  Request request = at.house.request("GET", "/api/v1/reclaim");
  request.upgrade = "levee-reclaim/1";
  request.peer_pid = 77;
  EXPECT_EQ(at.house.answer(request).status, 403) << "not the Unix socket";
  request.via = Peer::Via::unix_socket;
  request.peer_pid.reset();
  EXPECT_EQ(at.house.answer(request).status, 403) << "a process that cannot be seen";
  EXPECT_TRUE(at.callers.empty());
  EXPECT_EQ(at.upgrade("levee-reclaim/1").status, 429) << "too many of its user";
}

}  // namespace
}  // namespace levee::api
