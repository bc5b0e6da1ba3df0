// The cost of one sample of all GPUs: from the question to the last answer, through the helper
// process, over the simulated driver.
//
// DriverAlone reads the same devices in this process one after the other: the driver's own time
// and that of our NVML code. What Sample takes beyond that is the price of the helper. The
// simulated driver answers a call in about a microsecond where a real one takes up to a
// millisecond, so the figures are the overhead and not a promise of a sample's duration.
#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gpus/gpu_source.hpp"
#include "gpus/nvml_driver.hpp"
#include "support/simulated_machine.hpp"

namespace {

using namespace levee;
using std::chrono::steady_clock;

/// `count` GPUs with four processes on each.
std::string scenario(std::int64_t count) {
  std::string text;
  for (std::int64_t gpu = 0; gpu < count; ++gpu) {
    text += fmt::format("gpu {}\n", gpu);
  }
  for (std::int64_t gpu = 0; gpu < count; ++gpu) {
    text += fmt::format("at 0s gpu {}", gpu);
    for (int i = 0; i < 4; ++i) {
      text += fmt::format(" foreign pid={} mem=4GiB", 1000 + 10 * gpu + i);
    }
    text += "\n";
  }
  return text;
}

/// The pid of our only child.
std::string child() {
  std::ifstream children(fmt::format("/proc/self/task/{}/children", ::gettid()));
  std::string pid;
  children >> pid;
  return pid;
}

/// Nanoseconds that the threads of a process have run.
double cpu_ns(const std::string& pid) {
  double total = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + pid + "/task")) {
    double ns = 0;
    std::ifstream(task.path() / "schedstat") >> ns;
    total += ns;
  }
  return total;
}

void Sample(benchmark::State& state) {
  test::SimulatedMachine machine(scenario(state.range(0)));
  const test::ScopedEnvironment environment(machine.environment());
  gpus::GpuSource source({.helper = {LEVEE_PROGRAM, "gpu-helper"}});
  const auto sample = [&] {
    const MonoTime now = steady_clock::now();
    source.begin(now);
    benchmark::DoNotOptimize(source.finish_all(now, now + std::chrono::seconds{10}));
  };
  sample();  // Starts the helper.
  const std::string helper = child();
  const double before = cpu_ns(helper);
  for (auto _ : state) {
    sample();
  }
  state.counters["helper_cpu_us"] =
      (cpu_ns(helper) - before) / 1000 / static_cast<double>(state.iterations());
}
BENCHMARK(Sample)->Arg(1)->Arg(8)->Arg(64)->Unit(benchmark::kMicrosecond)->UseRealTime();

void DriverAlone(benchmark::State& state) {
  test::SimulatedMachine machine(scenario(state.range(0)));
  const test::ScopedEnvironment environment(machine.environment());
  const auto driver = gpus::find_nvml({(machine.libraries() / "libnvidia-ml.so.1").string()});
  const auto devices = (*driver)->devices();
  for (auto _ : state) {
    for (const auto& device : *devices) {
      const Now now{std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()),
                    steady_clock::now()};
      benchmark::DoNotOptimize(device->read(now));
    }
  }
}
BENCHMARK(DriverAlone)->Arg(1)->Arg(8)->Arg(64)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
