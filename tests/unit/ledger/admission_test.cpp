#include "ledger/admission.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "unit/ledger/ledger_values.hpp"

namespace levee::ledger {
namespace {

using namespace levee::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Ask, GrantsWhatFitsAndSaysWhere) {
  Office office(machine({gpu(0)}));
  office.now = at(5s);
  const Answer answer = office.ask(any_gpu("job", 80));
  EXPECT_EQ(answer.outcome, Outcome::granted);
  EXPECT_EQ(answer.lease.shares, (std::vector<DeviceShare>{{"GPU-0", gib(80)}}));
  EXPECT_EQ(answer.lease.granted, at(5s).wall);
  EXPECT_EQ(*office.book.find("job"), answer.lease);
}

TEST(Ask, TakesBothResourcesOrNeither) {
  Office office(machine({gpu(0)}, 100));
  Request both = any_gpu("both", 40);
  both.demand.host = gib(101);
  EXPECT_FALSE(office.grants(both));
  EXPECT_EQ(office.available(0), gib(80));
  both.demand.host = gib(100);
  EXPECT_TRUE(office.grants(both));
  EXPECT_FALSE(office.grants(of_host("one byte", 1)));
}

TEST(Ask, DeniesAnIdThatIsTaken) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("job", 10)));
  ASSERT_EQ(office.ask(waiting(any_gpu("later", 80))).outcome, Outcome::waiting);
  for (const char* id : {"job", "later"}) {
    EXPECT_EQ(office.ask(any_gpu(id, 1)).denial.error.code, ErrorCode::already_exists);
  }
  EXPECT_EQ(office.available(0), gib(70));
}

