// /api/v1/leases and /api/v1/queue.
#include <gmock/gmock.h>

#include "unit/api/ledger_fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

// --- asking

TEST(PostLease, GrantsWhatFits) {
  LedgerHouse at;
  const Response response = at.post(R"({"id": "train-7", "name": "train.py", "gpus": ["0"],
      "gpu_memory": "1GB", "host_memory": "2GB", "ttl_seconds": 60})");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(json_of(response), Json::parse(R"({
      "id": "train-7", "name": "train.py", "kind": "booking", "state": "granted",
      "user": null, "uid": 1000,
      "gpus": [{"gpu_id": 0, "uuid": "GPU-00000000-aaaa", "bytes": 1073741824}],
      "host_bytes": 2147483648,
      "demand": {"gpus": [{"gpu_id": 0, "uuid": "GPU-00000000-aaaa", "bytes": 1073741824}],
                 "host_bytes": 2147483648},
      "priority": 0, "yieldable": false, "within": null, "model": null, "owner_pid": null,
      "asked": "2026-01-31T08:05:09.123Z", "granted": "2026-01-31T08:05:09.123Z",
      "expires_in_seconds": 60.0,
      "used": {"gpus": [], "host_bytes": 0}, "peak": {"gpus": [], "host_bytes": 0}})"));
  EXPECT_EQ(at.ledger.last_requester.uid, kOtherUid);
  EXPECT_FALSE(at.ledger.last_requester.is_administrator);
  // With nobody: it dies with the boot.
  EXPECT_EQ(at.ledger.last_request.owner, (ProcessId{Ledger::kBoot, 0, 0}));
}

TEST(PostLease, PutsWhoWaitsInLine) {
  LedgerHouse at;
  at.ledger.grant("first", gib(4));
  const Response response = at.post(
      R"({"id": "next", "gpus": 2, "gpu_memory": "4GB", "wait_seconds": 600, "placement": "pack"})");
  EXPECT_EQ(response.status, 202);
  const Json json = json_of(response);
  EXPECT_EQ(json["state"], "waiting");
  EXPECT_EQ(json["place"], 1);
  EXPECT_EQ(json["gives_up_in_seconds"], 600.0);
  EXPECT_EQ(json["gpus"], Json::array());
  EXPECT_EQ(json["host_bytes"], 0);
  EXPECT_TRUE(json["granted"].is_null());
  EXPECT_EQ(json["demand"],
            Json::parse(R"({"gpus": 2, "gpu_memory_bytes": 4294967296, "placement": "pack",
                            "host_bytes": 0})"));
  EXPECT_FALSE(json.contains("used"));
}

TEST(PostLease, MakesUpIds) {
  LedgerHouse at;
  const std::string one = text_of(json_of(at.post(R"({"host_memory": "1MB"})")), "id");
  const std::string two = text_of(json_of(at.post(R"({"host_memory": "1MB"})")), "id");
  EXPECT_THAT(one, StartsWith("lease-"));
  EXPECT_THAT(two, StartsWith("lease-"));
  EXPECT_NE(one, two);
}

TEST(PostLease, SaysWhatIsMissingAndWhoHoldsIt) {
  LedgerHouse at;
  at.ledger.grant("big", gib(3), 1001);
  const Response response =
      at.post(R"({"id": "a", "gpus": ["0"], "gpu_memory": "2GB", "host_memory": "23GB"})");
  EXPECT_EQ(response.status, 409);
  const Json json = json_of(response);
  EXPECT_THAT(keys_of(json), ElementsAre("detail", "hint", "code", "shortfalls", "holders"));
  EXPECT_EQ(json["code"], "resource_exhausted");
  EXPECT_THAT(text_of(json, "detail"), StartsWith("it does not fit: "));
  EXPECT_THAT(text_of(json, "hint"), HasSubstr("wait_seconds"));
  ASSERT_THAT(json["shortfalls"], SizeIs(2));
  EXPECT_EQ(json["shortfalls"][0], Json::parse(R"json({"resource": "GPU-00000000-aaaa",
      "label": "GPU 0 (NVIDIA GeForce RTX 4060)", "needed_bytes": 2147483648,
      "available_bytes": 1610612736, "missing_bytes": 536870912, "capacity_bytes": 8053063680,
      "reason": null})json"));
  EXPECT_EQ(json["shortfalls"][1], Json::parse(R"({"resource": "host", "label": "host memory",
      "needed_bytes": 24696061952, "available_bytes": 23622320128, "missing_bytes": 1073741824,
      "capacity_bytes": 32212254720, "reason": null})"));
  // The programs of no account hold as much as the lease does.
  EXPECT_EQ(json["holders"], Json::parse(R"([
      {"id": null, "name": "", "uid": null, "resource": "GPU-00000000-aaaa", "bytes": 3221225472},
      {"id": "big", "name": "train.py", "uid": 1001, "resource": "GPU-00000000-aaaa",
       "bytes": 3221225472}])"));
  EXPECT_EQ(at.ledger.book.find("a"), nullptr);
}

