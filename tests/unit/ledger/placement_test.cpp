#include "ledger/placement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/ledger/ledger_values.hpp"

namespace levee::ledger {
namespace {

using namespace levee::test;
using testing::ElementsAre;
using testing::HasSubstr;

/// The GPUs that get it, in order.
std::vector<std::string> places(Office& office, const Request& request) {
  std::vector<std::string> uuids;
  for (const DeviceShare& share : office.ask(request).lease.shares) {
    uuids.push_back(share.uuid);
  }
  return uuids;
}

/// GPU 0 has 80 GB free, 1 has 30, 2 has 50.
Office uneven() {
  Office office(machine({gpu(0), gpu(1), gpu(2)}));
  office.supply.devices[1].used = gib(50);
  office.supply.devices[2].used = gib(30);
  return office;
}

Request placed(Placement placement, std::uint64_t gb) {
  Request request = any_gpu("job", gb);
  request.demand.placement = placement;
  return request;
}

TEST(Placement, BestFitLeavesTheLargeGaps) {
  Office office = uneven();
  EXPECT_THAT(places(office, placed(Placement::best_fit, 20)), ElementsAre("GPU-1"));
}

TEST(Placement, SpreadTakesTheEmptiest) {
  Office office = uneven();
  EXPECT_THAT(places(office, placed(Placement::spread, 20)), ElementsAre("GPU-0"));
}

TEST(Placement, PackTakesAGpuThatIsInUse) {
  Office office(machine({gpu(0, 40), gpu(1)}));
  office.supply.devices[1].used = gib(10);
  EXPECT_THAT(places(office, placed(Placement::pack, 20)), ElementsAre("GPU-1"));
  ASSERT_TRUE(office.release("job"));
  EXPECT_THAT(places(office, placed(Placement::best_fit, 20)), ElementsAre("GPU-0"));
}

TEST(Placement, TakesTheMostIdleOfEquals) {
  Office office(machine({gpu(0), gpu(1), gpu(2)}));
  office.supply.devices[0].load_percent = 90;
  office.supply.devices[1].load_percent = 10;
  office.supply.devices[2].load_percent = 10;
  for (const Placement placement : {Placement::best_fit, Placement::spread, Placement::pack}) {
    EXPECT_THAT(places(office, placed(placement, 20)), ElementsAre("GPU-1"));
    ASSERT_TRUE(office.release("job"));
  }
}

TEST(Placement, TakesSeveralGpusTogetherOrNone) {
  Office office = uneven();
  Request request = any_gpu("job", 40);
  request.demand.any_devices = 2;
  EXPECT_THAT(places(office, request), ElementsAre("GPU-2", "GPU-0"));
  ASSERT_TRUE(office.release("job"));
  request.demand.any_devices = 3;
  EXPECT_FALSE(office.grants(request));
  EXPECT_TRUE(office.book.leases().empty());
}

TEST(Placement, TakesNamedGpusOnly) {
  Office office = uneven();
  EXPECT_THAT(places(office, on_gpu("a", 2, 20)), ElementsAre("GPU-2"));
  EXPECT_FALSE(office.grants(on_gpu("b", 1, 31)));
}

TEST(Placement, RespectsComputeCapability) {
  Office office(machine({gpu(0), gpu(1)}));
  office.supply.devices[0].capability = ComputeCapability{7, 5};
  office.supply.devices[1].capability.reset();
  Request request = any_gpu("job", 20);
  request.demand.least_capability = ComputeCapability{8, 0};
  const Answer answer = office.ask(waiting(request));
  EXPECT_EQ(answer.outcome, Outcome::denied);  // Waiting would not help.
  EXPECT_THAT(answer.denial.error.message, HasSubstr("compute capability 7.5, and 8.0"));
  EXPECT_THAT(answer.denial.error.message, HasSubstr("unknown to its driver"));
  office.supply.devices[1].capability = ComputeCapability{9, 0};
  EXPECT_THAT(places(office, request), ElementsAre("GPU-1"));
}

TEST(Placement, GivesAProgramOneMigInstanceAtATime) {
  Office office(machine({gpu(0), gpu(1, 40), gpu(2, 40)}));
  office.supply.devices[0].why_not = "it is in MIG mode: its instances are promised";
  office.supply.devices[1].is_instance = true;
  office.supply.devices[2].is_instance = true;
  EXPECT_THAT(places(office, any_gpu("one", 40)), ElementsAre("GPU-1"));
  Request two = any_gpu("two", 10);
  two.demand.any_devices = 2;
  const Answer answer = office.ask(two);
  EXPECT_EQ(answer.outcome, Outcome::denied);
  EXPECT_THAT(answer.denial.error.message, HasSubstr("MIG instance"));
}

TEST(Placement, SaysHowMuchIsMissingAndWhoHoldsIt) {
  Office office(machine({gpu(0)}, 100));
  office.supply.devices[0].used = gib(10);
  ASSERT_TRUE(office.grants(any_gpu("train", 50), kNoor));
  const Answer answer = office.ask(any_gpu("job", 30));
  ASSERT_EQ(answer.outcome, Outcome::denied);
  ASSERT_EQ(answer.denial.shortfalls.size(), 1U);
  EXPECT_EQ(answer.denial.shortfalls[0].missing(), gib(10));
  ASSERT_EQ(answer.denial.holders.size(), 2U);
  EXPECT_EQ(answer.denial.holders[0].id, "train");
  EXPECT_EQ(answer.denial.holders[0].uid, 1001U);
  EXPECT_EQ(answer.denial.holders[1].id, "");  // programs that never asked
  EXPECT_EQ(answer.denial.holders[1].bytes, gib(10));
  EXPECT_EQ(answer.denial.error.code, ErrorCode::resource_exhausted);
  EXPECT_EQ(answer.denial.error.message,
            "it does not fit: GPU 0 (Sim A100) has 20.0 GiB available, 30.0 GiB is asked for: 10.0 "
            "GiB missing");
  EXPECT_THAT(answer.denial.error.hint, HasSubstr("\"train\" holds 50.0 GiB"));
}

TEST(Placement, SaysThatWaitingDoesNotHelpWhereTheMachineIsTooSmall) {
  Office office(machine({gpu(0)}, 100));
  for (const Request& request : {any_gpu("a", 81), of_host("b", 101)}) {
    const Answer answer = office.ask(waiting(request));
    ASSERT_EQ(answer.outcome, Outcome::denied);
    EXPECT_THAT(answer.denial.error.message, HasSubstr("at most"));
    EXPECT_THAT(answer.denial.error.hint, HasSubstr("waiting does not help"));
  }
}

}  // namespace
}  // namespace levee::ledger
