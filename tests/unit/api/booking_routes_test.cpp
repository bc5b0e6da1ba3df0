// The documented bookings below /api/gpu/memory/, and where else promises are shown.
#include <gmock/gmock.h>

#include "unit/api/ledger_fixture.hpp"

namespace levee::api {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// --- documented bookings

TEST(Allocate, BooksMemoryOfOneGpu) {
  LedgerHouse at;
  const Response response =
      at.allocate(R"({"allocation_id": "llm_model", "required_mb": 2048, "gpu_id": 1})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json_of(response), Json::parse(R"({"success": true, "data": {"allocated": true,
      "allocation_id": "llm_model", "allocated_mb": 2048, "uuid": "GPU-00000001-aaaa"}})"));
  EXPECT_EQ(at.house.json("/api/gpu/memory/available?gpu_id=1")["data"]["available_mb"], 1024);
  EXPECT_EQ(at.house.json("/api/gpu/memory/available?gpu_id=0")["data"]["available_mb"], 3072);
}

TEST(Allocate, RefusesInTheDocumentedForm) {
  LedgerHouse at;
  at.ledger.grant("taken", mib(1));
  struct Case {
    const char* body;
    int status;
    const char* code;
  };
  for (const Case& each :
       {Case{R"({"allocation_id": "taken", "required_mb": 1})", 409, "already_exists"},
        Case{R"({"allocation_id": "a", "required_mb": 4000})", 409, "resource_exhausted"},
        Case{R"({"allocation_id": "a", "required_mb": 1099511627776})", 409, "resource_exhausted"},
        Case{R"({"allocation_id": "a", "required_mb": 0})", 400, "invalid_argument"},
        Case{R"({"allocation_id": "a", "required_mb": 1, "gpu_id": 7})", 404, "not_found"},
        Case{R"({"allocation_id": "a", "required_mb": 1, "owner_pid": 812})", 403,
             "permission_denied"},
        Case{R"({"allocation_id": "a", "required_mb": 1, "owner_pid": 99})", 400,
             "invalid_argument"}}) {
    const Response response = at.allocate(each.body);
    EXPECT_EQ(response.status, each.status) << each.body;
    const Json json = json_of(response);
    EXPECT_EQ(json["success"], false) << each.body;
    EXPECT_EQ(json["code"], each.code) << each.body;
    EXPECT_NE(text_of(json, "error"), "") << each.body;
    EXPECT_NE(text_of(json, "hint"), "") << each.body;
  }
  EXPECT_THAT(at.ledger.book.leases(), SizeIs(1));
}

TEST(Allocate, IsBoundedByTheLimitAndLeasesAreNot) {
  LedgerHouse at;  // 75 % of 8192 MB is 6144, of which 3072 are in use.
  EXPECT_EQ(at.allocate(R"({"allocation_id": "a", "required_mb": 3073})").status, 409);
  EXPECT_EQ(at.allocate(R"({"allocation_id": "a", "required_mb": 3072})").status, 200);
  EXPECT_EQ(at.allocate(R"({"allocation_id": "b", "required_mb": 1})").status, 409);
  EXPECT_EQ(at.post(R"({"gpus": ["0"], "gpu_memory": "1500MB"})").status, 201);
  EXPECT_EQ(at.post(R"({"gpus": ["0"], "gpu_memory": "37MB"})").status, 409);
}

TEST(Allocate, DiesWithTheProcessThatIsNamed) {
  LedgerHouse at;
  ASSERT_EQ(at.allocate(R"({"allocation_id": "a", "required_mb": 1, "owner_pid": 5204})").status,
            200);
  EXPECT_EQ(at.ledger.last_request.owner, (ProcessId{Ledger::kBoot, kOwnPid, 77}));
}

TEST(Deallocate, GivesABookingBack) {
  LedgerHouse at;
  ASSERT_EQ(at.allocate(R"({"allocation_id": "a", "required_mb": 3072})").status, 200);
  const Response response = at.deallocate(R"({"allocation_id": "a"})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json_of(response), Json::parse(R"({"success": true,
      "data": {"deallocated": true, "allocation_id": "a"}})"));
  EXPECT_EQ(at.house.json("/api/gpu/memory/available")["data"]["available_mb"], 3072);
}

TEST(Deallocate, RefusesWhatIsNotThereOrNotOnesOwn) {
  LedgerHouse at;
  at.ledger.grant("theirs", mib(1), 1001);
  const Response unknown = at.deallocate(R"({"allocation_id": "a"})");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(json_of(unknown)["success"], false);
  const Response theirs = at.deallocate(R"({"allocation_id": "theirs"})");
  EXPECT_EQ(theirs.status, 403);
  EXPECT_EQ(json_of(theirs)["success"], false);
  EXPECT_NE(at.ledger.book.find("theirs"), nullptr);
}

TEST(Available, IsWhatTheLedgerSays) {
  LedgerHouse at;
  EXPECT_EQ(at.house.json("/api/gpu/memory/available"),
            Json::parse(R"({"success": true, "data": {"gpu_id": 0, "available_mb": 3072,
                            "free_mb": 5120, "limit_mb": 6144, "reserve_mb": 512}})"));
  at.ledger.rules.memory_limit = mib(100);
  EXPECT_EQ(at.house.json("/api/gpu/memory/available")["data"]["available_mb"], 0);
  EXPECT_EQ(at.house.json("/api/gpu/memory/available")["data"]["limit_mb"], 100);
  at.ledger.rules.memory_limit = gib(100);
  EXPECT_EQ(at.house.json("/api/gpu/memory/available")["data"]["available_mb"], 4608);
}

TEST(Available, SaysWhyNothingCanBePromised) {
  LedgerHouse at;
  at.ledger.supply.devices[0].why_not = "it is lost";
  const Response lost_gpu = at.house.get("/api/gpu/memory/available");
  EXPECT_EQ(lost_gpu.status, 503);
  EXPECT_EQ(json_of(lost_gpu)["error"], "nothing can be promised on GPU 0: it is lost");
  at.ledger.supply.devices.clear();
  const Response new_gpu = at.house.get("/api/gpu/memory/available?gpu_id=1");
  EXPECT_EQ(new_gpu.status, 503);
  EXPECT_THAT(text_of(json_of(new_gpu), "error"), HasSubstr("has just come"));
  EXPECT_EQ(at.house.get("/api/gpu/memory/available?gpu_id=7").status, 404);
}

// --- promises elsewhere

/// The house, its view as it is once a tick has seen the ledger.
struct SeenHouse : LedgerHouse {
  void see() {
    auto view = std::make_shared<View>(*house.view);
    view->daemon.ledger = ledger.view();
    house.view = std::move(view);
  }
};

TEST(GpuStatus, MapsAllocationsToTheirSize) {
  SeenHouse at;
  at.ledger.grant("llm", mib(2048));
  at.ledger.grant("other", mib(512), 1001);
  ASSERT_EQ(at.allocate(R"({"allocation_id": "elsewhere", "required_mb": 1, "gpu_id": 1})").status,
            200);
  ASSERT_EQ(
      at.post(R"({"id": "waits", "gpus": ["0"], "gpu_memory": "4GB", "wait_seconds": 9})").status,
      202);
  at.see();
  const Json data = at.house.json("/api/gpu/status")["data"];
  EXPECT_EQ(data["memory"]["allocation_stats"]["allocations"],
            Json::parse(R"({"llm": 2048, "other": 512})"));
}

TEST(Report, MapsAllocatedResources) {
  SeenHouse at;
  at.ledger.grant("llm", mib(1536), kOtherUid, gib(2));
  ASSERT_EQ(at.post(R"({"id": "both", "gpus": [0, 1], "gpu_memory": "512MB"})").status, 201);
  ASSERT_EQ(
      at.post(R"({"id": "waits", "gpus": ["0"], "gpu_memory": "4GB", "wait_seconds": 9})").status,
      202);
  at.see();
  EXPECT_EQ(at.house.json("/api/v1/monitoring/report")["allocated_resources"], Json::parse(R"({
      "both": {"cpu_memory_gb": 0.0, "gpu_memory_gb": 1.0, "timestamp": "2026-01-31T08:05:09.123Z"},
      "llm": {"cpu_memory_gb": 2.0, "gpu_memory_gb": 1.5,
              "timestamp": "2026-01-31T08:05:09.123Z"}})"));
}

TEST(GpuJson, SaysWhatMayStillBeGranted) {
  SeenHouse at;
  at.ledger.grant("llm", mib(1024));
  at.see();
  const auto available = [&] { return at.house.json("/api/v1/gpus")["gpus"][0]; };
  EXPECT_EQ(available()["memory_available_bytes"], mib(8192 - 512 - 3072 - 1024).count);
  EXPECT_EQ(available()["memory_committed_bytes"], mib(3072 + 1024).count);
  at.ledger.supply.devices[0].why_not = "it is lost";
  at.see();
  EXPECT_EQ(available()["memory_available_bytes"], 0);
}

}  // namespace
}  // namespace levee::api