TEST(PostLease, SaysWhenWaitingIsInVain) {
  LedgerHouse at;
  for (const char* const body :
       {R"({"gpus": ["0"], "gpu_memory": "8GB", "wait_seconds": 60})",
        R"({"gpu_memory_bytes": 9223372036854775807, "wait_seconds": 60})",
        R"({"gpus": 2, "gpu_memory": "1GB", "min_compute": "9.0", "wait_seconds": 60})",
        R"({"host_memory_bytes": 9223372036854775807, "wait_seconds": 60})"}) {
    const Response response = at.post(body);
    EXPECT_EQ(response.status, 409) << body;
    EXPECT_THAT(text_of(json_of(response), "hint"), HasSubstr("waiting does not help")) << body;
  }
  EXPECT_THAT(at.ledger.book.leases(), IsEmpty());
}

TEST(PostLease, GivesTheReasonOfADeviceThatIsOutOfTheQuestion) {
  LedgerHouse at;
  at.ledger.supply.devices[0].why_not = "it is lost";
  const Json json = json_of(at.post(R"({"gpus": ["0"], "gpu_memory": "1MB"})"));
  ASSERT_THAT(json["shortfalls"], SizeIs(1));
  EXPECT_EQ(json["shortfalls"][0]["reason"], "it is lost");
}

TEST(PostLease, DeniesAnIdThatIsTaken) {
  LedgerHouse at;
  at.ledger.grant("a", mib(1), 1001);
  const Response response = at.post(R"({"id": "a", "host_memory": "1MB"})");
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(json_of(response)["code"], "already_exists");
  EXPECT_THAT(json_of(response)["shortfalls"], IsEmpty());
}

TEST(PostLease, LeavesRaisedPriorityToTheAdministrator) {
  LedgerHouse at;
  const char* const body = R"({"host_memory": "1MB", "priority": 1})";
  const Response refused = at.post(body);
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(text_of(json_of(refused), "detail"), HasSubstr("priority 1"));
  EXPECT_EQ(at.post(R"({"host_memory": "1MB", "priority": -1})").status, 201);
  at.house.uid = kDaemonUid;
  EXPECT_EQ(at.post(body).status, 201);
  EXPECT_TRUE(at.ledger.last_requester.is_administrator);
  at.house.uid = 0;
  EXPECT_EQ(at.post(body).status, 201);
}

TEST(PostLease, BoundsWhatAUserMayHave) {
  LedgerHouse at;
  at.ledger.rules.most_leases_per_user = 1;
  ASSERT_EQ(at.post(R"({"host_memory": "1MB"})").status, 201);
  const Response refused = at.post(R"({"host_memory": "1MB"})");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(json_of(refused)["code"], "resource_exhausted");
  EXPECT_THAT(text_of(json_of(refused), "hint"), HasSubstr("release a lease"));
  at.house.uid = 1001;
  EXPECT_EQ(at.post(R"({"host_memory": "1MB"})").status, 201);
}

