#include "ledger/balance.hpp"

#include <gtest/gtest.h>

#include "unit/ledger/ledger_values.hpp"

namespace levee::ledger {
namespace {

using namespace levee::test;

TEST(Balance, LeavesOutWhatTheDriverAndTheSystemKeep) {
  Office office(machine({gpu(0)}));
  office.supply.devices[0].reserved = gib(1);
  office.rules.device_reserve = mib(512);
  EXPECT_EQ(office.available(0), gib(79) - mib(512));
}

TEST(Balance, CountsUseOfProgramsThatNeverAsked) {
  Office office(machine({gpu(0)}));
  office.supply.devices[0].used = gib(30);
  EXPECT_EQ(office.available(0), gib(50));
  EXPECT_EQ(office.balance().devices[0].unaccounted, gib(30));
}

TEST(Balance, CountsAJobOnceWhetherItUsesItsPromiseOrNot) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("job", 12)));
  EXPECT_EQ(office.available(0), gib(68));
  for (const std::uint64_t used : {4U, 12U}) {
    office.supply.devices[0].used = gib(used);
    office.supply.uses["job"].devices = {{uuid_of(0), gib(used)}};
    EXPECT_EQ(office.available(0), gib(68)) << used;
    EXPECT_EQ(office.balance().devices[0].unaccounted, Bytes{}) << used;
  }
}

TEST(Balance, CountsWhatAJobTakesBeyondItsPromise) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("job", 12)));
  office.supply.devices[0].used = gib(20);
  office.supply.uses["job"].devices = {{uuid_of(0), gib(20)}};
  EXPECT_EQ(office.available(0), gib(60));
  EXPECT_EQ(office.balance().devices[0].promised, gib(12));
}

TEST(Balance, TakesTheLeasesOfOneProcessAsOneAccount) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("model", 2, 7)));
  ASSERT_TRUE(office.grants(any_gpu("cache", 4, 7)));
  office.supply.devices[0].used = gib(6);
  office.supply.uses["model"].devices = {{uuid_of(0), gib(6)}};  // Whose else could it be?
  EXPECT_EQ(office.available(0), gib(74));
  office.supply.devices[0].used = gib(9);
  office.supply.uses["model"].devices = {{uuid_of(0), gib(9)}};
  EXPECT_EQ(office.available(0), gib(71));
}

TEST(Balance, ALeaseWithinAnotherAddsNoPromise) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(on_gpu("job", 0, 12)));
  Request balloon = on_gpu("job/balloon", 0, 12);
  balloon.demand.kind = LeaseKind::balloon;
  balloon.demand.within = "job";
  ASSERT_TRUE(office.grants(balloon));
  EXPECT_EQ(office.available(0), gib(68));
}

TEST(Balance, ALeaseWithinAnotherCountsAsFarAsItIsLarger) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(on_gpu("job", 0, 12)));
  Request balloon = on_gpu("balloon", 0, 20);
  balloon.demand.within = "job";
  ASSERT_TRUE(office.grants(balloon));
  EXPECT_EQ(office.available(0), gib(60));

  Request second = on_gpu("second", 0, 61);
  second.demand.within = "job";
  EXPECT_FALSE(office.grants(second));
  second.demand.named[0].bytes = gib(60);
  EXPECT_TRUE(office.grants(second));
  EXPECT_EQ(office.available(0), Bytes{});
}

TEST(Balance, TakesOnlyTheUnusedPartOfAPromiseFromTheHost) {
  Office office(machine({}, 100));
  office.rules.host_reserve = gib(2);
  ASSERT_TRUE(office.grants(of_host("job", 30)));
  EXPECT_EQ(office.balance().host_available, gib(68));
  office.supply.host->available = gib(90);  // It has taken 10 of its 30.
  office.supply.uses["job"].host = gib(10);
  EXPECT_EQ(office.balance().host_available, gib(68));
  office.supply.host->available = gib(60);  // It has taken 40.
  office.supply.uses["job"].host = gib(40);
  EXPECT_EQ(office.balance().host_available, gib(58));
}

TEST(Balance, HasNothingOnALostGpu) {
  Office office(machine({gpu(0)}));
  office.supply.devices[0].why_not = "it is lost";
  EXPECT_EQ(office.available(0), Bytes{});
}

TEST(Balance, BoundsDocumentedBookingsByTheLimit) {
  Office office(machine({gpu(0, 8)}));
  EXPECT_EQ(office.balance().devices[0].limited, mib(6144));  // 75 % of 8192 MB
  office.rules.memory_limit = gib(7);
  EXPECT_EQ(office.balance().devices[0].limited, gib(7));
  office.supply.devices[0].used = gib(5);
  EXPECT_EQ(office.balance().devices[0].limited, gib(2));
  EXPECT_EQ(office.balance().devices[0].available, gib(3));
}

TEST(Balance, PromisesUnifiedMemoryFromOnePool) {
  Office office(machine({gpu(0, 100)}, 100));
  office.supply.devices[0].unified = true;
  ASSERT_TRUE(office.grants(of_host("host", 30)));
  EXPECT_EQ(office.available(0), gib(70));
  ASSERT_TRUE(office.grants(on_gpu("gpu", 0, 50)));
  EXPECT_EQ(office.available(0), gib(20));
  EXPECT_EQ(office.balance().host_available, gib(20));
  EXPECT_FALSE(office.grants(of_host("more", 21)));
}

TEST(Balance, NeverGoesBelowZero) {
  Office office(machine({gpu(0)}));
  office.rules.device_reserve = gib(200);
  office.rules.host_reserve = gib(200);
  EXPECT_EQ(office.available(0), Bytes{});
  EXPECT_EQ(office.balance().host_available, Bytes{});
  EXPECT_EQ(office.balance().devices[0].capacity, Bytes{});
}

}  // namespace
}  // namespace levee::ledger
