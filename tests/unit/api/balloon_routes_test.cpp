// /api/v1/balloons: leases of their kind, and who holds them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "unit/api/ledger_fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr Bytes kAvailable = mib(8192 - 512 - 3072);  ///< On each of the two GPUs.
constexpr Bytes kFree = mib(8192 - 3072);             ///< By its driver.

Response post(LedgerHouse& at, const std::string& body) {
  return at.house.ask("POST", "/api/v1/balloons", body);
}

/// GPU 0's and what it holds for `lease`.
Holding holding(std::string lease, HoldingState state, Bytes held) {
  Holding holding;
  holding.lease = holding.account = std::move(lease);
  holding.uuid = kUuid;
  holding.state = state;
  holding.promised = mib(1024);
  holding.held = held;
  holding.chunks = 11;
  holding.pid = 4242;
  return holding;
}

TEST(PostBalloon, IsALeaseOfItsKind) {
  LedgerHouse at;
  const Response response = post(
      at, R"({"size": "1GB", "gpus": ["0"], "id": "b", "ttl_seconds": 60, "yieldable": true})");
  EXPECT_EQ(response.status, 201) << *response.body;
  const Json json = json_of(response);
  EXPECT_EQ(json["kind"], "balloon");
  EXPECT_EQ(json["gpus"][0]["bytes"], gib(1).count);
  EXPECT_EQ(json["yieldable"], true);
  EXPECT_EQ(json["expires_in_seconds"], 60.0);
  EXPECT_EQ(json["holdings"], Json::array());
  EXPECT_EQ(at.ledger.book.find("b")->demand.kind, ledger::LeaseKind::balloon);
}

TEST(PostBalloon, TakesEveryFormOfAnAmount) {
  LedgerHouse at;
  const auto size_of = [&](const char* size) {
    const Json json = json_of(post(at, fmt::format(R"({{"size": {}, "gpus": ["1"]}})", size)));
    const std::string id = text_of(json, "id");
    const Bytes size_given{json["gpus"][0]["bytes"].get<std::uint64_t>()};
    EXPECT_EQ(at.house.ask("DELETE", "/api/v1/balloons?id=" + id).status, 200);
    return size_given;
  };
  EXPECT_EQ(size_of("2000"), mib(2000));
  EXPECT_EQ(size_of("\"2000\""), mib(2000));
  EXPECT_EQ(size_of("\"1.5 GB\""), mib(1536));
  EXPECT_EQ(size_of("0.25").count, kFree.count / 4);
  EXPECT_EQ(size_of("\"50%\"").count, kFree.count / 2);
}

TEST(PostBalloon, ChoosesAGpuOrTakesAllOfThem) {
  LedgerHouse at;
  EXPECT_EQ(json_of(post(at, R"({"size": "1GB"})"))["gpus"].size(), 1U);
  const Json all = json_of(post(at, R"({"size": "1GB", "gpus": "all"})"));
  EXPECT_EQ(all["gpus"].size(), 2U);
  EXPECT_EQ(json_of(post(at, R"({"size": "1GB", "gpus": 2})"))["gpus"].size(), 2U);
}

TEST(PostBalloon, WaitsInLineAndIsDeniedAsAnyLease) {
  LedgerHouse at;
  EXPECT_EQ(post(at, R"({"size": "9GB"})").status, 409);
  ASSERT_EQ(post(at, R"({"size": "4GB", "gpus": "all"})").status, 201);
  EXPECT_EQ(post(at, R"({"size": "4GB"})").status, 409);
  EXPECT_EQ(post(at, R"({"size": "4GB", "wait_seconds": 60})").status, 202);
}

TEST(PostBalloon, FollowsItsOwnerWhenAskedTo) {
  LedgerHouse at;
  at.ledger.grant("job", gib(1));
  const Json within =
      json_of(post(at, R"({"size": "1GB", "gpus": ["0"], "id": "a", "within": "job"})"));
  EXPECT_EQ(within["baton"], true) << "the job could not start otherwise";
  EXPECT_EQ(within["step_bytes"], gib(1).count);
  EXPECT_EQ(at.ledger.book.find("a")->demand.step, gib(1));
  const Json stays = json_of(
      post(at, R"({"size": "1GB", "gpus": ["0"], "id": "b", "within": "job", "baton": false})"));
  EXPECT_EQ(stays["baton"], false);
  EXPECT_EQ(stays["step_bytes"], nullptr);
  const Json small = json_of(
      post(at, R"({"size": "1GB", "gpus": ["0"], "id": "c", "within": "job", "step": "256MB"})"));
  EXPECT_EQ(small["step_bytes"], mib(256).count);
}

TEST(PostBalloon, FollowsNobodyWhereThereIsNobody) {
  LedgerHouse at;
  for (const char* const body :
       {R"({"size": "1GB", "baton": true})", R"({"size": "1GB", "step": "1GB"})",
        R"({"size": "1GB", "baton": "yes"})",
        R"({"size": "1GB", "within": "job", "baton": false, "step": "1GB"})",
        R"({"size": "1GB", "within": "job", "step": "0"})",
        R"({"size": "1GB", "within": "job", "step": -1})"}) {
    EXPECT_EQ(post(at, body).status, 400) << body;
  }
}