TEST(PostLease, DiesWithAProcessOfTheRequesters) {
  LedgerHouse at;
  const Response response = at.post(R"({"host_memory": "1MB", "owner_pid": 5204})");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(json_of(response)["owner_pid"], kOwnPid);
  EXPECT_EQ(at.ledger.last_request.owner, (ProcessId{Ledger::kBoot, kOwnPid, 77}));

  const Response strangers = at.post(R"({"host_memory": "1MB", "owner_pid": 812})");
  EXPECT_EQ(strangers.status, 403);
  EXPECT_THAT(text_of(json_of(strangers), "detail"), HasSubstr("process 812 belongs to user 1001"));
  const Response nobodys = at.post(R"({"host_memory": "1MB", "owner_pid": 99})");
  EXPECT_EQ(nobodys.status, 400);
  EXPECT_THAT(text_of(json_of(nobodys), "detail"), HasSubstr("there is no process 99"));
  EXPECT_THAT(at.ledger.book.leases(), SizeIs(1));

  at.house.uid = kDaemonUid;
  EXPECT_EQ(at.post(R"({"host_memory": "1MB", "owner_pid": 812})").status, 201);
}

TEST(PostLease, IsForUsersThatAreKnown) {
  LedgerHouse at;
  at.house.uid.reset();
  for (const Response& response : {at.post(R"({"host_memory": "1MB"})"), at.release("a"),
                                   at.allocate(R"({"allocation_id": "a", "required_mb": 1})"),
                                   at.deallocate(R"({"allocation_id": "a"})")}) {
    EXPECT_EQ(response.status, 403);
  }
  EXPECT_EQ(at.house.get("/api/v1/leases").status, 200);  // Anybody may look.
  EXPECT_EQ(at.house.get("/api/v1/queue").status, 200);
  EXPECT_THAT(at.ledger.book.leases(), IsEmpty());
}

