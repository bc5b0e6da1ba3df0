// Requests for leases and bookings as JSON.
#include "api/lease_request.hpp"

#include <gmock/gmock.h>

#include "unit/api/gpu_fixture.hpp"

namespace levee::api {
namespace {

using ledger::DeviceShare;
using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<View> two_gpus() {
  return view_with({example_gpu(0), example_gpu(1), example_instance()});
}

Result<LeaseBody> lease(const std::string& json) {
  return lease_body(Json::parse(json), *two_gpus());
}
Result<LeaseBody> booking(const std::string& json) {
  return booking_body(Json::parse(json), *two_gpus());
}

/// Fit for the name of a test case that differs by its text.
struct Wrong {
  const char* json;
  const char* message;
  const char* hint;
  ErrorCode code = ErrorCode::invalid_argument;
};

void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.json; }

void expect_refused(const Result<LeaseBody>& body, const Wrong& wrong) {
  ASSERT_FALSE(body) << wrong.json;
  EXPECT_EQ(body.error().code, wrong.code);
  EXPECT_THAT(body.error().message, HasSubstr(wrong.message));
  EXPECT_THAT(body.error().hint, HasSubstr(wrong.hint));
}

// --- leases

TEST(LeaseBody, TakesEveryField) {
  const auto body = lease(R"({"id": "train-7", "name": "train.py", "kind": "worker",
      "gpus": ["1", "MIG-1234"], "gpu_memory": "1.5GB", "host_memory_bytes": 77,
      "placement": "spread", "min_compute": "8.6", "priority": -3, "yieldable": true,
      "within": "outer", "owner_pid": 4711, "ttl_seconds": 60, "wait_seconds": 600})");
  ASSERT_TRUE(body) << body.error().message;
  const ledger::Request& request = body->request;
  EXPECT_EQ(request.id, "train-7");
  EXPECT_EQ(request.name, "train.py");
  EXPECT_EQ(request.demand.kind, ledger::LeaseKind::worker);
  EXPECT_THAT(request.demand.named, ElementsAre(DeviceShare{"GPU-00000001-aaaa", mib(1536)},
                                                DeviceShare{"MIG-1234", mib(1536)}));
  EXPECT_EQ(request.demand.any_devices, 0U);
  EXPECT_EQ(request.demand.host, Bytes{77});
  EXPECT_EQ(request.demand.placement, ledger::Placement::spread);
  EXPECT_EQ(request.demand.least_capability, (ComputeCapability{8, 6}));
  EXPECT_EQ(request.demand.priority, -3);
  EXPECT_TRUE(request.demand.yieldable);
  EXPECT_FALSE(request.demand.obeys_limit);
  EXPECT_EQ(request.demand.within, "outer");
  EXPECT_EQ(request.ttl, std::chrono::seconds{60});
  EXPECT_EQ(request.wait, std::chrono::seconds{600});
  EXPECT_EQ(body->owner_pid, 4711);
}

TEST(LeaseBody, WantsNothingThatIsNotAskedFor) {
  for (const char* const json :
       {"{}", R"({"id": null, "name": null, "kind": null, "gpus": null, "gpu_memory": null,
          "gpu_memory_bytes": null, "host_memory": null, "host_memory_bytes": null,
          "placement": null, "min_compute": null, "priority": null, "yieldable": null,
          "within": null, "owner_pid": null, "ttl_seconds": null, "wait_seconds": null})"}) {
    const auto body = lease(json);
    ASSERT_TRUE(body) << body.error().message;
    EXPECT_EQ(body->request.id, "");
    EXPECT_EQ(body->request.demand, ledger::Demand{});
    EXPECT_EQ(body->request.ttl, std::nullopt);
    EXPECT_EQ(body->request.wait, std::nullopt);
    EXPECT_EQ(body->owner_pid, std::nullopt);
  }
}