TEST(Ask, RefusesWhatCannotBe) {
  Office office(machine({gpu(0)}));
  Request nothing = any_gpu("x", 1);
  nothing.demand = {};
  Request zero = any_gpu("x", 0);
  Request zero_named = on_gpu("x", 0, 0);
  Request twice = on_gpu("x", 0, 1);
  twice.demand.named.push_back(twice.demand.named[0]);
  Request both = on_gpu("x", 0, 1);
  both.demand.any_devices = 1;
  both.demand.bytes_each = gib(1);
  Request brief = any_gpu("x", 1);
  brief.ttl = 0s;
  Request negative = waiting(any_gpu("x", 1), -1s);
  Request crowd = any_gpu("x", 1);
  crowd.demand.any_devices = std::numeric_limits<std::size_t>::max();
  for (const Request& request :
       {nothing, zero, zero_named, twice, both, brief, negative, crowd, any_gpu("", 1),
        any_gpu(std::string(10'000, 'x'), 1), any_gpu("a\nb", 1)}) {
    const Answer answer = office.ask(request);
    EXPECT_EQ(answer.outcome, Outcome::denied);
    EXPECT_EQ(answer.denial.error.code, ErrorCode::invalid_argument) << answer.denial.error.message;
    EXPECT_FALSE(answer.denial.error.hint.empty());
    EXPECT_LT(answer.denial.error.message.size(), 200U);
  }
  EXPECT_THAT(office.book.leases(), IsEmpty());
}

TEST(Ask, KnowsWhichGpusThereAre) {
  Office office(machine({gpu(0)}));
  EXPECT_EQ(office.ask(on_gpu("x", 7, 1)).denial.error.code, ErrorCode::not_found);
  Request two = any_gpu("x", 1);
  two.demand.any_devices = 2;
  EXPECT_THAT(office.ask(two).denial.error.message, HasSubstr("Levee sees 1"));
}

TEST(Ask, PutsWhoComesBeforeTheGpusAreKnownOff) {
  Office office(machine({}));
  office.supply.devices_known = false;
  EXPECT_EQ(office.ask(any_gpu("x", 1)).denial.error.code, ErrorCode::unavailable);
  EXPECT_EQ(office.ask(on_gpu("x", 0, 1)).denial.error.code, ErrorCode::unavailable);
  EXPECT_TRUE(office.grants(of_host("x", 1)));
}

TEST(Ask, GrantsNoHostMemoryUnseen) {
  Office office(machine({}));
  office.supply.host.reset();
  EXPECT_EQ(office.ask(of_host("x", 1)).denial.error.code, ErrorCode::unavailable);
}

TEST(Ask, SurvivesAmountsBeyondAllMachines) {
  Office office(machine({gpu(0), gpu(1)}));
  Request huge = any_gpu("x", 1);
  huge.demand.bytes_each = Bytes{std::numeric_limits<std::uint64_t>::max()};
  huge.demand.any_devices = 2;
  huge.demand.host = huge.demand.bytes_each;
  EXPECT_EQ(office.ask(waiting(huge)).outcome, Outcome::denied);
}

TEST(Quota, BoundsAUserButNotTheAdministrator) {
  Office office(machine({gpu(0)}));
  office.rules.most_leases_per_user = 2;
  office.rules.most_device_bytes_per_user = gib(20);
  EXPECT_TRUE(office.grants(any_gpu("a", 10)));
  EXPECT_EQ(office.ask(any_gpu("b", 11)).denial.error.code, ErrorCode::resource_exhausted);
  EXPECT_TRUE(office.grants(any_gpu("b", 10)));
  EXPECT_THAT(office.ask(of_host("c", 1)).denial.error.message, HasSubstr("3 leases of yours"));
  EXPECT_TRUE(office.grants(any_gpu("d", 10), kNoor));
  EXPECT_TRUE(office.grants(any_gpu("e", 30), kRoot));
}

TEST(Quota, IsNotEvadedByLeasesWithinALease) {
  Office office(machine({gpu(0)}));
  office.rules.most_leases_per_user = 3;
  office.rules.most_device_bytes_per_user = gib(20);
  ASSERT_TRUE(office.grants(on_gpu("job", 0, 10)));
  Request inner = on_gpu("inner", 0, 21);
  inner.demand.within = "job";
  EXPECT_THAT(office.ask(inner).denial.error.message, HasSubstr("of GPU memory"));
  inner.demand.named[0].bytes = gib(10);  // It adds no promise.
  EXPECT_TRUE(office.grants(inner));
  inner.id = "second";
  inner.demand.named[0].bytes = gib(11);
  EXPECT_FALSE(office.grants(inner));
  inner.demand.named[0].bytes = gib(10);  // 20 within 10: 10 more.
  EXPECT_TRUE(office.grants(inner));
  inner.id = "third";
  inner.demand.named[0].bytes = Bytes{1};
  EXPECT_THAT(office.ask(inner).denial.error.message, HasSubstr("4 leases of yours"));
}

TEST(Quota, DoesNotWrap) {
  Office office(machine({gpu(0), gpu(1)}));
  office.rules.most_device_bytes_per_user = gib(20);
  Request huge = any_gpu("x", 1);
  huge.demand.any_devices = 2;
  huge.demand.bytes_each = Bytes{std::uint64_t{1} << 63};
  EXPECT_THAT(office.ask(huge).denial.error.message, HasSubstr("of GPU memory"));
}

TEST(Quota, LeavesRaisedPriorityToTheAdministrator) {
  Office office(machine({gpu(0)}));
  Request urgent = any_gpu("x", 1);
  urgent.demand.priority = 1;
  EXPECT_EQ(office.ask(urgent).denial.error.code, ErrorCode::permission_denied);
  EXPECT_TRUE(office.grants(urgent, kRoot));
  Request humble = any_gpu("y", 1);
  humble.demand.priority = -5;
  EXPECT_TRUE(office.grants(humble));
}

TEST(Within, NeedsAGrantedLeaseOfTheSameUser) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(on_gpu("job", 0, 12)));
  Request balloon = on_gpu("balloon", 0, 12);
  balloon.demand.within = "jib";
  EXPECT_EQ(office.ask(balloon).denial.error.code, ErrorCode::not_found);
  balloon.demand.within = "job";
  EXPECT_EQ(office.ask(balloon, kNoor).denial.error.code, ErrorCode::permission_denied);
  EXPECT_TRUE(office.grants(balloon));
  ASSERT_TRUE(office.release("job"));
  EXPECT_THAT(office.book.leases(), IsEmpty());
}

TEST(Release, GivesTheBytesBack) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("job", 80)));
  EXPECT_EQ(office.release("job")->front().id, "job");
  EXPECT_EQ(office.available(0), gib(80));
  EXPECT_EQ(office.release("job").error().code, ErrorCode::not_found);
}