struct Body {
  const char* text;
  const char* message;
};
class WrongBody : public testing::TestWithParam<Body> {};
TEST_P(WrongBody, IsABadRequest) {
  LedgerHouse at;
  for (const char* const path :
       {"/api/v1/leases", "/api/gpu/memory/allocate", "/api/gpu/memory/deallocate"}) {
    const Response response = at.house.ask("POST", path, GetParam().text);
    EXPECT_EQ(response.status, 400) << path;
    EXPECT_THAT(*response.body, HasSubstr(GetParam().message)) << path;
  }
  EXPECT_THAT(at.ledger.book.leases(), IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(
    PostLease, WrongBody,
    testing::Values(Body{"", "the body is empty"}, Body{"{", "not JSON"}, Body{"[]", "an array"},
                    Body{"null", "null"}, Body{"5", "number"}, Body{"\"a\"", "string"},
                    Body{R"({"gpu_memory_bytes": NaN})", "not JSON"},
                    Body{R"({"required_mb": -Infinity})", "not JSON"},
                    Body{R"({"gpu_memory_bytes": 1e400})", "not JSON"},
                    Body{R"({"required_mb": -1e400})", "not JSON"},
                    Body{R"({"id": "a", "id": "b"})", "more than once"},
                    Body{"{\"id\": \"\xff\"}", "not JSON"}, Body{"{'id': 'a'}", "not JSON"},
                    Body{R"({"id": "a"} {})", "not JSON"},
                    Body{"{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}", "levels deep"},
                    Body{R"({"nonsense": 1})", "nonsense"}));

TEST(PostLease, RefusesWhatIsNoIdWithoutRepeatingIt) {
  LedgerHouse at;
  // The last one is cut within a character where it is quoted.
  for (const std::string& id :
       {std::string(10'000, 'x'), std::string(201, 'x'), std::string("a\\nb"),
        std::string("a\\u0000b"), "x" + std::string(5'000, 'e') + "\xC3\xA9", [] {
          std::string text = "x";
          for (int i = 0; i < 5'000; ++i) {
            text += "\xC3\xA9";
          }
          return text;
        }()}) {
    const Response response = at.post(R"({"host_memory": "1MB", "id": ")" + id + R"("})");
    EXPECT_EQ(response.status, 400) << id.substr(0, 10);
    EXPECT_LT(response.body->size(), 500U);
    EXPECT_THAT(text_of(json_of(response), "detail"), HasSubstr("is no id for a lease"));
    const Response booking = at.allocate(R"({"required_mb": 1, "allocation_id": ")" + id + R"("})");
    EXPECT_EQ(booking.status, 400) << id.substr(0, 10);
  }
  EXPECT_EQ(at.post(R"({"host_memory": "1MB", "id": ")" + std::string(200, 'x') + R"("})").status,
            201);
  EXPECT_EQ(at.post(R"({"host_memory": "1MB", "name": ")" + std::string(201, 'x') + R"("})").status,
            400);
}

TEST(PostLease, RefusesWhatIsAskedForByMistake) {
  LedgerHouse at;
  for (const auto& [body, message] : std::vector<std::pair<std::string, std::string>>{
           {"{}", "nothing is asked for"},
           {R"({"id": "a"})", "nothing is asked for"},
           {R"({"gpus": ["0", "0"], "gpu_memory": "1MB"})", "named twice"},
           {R"({"gpus": [0, "GPU-00000000-aaaa"], "gpu_memory": "1MB"})", "named twice"},
           {R"({"gpu_memory": "1MB", "within": "nobody"})", "no granted lease"},
           {R"({"gpu_memory": "1MB", "gpus": 3})", "3 GPUs are asked for"}}) {
    const Response response = at.post(body);
    EXPECT_THAT(response.status, testing::AnyOf(400, 404)) << body;
    EXPECT_THAT(text_of(json_of(response), "detail"), HasSubstr(message));
    EXPECT_NE(text_of(json_of(response), "hint"), "") << body;
  }
}

TEST(PostLease, NeedsTheRightContentType) {
  LedgerHouse at;
  for (const char* const type : {"", "text/plain", "application/x-www-form-urlencoded"}) {
    Request request = at.house.request("POST", "/api/v1/leases", R"({"host_memory": "1MB"})");
    request.content_type = type;
    EXPECT_EQ(at.house.answer(request).status, 415) << type;
  }
  EXPECT_THAT(at.ledger.book.leases(), IsEmpty());
}

TEST(Leases, AnswerWithoutALedgerOrAView) {
  House no_ledger;
  no_ledger.view = view_with({example_gpu()});
  LedgerHouse no_view;
  no_view.house.view = nullptr;
  struct Way {
    const char* method;
    const char* target;
    const char* body;
    bool needs_view;
  };
  for (const Way& way :
       {Way{"POST", "/api/v1/leases", R"({"host_memory": "1MB"})", true},
        Way{"GET", "/api/v1/leases", "", false}, Way{"GET", "/api/v1/leases?id=a", "", false},
        Way{"DELETE", "/api/v1/leases?id=a", "", false}, Way{"GET", "/api/v1/queue", "", false},
        Way{"POST", "/api/gpu/memory/allocate", R"({"allocation_id": "a", "required_mb": 1})",
            true},
        Way{"POST", "/api/gpu/memory/deallocate", R"({"allocation_id": "a"})", false},
        Way{"GET", "/api/gpu/memory/available", "", true}}) {
    const Response response = no_ledger.ask(way.method, way.target, way.body);
    EXPECT_EQ(response.status, 503) << way.target;
    EXPECT_THAT(*response.body, HasSubstr("there is no ledger")) << way.target;
    const int blind = no_view.house.ask(way.method, way.target, way.body).status;
    EXPECT_EQ(blind == 503, way.needs_view) << way.method << " " << way.target << " " << blind;
  }
}

TEST(Leases, PassTheErrorOfTheLedgerOn) {
  LedgerHouse at;
  at.ledger.failure = Error{ErrorCode::unavailable, "the ledger is too busy", "try again"};
  for (const Response& response :
       {at.post(R"({"host_memory": "1MB"})"), at.release("a"), at.house.get("/api/v1/leases"),
        at.house.get("/api/v1/leases?id=a&wait_seconds=5"), at.house.get("/api/v1/queue")}) {
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(json_of(response),
              Json::parse(R"({"detail": "the ledger is too busy", "hint": "try again",
                              "code": "unavailable"})"));
  }
  for (const Response& response :
       {at.allocate(R"({"allocation_id": "a", "required_mb": 1})"),
        at.deallocate(R"({"allocation_id": "a"})"), at.house.get("/api/gpu/memory/available")}) {
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(json_of(response)["success"], false);
    EXPECT_EQ(json_of(response)["error"], "the ledger is too busy");
  }
}

// --- looking

TEST(GetLeases, ShowsThePromisesAndWhatIsLeft) {
  LedgerHouse at;
  at.ledger.grant("a", gib(3), kOtherUid, gib(1));
  at.ledger.uses["a"] = {gib(1), gib(2)};
  ASSERT_EQ(
      at.post(R"({"id": "b", "gpus": ["0"], "gpu_memory": "4GB", "wait_seconds": 60})").status,
      202);
  const Json json = at.house.json("/api/v1/leases");
  EXPECT_THAT(keys_of(json),
              ElementsAre("leases", "waiting", "gpus", "host", "durable", "trouble"));
  ASSERT_THAT(json["leases"], SizeIs(1));
  const Json& lease = json["leases"][0];
  EXPECT_EQ(lease["id"], "a");
  EXPECT_EQ(lease["user"], "user1000");
  EXPECT_EQ(lease["used"]["gpus"][0]["bytes"], gib(1).count);
  EXPECT_EQ(lease["peak"]["gpus"][0],
            Json({{"gpu_id", 0}, {"uuid", kUuid}, {"bytes", gib(2).count}}));
  EXPECT_TRUE(lease["expires_in_seconds"].is_null());
  EXPECT_EQ(json["waiting"], 1);
  EXPECT_EQ(json["gpus"][0], Json::parse(R"({"gpu_id": 0, "uuid": "GPU-00000000-aaaa",
      "name": "NVIDIA GeForce RTX 4060", "capacity_bytes": 8053063680,
      "promised_bytes": 3221225472, "committed_bytes": 6442450944,
      "unaccounted_bytes": 3221225472, "available_bytes": 1610612736, "bookable_bytes": 0,
      "why_not": null})"));
  EXPECT_EQ(json["host"], Json::parse(R"({"capacity_bytes": 32212254720,
                                          "available_bytes": 22548578304})"));
  EXPECT_EQ(json["durable"], false);
  EXPECT_TRUE(json["trouble"].is_null());
}

TEST(GetLeases, IsEmptyWhereNobodyHasAny) {
  LedgerHouse at;
  EXPECT_EQ(at.house.json("/api/v1/leases")["leases"], Json::array());
  EXPECT_EQ(at.house.json("/api/v1/queue"), Json::parse(R"({"queue": []})"));
}

TEST(GetLeases, KnowsGpusThatHaveGoneByTheirUuidOnly) {
  LedgerHouse at;
  at.ledger.grant("a", gib(1));
  at.house.view = view_with({});
  const Json json = at.house.json("/api/v1/leases");
  EXPECT_EQ(json["leases"][0]["gpus"][0],
            Json({{"gpu_id", nullptr}, {"uuid", kUuid}, {"bytes", gib(1).count}}));
}

TEST(GetQueue, IsInOrder) {
  LedgerHouse at;
  at.ledger.grant("a", gib(4));
  for (const auto& [id, priority] :
       std::vector<std::pair<std::string, int>>{{"second", 0}, {"last", -5}, {"third", 0}}) {
    ASSERT_EQ(at.post(R"({"gpus": ["0"], "gpu_memory": "4GB", "wait_seconds": 60, "id": ")" + id +
                      R"(", "priority": )" + std::to_string(priority) + "}")
                  .status,
              202);
  }
  at.house.uid = kDaemonUid;
  ASSERT_EQ(at.post(R"({"id": "first", "gpus": ["0"], "gpu_memory": "4GB", "wait_seconds": 60,
                        "priority": 1})")
                .status,
            202);
  std::vector<std::string> ids;
  std::vector<int> places;
  const Json queue = at.house.json("/api/v1/queue");
  for (const Json& each : queue["queue"]) {
    ids.push_back(each["id"]);
    places.push_back(each["place"]);
  }
  EXPECT_THAT(ids, ElementsAre("first", "second", "third", "last"));
  EXPECT_THAT(places, ElementsAre(1, 2, 3, 4));
}

