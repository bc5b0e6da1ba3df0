// What a balloon costs beside its driver: chunks a second, and its lock. Over the simulated driver,
// which allocates in about a microsecond, so the figures are our overhead and no promise of how
// fast hardware gives memory.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <optional>
#include <string>

#include "unit/balloon/simulated_driver.hpp"

namespace {

using namespace levee;
using namespace levee::test;

constexpr std::uint64_t kMegabytes = 8192;

/// Inflates and deflates 8 GiB; the arguments are the chunk size in MB and whether the GPU manages
/// virtual memory (unmapped handles), else plain allocations.
void InflateAndDeflate(benchmark::State& state) {
  const SimulatedDriver driver(
      state.range(1) != 0 ? std::string(kTenGib) : std::string(kTenGib) + "\nat 0s gpu 0 vmm off");
  auto balloon = driver.balloon({.mb = kMegabytes}, 0, state.range(0));
  std::int64_t chunks = 0;
  for (auto _ : state) {
    const auto inflated = balloon.inflate();
    if (!inflated) {
      state.SkipWithError(inflated.error().message.c_str());
      return;
    }
    state.PauseTiming();
    chunks += static_cast<std::int64_t>(balloon.status()->num_chunks);
    state.ResumeTiming();
    balloon.deflate();
  }
  state.counters["chunks/s"] =
      benchmark::Counter(static_cast<double>(chunks), benchmark::Counter::kIsRate);
}
BENCHMARK(InflateAndDeflate)
    ->ArgNames({"chunk_mb", "unmapped"})
    ->ArgsProduct({{2, 50, 100, 500}, {0, 1}})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

/// allocated() takes the balloon's lock and asks nobody.
void Lock(benchmark::State& state) {
  static std::optional<SimulatedDriver> driver;
  static std::optional<Balloon> balloon;
  if (state.thread_index() == 0) {
    driver.emplace();
    balloon.emplace(driver->balloon({.mb = 100}));
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(balloon->allocated());
  }
}
BENCHMARK(Lock)->ThreadRange(1, 4)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
