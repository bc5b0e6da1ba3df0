// What the flight recorder costs: the engine's part (a copy and a queue entry), its own thread's
// part (encoding), and the bytes of a tick, from which follows how many minutes the ring keeps.
#include <benchmark/benchmark.h>

#include <random>

#include "recorder/encoder.hpp"
#include "support/values.hpp"

namespace {

using namespace levee;
using namespace levee::recorder;
using namespace std::chrono_literals;

/// A machine of which 62 processes are read anew at every look, as a ProcessSource does.
class Machine {
 public:
  explicit Machine(int processes) {
    for (int i = 0; i < processes; ++i) {
      ProcessReading reading =
          test::process_of(100 + i, "python" + std::to_string(i), mib(100 + random_() % 4000));
      auto who = std::make_shared<ProcessIdentity>(*reading.identity);
      who->command = "/usr/bin/python3 train.py --epochs 30 --run " + std::to_string(random_());
      who->cgroup = "/user.slice/user-1000.slice/session-" + std::to_string(i % 40) + ".scope";
      reading.identity = std::move(who);
      processes_.push_back(std::move(reading));
    }
  }

  TickItem tick() {
    constexpr std::size_t kReadAnew = 62;
    now_ += 1s;
    for (std::size_t i = 0; i < kReadAnew; ++i) {
      ProcessReading& process = processes_[random_() % processes_.size()];
      process.rss += Bytes{4096 * (random_() % 1000)};
      process.growth_per_second = static_cast<double>(random_() % 1'000'000);
      process.growth_window = Seconds{30};
      process.read_at = test::at(now_).mono + std::chrono::nanoseconds{random_() % 1'000'000};
    }
    TickItem tick;
    tick.now = test::at(now_);
    tick.readings.host = test::host_using(50 + static_cast<double>(random_() % 1000) / 100);
    sources::ProcessScan scan{
        .processes = processes_, .seen = processes_.size(), .listed = nullptr};
    std::ranges::sort(scan.processes, [](const auto& a, const auto& b) {
      return a.rss != b.rss ? a.rss > b.rss : a.identity->id.pid < b.identity->id.pid;
    });
    tick.readings.processes = std::move(scan);
    for (int index = 0; index < 8; ++index) {
      GpuReading gpu = test::gpu_with(index, 60 + static_cast<double>(random_() % 20),
                                      static_cast<double>(random_() % 100), tick.now.mono);
      gpu.identity = gpus_[static_cast<std::size_t>(index)];
      gpu.power_watts = static_cast<double>(random_() % 700);
      for (std::size_t i = 0; i < 4; ++i) {
        const ProcessReading& process = processes_[static_cast<std::size_t>(index) * 4 + i];
        GpuProcess on_gpu;
        on_gpu.pid = process.identity->id.pid;
        on_gpu.memory = mib(random_() % 20'000);
        on_gpu.identity = process.identity;
        on_gpu.rss = process.rss;
        gpu.processes->push_back(std::move(on_gpu));
      }
      tick.readings.gpus.gpus.push_back(std::move(gpu));
    }
    return tick;
  }

 private:
  static std::vector<std::shared_ptr<const GpuIdentity>> identities() {
    std::vector<std::shared_ptr<const GpuIdentity>> all;
    for (int index = 0; index < 8; ++index) {
      all.push_back(test::gpu_with(index, {}, {}, {}).identity);
    }
    return all;
  }

  std::mt19937 random_{7};
  std::chrono::milliseconds now_{0};
  std::vector<ProcessReading> processes_;
  const std::vector<std::shared_ptr<const GpuIdentity>> gpus_ = identities();
};

Opening opening() {
  Opening opening;
  opening.version = "0.1.0";
  opening.hostname = "box";
  return opening;
}

/// A minute, of which every 30 s begin a piece, as with the usual recorder.keep.
void encode(benchmark::State& state) {
  Machine machine(static_cast<int>(state.range(0)));
  Encoder encoder;
  std::size_t bytes = 0;
  std::size_t ticks = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const TickItem tick = machine.tick();
    state.ResumeTiming();
    if (ticks++ % 30 == 0) {
      bytes += encoder.encode(opening()).size();
    }
    bytes += encoder.encode(tick).size();
  }
  const double per_tick = static_cast<double>(bytes) / static_cast<double>(ticks);
  state.counters["bytes_per_tick"] = per_tick;
  state.counters["minutes_in_32MB"] = static_cast<double>(mib(32).count) / per_tick / 60;
}
BENCHMARK(encode)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond)->MinTime(1);

/// What the engine's thread does for it.
void copy(benchmark::State& state) {
  Machine machine(static_cast<int>(state.range(0)));
  const TickItem tick = machine.tick();
  for (auto _ : state) {
    TickItem taken = tick;
    benchmark::DoNotOptimize(taken);
  }
}
BENCHMARK(copy)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