TEST(GetLease, ShowsOneOrWaitsForIt) {
  LedgerHouse at;
  at.ledger.grant("a", gib(1));
  EXPECT_EQ(at.house.json("/api/v1/leases?id=a")["state"], "granted");
  EXPECT_EQ(at.house.json("/api/v1/leases?id=a&wait_seconds=0")["id"], "a");
  EXPECT_EQ(at.house.json("/api/v1/leases?wait_seconds=300&id=a")["id"], "a");
  using std::chrono::seconds;
  EXPECT_THAT(at.ledger.patience, ElementsAre(seconds{0}, seconds{0}, seconds{300}));
}

TEST(GetLease, SaysWhyARequestIsOver) {
  LedgerHouse at;
  for (const char* const why : {"gave_up", "owner_ended", "released", "expired"}) {
    at.ledger.why_over["a"] = why;
    const Response response = at.house.get("/api/v1/leases?id=a&wait_seconds=30");
    EXPECT_EQ(response.status, 410);
    const Json json = json_of(response);
    EXPECT_EQ(json["reason"], why);
    EXPECT_EQ(json["code"], "timed_out");
    EXPECT_THAT(text_of(json, "detail"), HasSubstr(why));
    EXPECT_NE(text_of(json, "hint"), "");
  }
}