TEST(LeaseBody, AsksForOneGpuWhereOnlyMemoryIsNamed) {
  const auto body = lease(R"({"gpu_memory": "12GB"})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->request.demand.any_devices, 1U);
  EXPECT_EQ(body->request.demand.bytes_each, gib(12));
  const auto many = lease(R"({"gpu_memory_bytes": 5, "gpus": 64})");
  ASSERT_TRUE(many);
  EXPECT_EQ(many->request.demand.any_devices, 64U);
  EXPECT_EQ(many->request.demand.bytes_each, Bytes{5});
}

TEST(LeaseBody, KnowsGpusByIndexUuidAndItsBeginning) {
  const auto body = lease(R"({"gpus": [0, "GPU-00000001", "MIG-1234"], "gpu_memory": "1GB"})");
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_THAT(body->request.demand.named, ElementsAre(DeviceShare{"GPU-00000000-aaaa", gib(1)},
                                                      DeviceShare{"GPU-00000001-aaaa", gib(1)},
                                                      DeviceShare{"MIG-1234", gib(1)}));
}

TEST(LeaseBody, TakesTheEdgesOfItsNumbers) {
  const auto body = lease(R"({"gpu_memory_bytes": 9223372036854775807, "priority": -1000,
      "owner_pid": 2147483647, "ttl_seconds": 31536000, "wait_seconds": 0})");
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(body->request.demand.bytes_each, Bytes{9'223'372'036'854'775'807U});
  EXPECT_EQ(body->request.wait, std::chrono::seconds{0});
  EXPECT_EQ(body->owner_pid, 2'147'483'647);
}

TEST(LeaseBody, TakesACapabilityWithoutAFraction) {
  const auto body = lease(R"({"host_memory": "1GB", "min_compute": "9"})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->request.demand.least_capability, (ComputeCapability{9, 0}));
}

TEST(LeaseBody, LeavesWhatAnIdMayBeToTheLedger) {
  const std::string id(10'000, 'x');
  const auto body = lease(R"({"id": ")" + id + R"("})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->request.id, id);
}

class WrongLease : public testing::TestWithParam<Wrong> {};
TEST_P(WrongLease, IsRefusedWithAHint) { expect_refused(lease(GetParam().json), GetParam()); }
INSTANTIATE_TEST_SUITE_P(
    Unknown, WrongLease,
    testing::Values(Wrong{R"({"gpu_memroy": "1GB"})", "\"gpu_memroy\"", "did you mean gpu_memory?"},
                    Wrong{R"({"ttl": 5})", "\"ttl\" is nothing a lease has", "ttl_seconds"},
                    Wrong{R"({"": 5})", "\"\" is nothing", "it may have id, name"},
                    Wrong{R"({"ID": "a"})", "\"ID\"", "did you mean id?"},
                    Wrong{R"({"allocation_id": "a"})", "\"allocation_id\"", ""},
                    Wrong{R"({"owner": null})", "\"owner\"", ""}));
INSTANTIATE_TEST_SUITE_P(
    Text, WrongLease,
    testing::Values(Wrong{R"({"id": 5})", "\"id\" is not a text", "in quotes"},
                    Wrong{R"({"id": ""})", "\"id\" is empty", "leave it out"},
                    Wrong{R"({"id": ["a"]})", "\"id\" is not a text", ""},
                    Wrong{R"({"name": false})", "\"name\" is not a text", ""},
                    Wrong{R"({"within": ""})", "\"within\" is empty", "leave it out"},
                    Wrong{R"({"within": {}})", "\"within\" is not a text", ""},
                    Wrong{R"({"kind": "train"})", "\"kind\" is \"train\"", "booking, balloon"},
                    Wrong{R"({"kind": ""})", "\"kind\" is \"\"", "booking"},
                    Wrong{R"({"kind": "Booking"})", "\"Booking\"", "booking"},
                    Wrong{R"({"kind": 1})", "\"kind\" is not a text", ""},
                    Wrong{R"({"placement": "best-fit"})", "\"best-fit\"", "best_fit, spread, pack"},
                    Wrong{R"({"placement": ""})", "\"placement\" is \"\"", "best_fit"},
                    Wrong{R"({"yieldable": "true"})", "neither true nor false", "true or false"},
                    Wrong{R"({"yieldable": 1})", "neither true nor false", ""}));
INSTANTIATE_TEST_SUITE_P(
    Capability, WrongLease,
    testing::Values(Wrong{R"({"min_compute": "banana"})", "\"min_compute\" is \"banana\"", "8.0"},
                    Wrong{R"({"min_compute": 8.0})", "\"min_compute\" is not a text", "in quotes"},
                    Wrong{R"({"min_compute": ""})", "\"min_compute\" is \"\"", "8.0"},
                    Wrong{R"({"min_compute": "8."})", "\"8.\"", ""},
                    Wrong{R"({"min_compute": ".5"})", "\".5\"", ""},
                    Wrong{R"({"min_compute": "-8.0"})", "\"-8.0\"", ""},
                    Wrong{R"({"min_compute": "8.-1"})", "\"8.-1\"", ""},
                    Wrong{R"({"min_compute": "8.0.1"})", "\"8.0.1\"", ""},
                    Wrong{R"({"min_compute": "8 .0"})", "\"8 .0\"", ""},
                    Wrong{R"({"min_compute": "100"})", "\"100\"", ""},
                    Wrong{R"({"min_compute": "99999999999"})", "\"99999999999\"", ""},
                    Wrong{R"({"min_compute": "sm_80"})", "\"sm_80\"", ""}));
INSTANTIATE_TEST_SUITE_P(
    Amount, WrongLease,
    testing::Values(
        Wrong{R"({"gpu_memory": 12})", "\"gpu_memory\" is \"12\"", "or as gpu_memory_bytes"},
        Wrong{R"({"gpu_memory": "0GB"})", "gpu_memory: ", ""},
        Wrong{R"({"gpu_memory": "-1GB"})", "gpu_memory: ", ""},
        Wrong{R"({"gpu_memory": ""})", "gpu_memory: ", ""},
        Wrong{R"({"gpu_memory": "NaN"})", "gpu_memory: ", ""},
        Wrong{R"({"gpu_memory": "inf GB"})", "gpu_memory: ", ""},
        Wrong{R"({"gpu_memory": "1e400GB"})", "gpu_memory: ", ""},
        Wrong{R"({"gpu_memory": "99999999999999TB"})", "gpu_memory: ", ""},
        Wrong{R"({"gpu_memory": "50%"})", "gpu_memory: ", ""},
        Wrong{R"({"gpu_memory": "lots"})", "gpu_memory: ", ""},
        Wrong{R"({"gpu_memory": ["1GB"]})", "\"gpu_memory\" is", "with a unit"},
        Wrong{R"({"gpu_memory": "1GB", "gpu_memory_bytes": 1})", "both gpu_memory and gpu_memory_b",
              "give one of them"},
        Wrong{R"({"host_memory": "1GB", "host_memory_bytes": 1})", "both host_memory and",
              "give one of them"},
        Wrong{R"({"gpu_memory_bytes": 0})", "\"gpu_memory_bytes\" is \"0\"", "from 1 to"},
        Wrong{R"({"gpu_memory_bytes": -1})", "\"-1\"", "a whole number from 1"},
        Wrong{R"({"gpu_memory_bytes": 1.5})", "\"1.5\"", "a whole number"},
        Wrong{R"({"gpu_memory_bytes": 1e18})", "\"gpu_memory_bytes\" is", "a whole number"},
        Wrong{R"({"gpu_memory_bytes": 18446744073709551615})", "\"18446744073709551615\"", ""},
        Wrong{R"({"gpu_memory_bytes": 9223372036854775808})", "\"9223372036854775808\"", ""},
        Wrong{R"({"gpu_memory_bytes": "1GB"})", "\"gpu_memory_bytes\" is", "a whole number"},
        Wrong{R"({"gpu_memory_bytes": true})", "\"true\"", "a whole number"},
        Wrong{R"({"host_memory": 5})", "\"host_memory\" is \"5\"", "host_memory_bytes"},
        Wrong{R"({"host_memory": "0"})", "host_memory: ", ""},
        Wrong{R"({"host_memory_bytes": 0})", "\"host_memory_bytes\" is \"0\"", ""},
        Wrong{R"({"host_memory_bytes": {}})", "\"{}\"", ""}));
INSTANTIATE_TEST_SUITE_P(
    Gpus, WrongLease,
    testing::Values(
        Wrong{R"({"gpus": 1})", "not how much of them", "\"gpu_memory\": \"12GB\""},
        Wrong{R"({"gpus": ["0"]})", "not how much of them", "gpu_memory"},
        Wrong{R"({"gpus": []})", "not how much of them", "gpu_memory"},
        Wrong{R"({"gpus": [], "gpu_memory": "1GB"})", "the list of GPUs is empty", "at least one"},
        Wrong{R"({"gpus": 0, "gpu_memory": "1GB"})", "\"gpus\" is \"0\"", "from 1 to 64"},
        Wrong{R"({"gpus": 65, "gpu_memory": "1GB"})", "\"65\"", "from 1 to 64"},
        Wrong{R"({"gpus": -1, "gpu_memory": "1GB"})", "\"-1\"", "from 1 to 64"},
        Wrong{R"({"gpus": 1.0, "gpu_memory": "1GB"})", "\"1.0\"", "a whole number"},
        Wrong{R"({"gpus": "0", "gpu_memory": "1GB"})", "\"gpus\" is", ""},
        Wrong{R"({"gpus": {}, "gpu_memory": "1GB"})", "\"gpus\" is", ""},
        Wrong{R"({"gpus": ["9"], "gpu_memory": "1GB"})", "there is no GPU \"9\"", "there is 0, 1",
              ErrorCode::not_found},
        Wrong{R"({"gpus": ["0", "GPU-zzzz"], "gpu_memory": "1GB"})", "no GPU \"GPU-zzzz\"", "",
              ErrorCode::not_found},
        Wrong{R"({"gpus": [""], "gpu_memory": "1GB"})", "no GPU \"\"", "", ErrorCode::not_found},
        Wrong{R"({"gpus": ["-1"], "gpu_memory": "1GB"})", "no GPU \"-1\"", "",
              ErrorCode::not_found},
        Wrong{R"({"gpus": ["GPU-0000"], "gpu_memory": "1GB"})", "several GPUs", "more of it"},
        Wrong{R"({"gpus": [-1], "gpu_memory": "1GB"})", "\"-1\" names no GPU", "its index"},
        Wrong{R"({"gpus": [true], "gpu_memory": "1GB"})", "\"true\" names no GPU", ""},
        Wrong{R"({"gpus": [null], "gpu_memory": "1GB"})", "\"null\" names no GPU", ""},
        Wrong{R"({"gpus": [[0]], "gpu_memory": "1GB"})", "\"[0]\" names no GPU", ""},
        Wrong{R"({"gpus": [0.5], "gpu_memory": "1GB"})", "\"0.5\" names no GPU", ""}));
INSTANTIATE_TEST_SUITE_P(
    Number, WrongLease,
    testing::Values(
        Wrong{R"({"priority": 1001})", "\"priority\" is \"1001\"", "from -1000 to 1000"},
        Wrong{R"({"priority": -1001})", "\"-1001\"", ""},
        Wrong{R"({"priority": "high"})", "\"priority\" is", "a whole number"},
        Wrong{R"({"priority": 0.5})", "\"0.5\"", ""},
        Wrong{R"({"priority": -9223372036854775808})", "\"priority\" is", ""},
        Wrong{R"({"owner_pid": 0})", "\"owner_pid\" is \"0\"", "from 1 to"},
        Wrong{R"({"owner_pid": -1})", "\"-1\"", ""},
        Wrong{R"({"owner_pid": 2147483648})", "\"2147483648\"", "from 1 to 2147483647"},
        Wrong{R"({"owner_pid": "4711"})", "\"owner_pid\" is", ""},
        Wrong{R"({"ttl_seconds": 0})", "\"ttl_seconds\" is \"0\"", "from 1 to 31536000"},
        Wrong{R"({"ttl_seconds": -5})", "\"-5\"", ""},
        Wrong{R"({"ttl_seconds": 31536001})", "\"31536001\"", ""},
        Wrong{R"({"ttl_seconds": 1e3})", "\"ttl_seconds\" is", "a whole number"},
        Wrong{R"({"wait_seconds": -1})", "\"-1\"", "from 0"},
        Wrong{R"({"wait_seconds": "10m"})", "\"wait_seconds\" is", ""},
        Wrong{R"({"wait_seconds": 9223372036854775807})", "\"wait_seconds\" is", ""}));

TEST(LeaseBody, TellsTheFirstOfManyFaults) {
  const auto body = lease(R"({"priority": "x", "id": 5, "nonsense": 1, "gpu_memory": 0})");
  ASSERT_FALSE(body);
  EXPECT_THAT(body.error().message, HasSubstr("nonsense"));
}

TEST(LeaseBody, QuotesNoMoreThanALineOfWhatWasSent) {
  const std::string longest(10'000, 'x');
  for (const std::string& json :
       {R"({")" + longest + R"(": 1})", R"({"kind": ")" + longest + R"("})",
        R"({"gpu_memory": "1GB", "gpus": [[")" + longest + R"("]]})",
        R"({"gpu_memory": "1GB", "gpus": [")" + longest + R"("]})",
        R"({"priority": ")" + longest + R"("})", R"({"gpu_memory": [")" + longest + R"("]})",
        R"({"gpu_memory": ")" + longest + R"("})", R"({"min_compute": ")" + longest + R"("})"}) {
    const auto body = lease(json);
    ASSERT_FALSE(body) << json.substr(0, 40);
    EXPECT_LT(body.error().message.size(), 300U) << json.substr(0, 40);
    EXPECT_LT(body.error().hint.size(), 400U) << json.substr(0, 40);
  }
}

// --- documented bookings

TEST(BookingBody, IsTheDocumentedOne) {
  const auto body = booking(R"({"allocation_id": "llm_model", "required_mb": 2048, "gpu_id": 1})");
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(body->request.id, "llm_model");
  EXPECT_THAT(body->request.demand.named, ElementsAre(DeviceShare{"GPU-00000001-aaaa", gib(2)}));
  EXPECT_TRUE(body->request.demand.obeys_limit);
  EXPECT_EQ(body->request.demand.kind, ledger::LeaseKind::booking);
  EXPECT_EQ(body->request.wait, std::nullopt);
  EXPECT_EQ(body->owner_pid, std::nullopt);
}

TEST(BookingBody, MeansTheFirstGpuUnlessOneIsNamed) {
  for (const char* const json :
       {R"({"allocation_id": "a", "required_mb": 1})",
        R"({"allocation_id": "a", "required_mb": 1, "gpu_id": null})",
        R"({"allocation_id": "a", "required_mb": 1, "gpu_id": "0"})",
        R"({"allocation_id": "a", "required_mb": 1, "gpu_id": "GPU-00000000-aaaa"})"}) {
    const auto body = booking(json);
    ASSERT_TRUE(body) << json;
    EXPECT_THAT(body->request.demand.named, ElementsAre(DeviceShare{"GPU-00000000-aaaa", mib(1)}));
  }
}

TEST(BookingBody, SaysThatThereIsNoGpuOnAMachineWithoutAny) {
  const auto body =
      booking_body(Json::parse(R"({"allocation_id": "a", "required_mb": 1})"), *example_view());
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code, ErrorCode::not_found);
  EXPECT_THAT(body.error().hint, HasSubstr("levee doctor"));
}

TEST(LeaseBody, PutsWhoNamesAGpuBeforeTheyAreKnownOff) {
  auto view = example_view();
  auto snapshot = std::make_shared<Snapshot>(*view->snapshot);
  snapshot->gpus_known = false;
  view->snapshot = snapshot;
  const auto body = lease_body(Json::parse(R"({"gpus": ["0"], "gpu_memory": "1GB"})"), *view);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code, ErrorCode::unavailable);
}

class WrongBooking : public testing::TestWithParam<Wrong> {};
TEST_P(WrongBooking, IsRefusedWithAHint) { expect_refused(booking(GetParam().json), GetParam()); }
INSTANTIATE_TEST_SUITE_P(
    BookingBody, WrongBooking,
    testing::Values(
        Wrong{"{}", "allocation_id is missing", "llm_model"},
        Wrong{R"({"required_mb": 1})", "allocation_id is missing", ""},
        Wrong{R"({"allocation_id": "", "required_mb": 1})", "allocation_id is missing", ""},
        Wrong{R"({"allocation_id": null, "required_mb": 1})", "allocation_id is missing", ""},
        Wrong{R"({"allocation_id": 7, "required_mb": 1})", "\"allocation_id\" is not a text", ""},
        Wrong{R"({"allocation_id": "a"})", "required_mb is missing", "2048"},
        Wrong{R"({"allocation_id": "a", "required_mb": null})", "required_mb is missing", ""},
        Wrong{R"({"allocation_id": "a", "required_mb": 0})", "\"required_mb\" is \"0\"", "from 1"},
        Wrong{R"({"allocation_id": "a", "required_mb": -2048})", "\"-2048\"", ""},
        Wrong{R"({"allocation_id": "a", "required_mb": 0.5})", "\"0.5\"", "a whole number"},
        Wrong{R"({"allocation_id": "a", "required_mb": "2GB"})", "\"required_mb\" is", ""},
        Wrong{R"({"allocation_id": "a", "required_mb": 1099511627777})", "\"1099511627777\"", ""},
        Wrong{R"({"allocation_id": "a", "required_mb": 18446744073709551615})", "required_mb", ""},
        Wrong{R"({"allocation_id": "a", "required_mb": 1, "gpu_id": 2})", "no GPU \"2\"",
              "there is 0, 1", ErrorCode::not_found},
        Wrong{R"({"allocation_id": "a", "required_mb": 1, "gpu_id": -1})", "names no GPU", ""},
        Wrong{R"({"allocation_id": "a", "required_mb": 1, "gpu_id": true})", "names no GPU", ""},
        Wrong{R"({"allocation_id": "a", "required_mb": 1, "gpu_id": 0.0})", "names no GPU", ""},
        Wrong{R"({"allocation_id": "a", "required_mb": 1, "owner_pid": 0})", "owner_pid", ""},
        Wrong{R"({"allocation_id": "a", "requird_mb": 1})", "\"requird_mb\"",
              "did you mean required_mb?"},
        Wrong{R"({"allocation_id": "a", "required_mb": 1, "wait_seconds": 5})", "wait_seconds",
              "it may have allocation_id"}));

TEST(BookingId, IsAllThatIsNeededToGiveOneBack) {
  EXPECT_EQ(booking_id(Json::parse(R"({"allocation_id": "llm"})")).value(), "llm");
  for (const char* const json :
       {"{}", R"({"allocation_id": ""})", R"({"allocation_id": 5})", R"({"allocation_id": null})",
        R"({"id": "llm"})", R"({"allocation_id": "llm", "gpu_id": 0})",
        R"({"allocation_id": "llm", "required_mb": 2048})"}) {
    const auto id = booking_id(Json::parse(json));
    ASSERT_FALSE(id) << json;
    EXPECT_EQ(id.error().code, ErrorCode::invalid_argument) << json;
    EXPECT_NE(id.error().hint, "") << json;
  }
}

}  // namespace
}  // namespace levee::api