TEST(Release, TellsOfAllThatWasWithinIt) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(on_gpu("job", 0, 12)));
  for (const char* id : {"a", "b"}) {
    Request inner = on_gpu(id, 0, 1);
    inner.demand.within = "job";
    ASSERT_TRUE(office.grants(inner));
  }
  ASSERT_TRUE(office.grants(on_gpu("other", 0, 1)));
  const auto over = office.release("job");
  ASSERT_TRUE(over);
  std::vector<std::string> ids;
  std::ranges::transform(*over, std::back_inserter(ids), &Lease::id);
  EXPECT_THAT(ids, ElementsAre("job", "a", "b"));
}

TEST(Release, LeavesOthersLeasesAlone) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("job", 80)));
  EXPECT_EQ(office.release("job", kNoor).error().code, ErrorCode::permission_denied);
  EXPECT_EQ(office.available(0), Bytes{});
  EXPECT_TRUE(office.release("job", kRoot));
}

TEST(Expire, EndsTheLeasesOfADeadOwner) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("job", 80, 7)));
  ASSERT_EQ(office.ask(waiting(any_gpu("dead", 10, 7))).outcome, Outcome::waiting);
  ASSERT_EQ(office.ask(waiting(any_gpu("next", 10, 8))).outcome, Outcome::waiting);
  EXPECT_THAT(office.settle(), IsEmpty());
  office.dead = {7};
  EXPECT_THAT(office.settle(), ElementsAre("owner_ended dead", "owner_ended job", "granted next"));
}

TEST(Expire, TellsOfWhatEndsWithAnother) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("job", 12, 7)));
  for (const auto& [id, owner] : {std::pair{"a", 7}, {"z", 8}}) {
    Request inner = on_gpu(id, 0, 1);
    inner.owner = process(owner);
    inner.demand.within = "job";
    ASSERT_TRUE(office.grants(inner));
  }
  office.dead = {7};
  EXPECT_THAT(office.settle(), ElementsAre("owner_ended a", "owner_ended job", "owner_ended z"));
}

TEST(Expire, EndsALeaseSoLongAfterItWasGranted) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("first", 80)));
  Request brief = waiting(any_gpu("brief", 80));
  brief.ttl = 30s;
  ASSERT_EQ(office.ask(brief).outcome, Outcome::waiting);
  office.now = at(60s);
  ASSERT_TRUE(office.release("first"));
  EXPECT_THAT(office.settle(), ElementsAre("granted brief"));
  office.now = at(89s);
  EXPECT_THAT(office.settle(), IsEmpty());
  office.now = at(90s);
  EXPECT_THAT(office.settle(), ElementsAre("expired brief"));
}

TEST(Expire, TakesARequestOutOfTheLineAtItsDeadline) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("first", 80)));
  ASSERT_EQ(office.ask(waiting(any_gpu("late", 80), 10s)).outcome, Outcome::waiting);
  office.now = at(10s);
  EXPECT_THAT(office.settle(), ElementsAre("gave_up late"));
  EXPECT_EQ(office.book.find("late"), nullptr);
}

TEST(Queue, ServesInOrderOfArrivalWithinAPriority) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("first", 80)));
  for (const auto& [id, priority] : {std::pair{"low", -1}, {"a", 0}, {"b", 0}, {"high", 5}}) {
    Request request = waiting(any_gpu(id, 80));
    request.demand.priority = priority;
    ASSERT_EQ(office.ask(request, kRoot).outcome, Outcome::waiting);
  }
  std::vector<std::string> order;
  std::string holder = "first";
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(place_in_line(office.book, "low"), 4U - static_cast<unsigned>(i));
    ASSERT_TRUE(office.release(holder, kRoot));
    const auto told = office.settle();
    ASSERT_EQ(told.size(), 1U);
    order.push_back(told[0]);
    holder = told[0].substr(told[0].find(' ') + 1);
  }
  EXPECT_THAT(order, ElementsAre("granted high", "granted a", "granted b", "granted low"));
}

TEST(Queue, NobodyTakesWhatALargeRequestWaitsFor) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("running", 40)));
  ASSERT_EQ(office.ask(waiting(any_gpu("large", 80))).outcome, Outcome::waiting);
  const Answer small = office.ask(any_gpu("small", 10));
  EXPECT_EQ(small.outcome, Outcome::denied);
  EXPECT_THAT(small.denial.error.hint, HasSubstr("behind the 1 in line"));
  EXPECT_EQ(office.ask(waiting(any_gpu("small", 10))).place, 2U);
  ASSERT_TRUE(office.release("running"));
  EXPECT_THAT(office.settle(), ElementsAre("granted large"));
}