TEST(GetLease, RefusesWhatIsNoQuestion) {
  LedgerHouse at;
  at.ledger.grant("a", gib(1));
  for (const auto& [query, status, message] :
       std::vector<std::tuple<const char*, int, const char*>>{
           {"id=b", 404, "there is no lease"},
           {"id=A", 404, "there is no lease"},
           {"id=", 400, "no lease is named"},
           {"id", 400, "no lease is named"},
           {"id=a&id=b", 400, "more than once"},
           {"wait_seconds=5", 400, "about one lease"},
           {"id=a&wait_seconds=301", 400, "from 0 to 300"},
           {"id=a&wait_seconds=-1", 400, "wait_seconds"},
           {"id=a&wait_seconds=1.5", 400, "wait_seconds"},
           {"id=a&wait_seconds=", 400, "wait_seconds"},
           {"id=a&wait_seconds=99999999999999999999", 400, "wait_seconds"},
           {"ID=a", 400, "unknown query parameter"},
           {"id=a&user=x", 400, "unknown query parameter"}}) {
    const Response response = at.house.get(std::string("/api/v1/leases?") + query);
    EXPECT_EQ(response.status, status) << query;
    EXPECT_THAT(text_of(json_of(response), "detail"), HasSubstr(message)) << query;
  }
  EXPECT_EQ(at.house.get("/api/v1/queue?id=a").status, 400);
}

// --- releasing

TEST(DeleteLease, GivesOnesOwnBack) {
  LedgerHouse at;
  at.ledger.grant("a b", gib(1));
  at.ledger.uses["a b"] = {gib(1), gib(2)};
  const Response response = at.release("a%20b");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json_of(response)["released"]["id"], "a b");
  EXPECT_EQ(json_of(response)["released"]["peak"]["gpus"][0]["bytes"], gib(2).count);
  EXPECT_EQ(at.release("a%20b").status, 404);
}

TEST(DeleteLease, LeavesTheLine) {
  LedgerHouse at;
  at.ledger.grant("a", gib(4));
  ASSERT_EQ(
      at.post(R"({"id": "b", "gpus": ["0"], "gpu_memory": "4GB", "wait_seconds": 60})").status,
      202);
  const Response response = at.release("b");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json_of(response)["released"]["state"], "waiting");
  EXPECT_EQ(at.house.json("/api/v1/queue")["queue"], Json::array());
}

TEST(DeleteLease, LeavesOthersAlone) {
  LedgerHouse at;
  at.ledger.grant("theirs", gib(1), 1001);
  const Response refused = at.release("theirs");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(text_of(json_of(refused), "detail"), HasSubstr("belongs to user 1001"));
  EXPECT_EQ(at.release("").status, 400);
  EXPECT_EQ(at.house.ask("DELETE", "/api/v1/leases").status, 400);
  EXPECT_EQ(at.house.ask("DELETE", "/api/v1/leases?id=theirs&wait_seconds=1").status, 400);
  EXPECT_NE(at.ledger.book.find("theirs"), nullptr);
  at.house.uid = kDaemonUid;
  EXPECT_EQ(at.release("theirs").status, 200);
}

}  // namespace
}  // namespace levee::api
