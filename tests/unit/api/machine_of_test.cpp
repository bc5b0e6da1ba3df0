// The machine as models find it: readings, less what the ledger has promised.
#include "api/machine_of.hpp"

#include <gmock/gmock.h>

#include "unit/api/ledger_fixture.hpp"

namespace levee::api {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::SizeIs;

TEST(MachineOf, SaysWhyAGpuTakesNoWork) {
  const auto reason = [](GpuReading gpu) {
    return machine_of(*view_with({std::move(gpu)}), nullptr, {}).gpus.at(0).unusable;
  };
  EXPECT_EQ(reason(example_gpu()), "");
  EXPECT_EQ(reason(lost(example_gpu())), "is lost");
  GpuReading gpu = example_gpu();
  gpu.condition = GpuCondition::reset_required;
  EXPECT_EQ(reason(gpu), "must be reset");
  gpu.condition = GpuCondition::unreadable;
  EXPECT_EQ(reason(gpu), "cannot be read");
  gpu = example_gpu();
  gpu.mig_enabled = true;
  EXPECT_EQ(reason(gpu), "is in MIG mode, where only its instances take work");
  gpu = example_gpu();
  gpu.compute_mode = "prohibited";
  EXPECT_EQ(reason(gpu), "has its compute mode set to prohibited");
  auto view = view_with({example_gpu()});
  view->gpus[0].fresh = false;
  EXPECT_EQ(machine_of(*view, nullptr, {}).gpus[0].unusable, "does not answer");
}

TEST(MachineOf, HasInstancesAndLeavesUnknownFiguresUnknown) {
  const auto machine = machine_of(*view_with({example_instance(), bare_gpu(1)}), nullptr, {});
  EXPECT_EQ(machine.gpus[0].uuid, "MIG-1234");
  EXPECT_THAT(machine.gpus[0].name, HasSubstr("3g.40gb"));
  EXPECT_EQ(machine.gpus[0].free, mib(3072));
  EXPECT_EQ(machine.gpus[1].free, std::nullopt);
  EXPECT_EQ(machine.gpus[1].compute, std::nullopt);
}

TEST(MachineOf, DoesNotKnowAHostThatWasNotRead) {
  auto view = example_view();
  auto snapshot = std::make_shared<Snapshot>(*view->snapshot);
  snapshot->host.reset();
  view->snapshot = snapshot;
  EXPECT_EQ(machine_of(*view, nullptr, {}).host_available, std::nullopt);
}

// --- with promises

TEST(MachineOf, DoesNotCountAsFreeWhatIsPromisedAndNotYetUsed) {
  Ledger ledger;
  const auto view = view_with({example_gpu(0), example_gpu(1)});
  const auto free_on = [&](std::size_t gpu) {
    return machine_of(*view, ledger.view().get(), ledger.now.mono).gpus.at(gpu).free;
  };
  const Bytes free = example_gpu(0).memory->free;
  EXPECT_EQ(free_on(0), free) << "without leases: what the driver calls free";
  ledger.grant("a", mib(2048));
  EXPECT_EQ(free_on(0), free - mib(2048));
  EXPECT_EQ(free_on(1), free);
  ledger.supply.uses["a"].devices = {{ledger.supply.devices[0].uuid, mib(1500)}};
  EXPECT_EQ(free_on(0), free - mib(548)) << "the driver's figure knows the rest already";
  ledger.grant("b", gib(80));
  EXPECT_EQ(free_on(0), Bytes{}) << "never below nothing";
}

TEST(MachineOf, TakesPromisesOffTheHost) {
  Ledger ledger;
  const auto view = view_with({});
  const Bytes available = *machine_of(*view, nullptr, {}).host_available;
  ledger.grant("a", Bytes{}, kOtherUid, gib(4));
  EXPECT_EQ(machine_of(*view, ledger.view().get(), {}).host_available, available - gib(4));
}

TEST(MachineOf, KnowsWhoHoldsWhatAndForHowLong) {
  Ledger ledger;
  ledger.grant("a", mib(2048), kOtherUid, gib(1));
  ledger.grant("b", mib(512));
  ledger::Lease timed = *ledger.book.find("b");
  ledger.book.erase("b");
  timed.expires_at = ledger.now.mono + 90'500ms;
  timed.name.clear();
  ledger.book.add(std::move(timed));
  ledger.uses["b"] = {mib(700), mib(700)};
  const auto view = view_with({example_gpu(0)});
  const auto holdings = machine_of(*view, ledger.view().get(), ledger.now.mono).holdings;
  ASSERT_THAT(holdings, SizeIs(2));
  EXPECT_EQ(holdings[0].who, "train.py (a)");
  EXPECT_EQ(holdings[0].host, gib(1));
  EXPECT_EQ(holdings[0].ends_in, std::nullopt);
  EXPECT_EQ(holdings[1].who, "b");
  EXPECT_THAT(holdings[1].gpus, ElementsAre(Pair(ledger.supply.devices[0].uuid, mib(700))));
  EXPECT_EQ(holdings[1].ends_in, 91s);
}

TEST(ValidateRoute, CountsPromisesAndSaysWhatToWaitFor) {
  LedgerHouse house;
  constexpr const char* kTarget = "/api/v1/models/validate?model=small";
  const auto put = [&](Bytes needed) {
    auto registry = std::make_shared<estimate::ModelRegistry>();
    estimate::Requirements needs;
    needs.gpu = needed;
    ASSERT_TRUE(registry->put("small", needs));
    house.house.view->models = registry;
  };
  put(mib(4096));
  EXPECT_EQ(house.house.json(kTarget)["fits"], true);
  for (const char* id : {"a", "b"}) {
    house.ledger.grant(id, mib(3072));
    auto& device = house.ledger.supply.devices;
    std::swap(device[0], device[1]);  // The next is on the other one.
  }
  const Json json = house.house.json(kTarget);
  EXPECT_EQ(json["fits"], false);
  const Json& help = json["help"].back();
  EXPECT_EQ(help["kind"], "wait");
  EXPECT_THAT(help["detail"].get<std::string>(), HasSubstr("train.py (a) is over: nobody knows"));
  EXPECT_TRUE(help["wait_seconds"].is_null());
}

TEST(ValidateRoute, JudgesByWhatIsFreeWhereThereIsNoLedger) {
  LedgerHouse house;
  house.ledger.failure = Error{ErrorCode::unavailable, "no ledger", {}};
  const Json json = house.house.json("/api/v1/models/validate?model=small");
  EXPECT_TRUE(json.contains("fits"));
}

}  // namespace
}  // namespace levee::api