TEST(Queue, LetsOthersPassWhereTheyDoNotDelayWhoWaits) {
  Office office(machine({gpu(0), gpu(1)}));
  ASSERT_TRUE(office.grants(on_gpu("running", 0, 40)));
  ASSERT_EQ(office.ask(waiting(on_gpu("large", 0, 70))).outcome, Outcome::waiting);
  EXPECT_TRUE(office.grants(any_gpu("other", 60)));  // on GPU 1
  EXPECT_EQ(office.book.find("other")->shares[0].uuid, "GPU-1");
  EXPECT_FALSE(office.grants(any_gpu("again", 30)));  // GPU 0 has 40, set aside
  EXPECT_TRUE(office.grants(of_host("host", 50)));    // nobody waits for that
}

TEST(Queue, SetsTheHostAsideToo) {
  Office office(machine({gpu(0)}, 100));
  ASSERT_TRUE(office.grants(any_gpu("running", 80)));
  Request both = any_gpu("both", 10);
  both.demand.host = gib(90);
  ASSERT_EQ(office.ask(waiting(both)).outcome, Outcome::waiting);
  EXPECT_FALSE(office.grants(of_host("small", 11)));
  EXPECT_TRUE(office.grants(of_host("smaller", 10)));
}

TEST(Queue, ServesWhenOtherProgramsGiveMemoryBack) {
  Office office(machine({gpu(0)}));
  office.supply.devices[0].used = gib(60);
  ASSERT_EQ(office.ask(waiting(any_gpu("job", 30))).outcome, Outcome::waiting);
  EXPECT_THAT(office.settle(), IsEmpty());
  office.supply.devices[0].used = gib(50);
  EXPECT_THAT(office.settle(), ElementsAre("granted job"));
}

TEST(Queue, CancelledRequestsLetTheNextPass) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("running", 40)));
  ASSERT_EQ(office.ask(waiting(any_gpu("large", 80))).outcome, Outcome::waiting);
  ASSERT_EQ(office.ask(waiting(any_gpu("small", 40))).outcome, Outcome::waiting);
  ASSERT_TRUE(office.release("large"));
  EXPECT_THAT(office.settle(), ElementsAre("granted small"));
}

// --- balloons

Request balloon_on(std::string id, int index, std::uint64_t gb) {
  Request request = on_gpu(std::move(id), index, gb);
  request.demand.kind = LeaseKind::balloon;
  return request;
}

/// Three ranks, each of which wants to hold 60 % of every GPU (contract F-22).
TEST(Balloons, StayTogetherWithinTheirShareOfAGpu) {
  Office office(machine({gpu(0)}));
  office.rules.max_balloon_percent = 75;
  EXPECT_TRUE(office.grants(balloon_on("rank-0", 0, 48)));
  const Answer second = office.ask(balloon_on("rank-1", 0, 19));
  EXPECT_EQ(second.denial.error.code, ErrorCode::resource_exhausted);
  EXPECT_THAT(second.denial.error.message, HasSubstr("for balloons (max_balloon_percent)"));
  EXPECT_THAT(second.denial.error.message, HasSubstr("12.0 GiB available"));
  EXPECT_TRUE(office.grants(balloon_on("rank-1", 0, 12)));
  EXPECT_EQ(office.resize("rank-1", gib(13)).outcome, Outcome::denied);
  EXPECT_TRUE(office.grants(on_gpu("job", 0, 20))) << "what is no balloon has the rest";
  EXPECT_FALSE(office.ask(waiting(balloon_on("large", 0, 61))).outcome == Outcome::waiting)
      << "it never fits";
}

TEST(Balloons, WaitForOneAnother) {
  Office office(machine({gpu(0)}));
  office.rules.max_balloon_percent = 50;
  ASSERT_TRUE(office.grants(balloon_on("one", 0, 30)));
  EXPECT_EQ(office.ask(waiting(balloon_on("two", 0, 25))).outcome, Outcome::waiting);
  EXPECT_FALSE(office.grants(balloon_on("three", 0, 10))) << "it is before its turn";
  ASSERT_TRUE(office.release("one").has_value());
  EXPECT_THAT(office.settle(), ElementsAre("granted two"));
}

