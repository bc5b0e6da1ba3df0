// Decisions of the ledger: a request that is granted, and its release. In memory, and through the
// file that survives the death of any process (WAL, synchronous=NORMAL). The argument is how many
// other leases there are.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <memory>
#include <string>

#include "ledger/admission.hpp"
#include "ledger/store.hpp"
#include "store/ledger_file.hpp"
#include "support/temp_dir.hpp"

namespace {

using namespace levee;

ledger::Supply machine() {
  ledger::Supply supply;
  for (int i = 0; i < 8; ++i) {
    ledger::DeviceSupply device;
    device.uuid = "GPU-00000000-0000-0000-0000-00000000000" + std::to_string(i);
    device.index = i;
    device.name = "Sim H200";
    device.total = gib(140);
    supply.devices.push_back(std::move(device));
  }
  supply.host = ledger::HostSupply{gib(1000), gib(1000)};
  return supply;
}

ledger::Request request(const std::string& id) {
  ledger::Request request;
  request.id = id;
  request.demand.any_devices = 1;
  request.demand.bytes_each = gib(1);
  return request;
}

/// Two decisions, each in a transaction of its own.
void decide(benchmark::State& state, ledger::Store& store) {
  const ledger::Supply supply = machine();
  const ledger::Rules rules;
  const ledger::Requester root{.uid = 0, .is_administrator = true};
  const ledger::Scene scene{supply, rules, {}};
  const auto ask = [&](const std::string& id) {
    ledger::Answer answer;
    const auto done = store.transact(
        [&](ledger::Book& book) { answer = ledger::ask(book, scene, request(id), root); });
    return done && answer.outcome == ledger::Outcome::granted;
  };
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    ask("other-" + std::to_string(i));
  }
  for (auto _ : state) {
    const bool granted = ask("job");
    Result<std::vector<ledger::Lease>> released;
    const auto done =
        store.transact([&](ledger::Book& book) { released = ledger::release(book, "job", root); });
    if (!granted || !done || !released) {
      state.SkipWithError("a decision failed");
      break;
    }
  }
  state.SetItemsProcessed(2 * state.iterations());
}

void InMemory(benchmark::State& state) {
  ledger::MemoryStore store;
  decide(state, store);
}
BENCHMARK(InMemory)->Arg(0)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond);

void OnFile(benchmark::State& state) {
  const test::TempDir dir;
  const auto store = store::LedgerFile::open(dir.path() / "ledger.db", {});
  decide(state, **store);
}
BENCHMARK(OnFile)->Arg(0)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