TEST(GetBalloons, ShowsWhatIsHeld) {
  LedgerHouse at;
  at.ledger.grant("no balloon", mib(10));
  ASSERT_EQ(post(at, R"({"size": "1GB", "gpus": ["0"], "id": "b"})").status, 201);
  at.holdings = {holding("b", HoldingState::growing, mib(300)),
                 holding("other", HoldingState::held, mib(1))};
  at.holdings[0].trouble = "it had died";
  const Json json = at.house.json("/api/v1/balloons");
  ASSERT_EQ(json["balloons"].size(), 1U);
  EXPECT_EQ(json["balloons"][0]["holdings"], Json::parse(R"([{"gpu_id": 0,
      "uuid": "GPU-00000000-aaaa", "state": "growing", "promised_bytes": 1073741824,
      "passed_on_bytes": 0, "lost_bytes": 0, "held_bytes": 314572800, "chunks": 11, "pid": 4242,
      "trouble": "it had died"}])"));
  EXPECT_EQ(at.house.json("/api/v1/balloons?id=b"), json["balloons"][0]);
  EXPECT_EQ(at.house.get("/api/v1/balloons?id=no%20balloon").status, 404);
  EXPECT_EQ(at.house.get("/api/v1/balloons?id=nobody").status, 404);
}

TEST(PutBalloon, ResizesWhereItFits) {
  LedgerHouse at;
  ASSERT_EQ(post(at, R"({"size": "1GB", "gpus": ["0"], "id": "b"})").status, 201);
  const auto put = [&](const char* body) {
    return at.house.ask("PUT", "/api/v1/balloons?id=b", body);
  };
  EXPECT_EQ(json_of(put(R"({"size": "2GB"})"))["gpus"][0]["bytes"], gib(2).count);
  EXPECT_EQ(put(R"({"size": "9GB"})").status, 409);
  EXPECT_EQ(put(R"({"size": "50%"})").status, 400);
  EXPECT_EQ(put(R"({"size": "0"})").status, 400);
  EXPECT_EQ(put(R"({})").status, 400);
  EXPECT_EQ(put(R"({"size": "1GB", "gpus": ["1"]})").status, 400);
  EXPECT_EQ(at.ledger.book.find("b")->shares.at(0).bytes, gib(2));
}

TEST(PassOn, AsksWhoHoldsIt) {
  LedgerHouse at;
  ASSERT_EQ(post(at, R"({"size": "2GB", "gpus": ["0"], "id": "b"})").status, 201);
  at.pass_on_answer = mib(512);
  const auto pass_on = [&](const char* body) {
    return at.house.ask("POST", "/api/v1/balloons/pass-on?id=b", body);
  };
  EXPECT_EQ(json_of(pass_on(R"({"size": "512MB"})"))["passed_on_bytes"], mib(512).count);
  EXPECT_EQ(pass_on(R"({"size": 0.5})").status, 200);
  EXPECT_THAT(at.passed_on,
              ElementsAre(Pair("b", Amount::of(mib(512))), Pair("b", *Amount::parse("50%"))));
  at.pass_on_answer = fail(ErrorCode::unavailable, "the driver hangs", "look");
  EXPECT_EQ(pass_on(R"({"size": "1GB"})").status, 503);
}

TEST(Balloons, AreTheirUsersAlone) {
  LedgerHouse at;
  ASSERT_EQ(post(at, R"({"size": "1GB", "gpus": ["0"], "id": "b"})").status, 201);
  at.house.uid = 1001;
  EXPECT_EQ(at.house.ask("PUT", "/api/v1/balloons?id=b", R"({"size": "2GB"})").status, 403);
  EXPECT_EQ(at.house.ask("POST", "/api/v1/balloons/pass-on?id=b", R"({"size": "1GB"})").status,
            403);
  const Response refused = at.house.ask("DELETE", "/api/v1/balloons?id=b");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(text_of(json_of(refused), "detail"), HasSubstr("belongs to user"));
  EXPECT_TRUE(at.passed_on.empty());
  at.house.uid = 0;
  EXPECT_EQ(at.house.ask("DELETE", "/api/v1/balloons?id=b").status, 200);
}

TEST(Balloons, AreNoOtherLeases) {
  LedgerHouse at;
  at.ledger.grant("job", mib(10));
  EXPECT_EQ(at.house.ask("DELETE", "/api/v1/balloons?id=job").status, 404);
  EXPECT_EQ(at.house.ask("DELETE", "/api/v1/balloons").status, 400);
  EXPECT_EQ(at.house.ask("PUT", "/api/v1/balloons", R"({"size": "1GB"})").status, 400);
  EXPECT_EQ(at.house.ask("POST", "/api/v1/balloons/pass-on", R"({"size": "1GB"})").status, 400);
  EXPECT_NE(at.ledger.book.find("job"), nullptr);
}

TEST(Balloons, CannotBeHadWithoutALedgerOrAHolder) {
  House house;
  EXPECT_EQ(house.get("/api/v1/balloons").status, 503);
  bool is_refused = false;
  BalloonPort{}.pass_on("b", Amount::of(gib(1)),
                        [&](const Result<Bytes>& result) { is_refused = !result; });
  EXPECT_TRUE(is_refused);
  EXPECT_TRUE(BalloonPort{}.holdings().empty());
}

}  // namespace
}  // namespace levee::api