TEST(Balloons, OfAJobAreAsLargeAsTheJob) {
  Office office(machine({gpu(0)}));
  office.rules.max_balloon_percent = 10;
  ASSERT_TRUE(office.grants(on_gpu("job", 0, 60)));
  Request own = balloon_on("own", 0, 60);
  own.demand.within = "job";
  EXPECT_TRUE(office.grants(own));
  EXPECT_TRUE(office.grants(balloon_on("free", 0, 8))) << "they do not count";
}

// --- resize

TEST(Resize, ChangesWhatIsPromisedOnEveryDevice) {
  Office office(machine({gpu(0), gpu(1)}));
  Request two = any_gpu("two", 10);
  two.demand.any_devices = 2;
  two.demand.host = gib(3);
  ASSERT_TRUE(office.grants(two));
  const Answer answer = office.resize("two", gib(30));
  EXPECT_EQ(answer.outcome, Outcome::granted);
  EXPECT_EQ(answer.lease, *office.book.find("two"));
  EXPECT_EQ(office.available(0), gib(50));
  EXPECT_EQ(office.available(1), gib(50));
  EXPECT_EQ(answer.lease.demand.host, gib(3));
  EXPECT_EQ(office.resize("two", gib(1)).outcome, Outcome::granted);
  EXPECT_EQ(office.available(1), gib(79));
}

TEST(Resize, CountsWhatItHasAlreadyAsItsOwn) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("job", 50)));
  office.supply.devices[0].used = gib(50);
  office.supply.uses["job"].devices = {{uuid_of(0), gib(50)}};
  EXPECT_EQ(office.resize("job", gib(80)).outcome, Outcome::granted);
}

TEST(Resize, RefusesWhatDoesNotFitAndKeepsWhatWas) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("job", 50)));
  ASSERT_TRUE(office.grants(any_gpu("other", 20)));
  const Lease before = *office.book.find("job");
  const Answer answer = office.resize("job", gib(61));
  EXPECT_EQ(answer.outcome, Outcome::denied);
  EXPECT_THAT(answer.denial.error.message, HasSubstr("10.0 GiB available"));
  EXPECT_EQ(*office.book.find("job"), before);
}

TEST(Resize, DoesNotOvertakeWhoWaits) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(any_gpu("job", 50)));
  ASSERT_EQ(office.ask(waiting(any_gpu("large", 60))).outcome, Outcome::waiting);
  EXPECT_EQ(office.resize("job", gib(60)).outcome, Outcome::denied);
  EXPECT_EQ(office.resize("job", gib(20)).outcome, Outcome::granted);
  EXPECT_THAT(office.settle(), ElementsAre("granted large"));
}

TEST(Resize, KeepsToTheQuotaAndToOnesOwn) {
  Office office(machine({gpu(0)}));
  office.rules.most_device_bytes_per_user = gib(30);
  office.rules.most_leases_per_user = 1;
  ASSERT_TRUE(office.grants(any_gpu("job", 20)));
  EXPECT_EQ(office.resize("job", gib(30)).outcome, Outcome::granted);
  EXPECT_EQ(office.resize("job", gib(31)).denial.error.code, ErrorCode::resource_exhausted);
  EXPECT_EQ(office.resize("job", gib(5), kNoor).denial.error.code, ErrorCode::permission_denied);
  EXPECT_EQ(office.resize("nobody", gib(5)).denial.error.code, ErrorCode::not_found);
  EXPECT_EQ(office.resize("job", Bytes{}).denial.error.code, ErrorCode::invalid_argument);
}

TEST(Resize, RefusesWhatHasNoGpuMemory) {
  Office office(machine({gpu(0)}));
  ASSERT_TRUE(office.grants(of_host("host", 5)));
  ASSERT_TRUE(office.grants(any_gpu("job", 80)));
  ASSERT_EQ(office.ask(waiting(any_gpu("later", 10))).outcome, Outcome::waiting);
  EXPECT_EQ(office.resize("host", gib(1)).denial.error.code, ErrorCode::invalid_argument);
  EXPECT_EQ(office.resize("later", gib(1)).denial.error.code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace levee::ledger
