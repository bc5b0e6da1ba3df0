// The cost of one tick: reading the host and its processes, judging, publishing.
//
// Generated trees of 50, 500 and 5,000 processes (files on tmpfs cost about what the kernel's own
// /proc files cost to open and read, without its work of making the text), and this machine's
// real /proc.
#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "engine/clock.hpp"
#include "engine/engine.hpp"
#include "sources/host.hpp"
#include "sources/processes.hpp"

namespace {

namespace fs = std::filesystem;
using namespace levee;

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

/// A machine with `count` processes in a folder of its own; removed at the end.
class GeneratedMachine {
 public:
  explicit GeneratedMachine(int count)
      : path_(fs::path("/dev/shm") / fmt::format("levee-bench-{}-{}", ::getpid(), count)) {
    write(path_ / "proc/meminfo",
          "MemTotal: 65536000 kB\nMemFree: 20000000 kB\nMemAvailable: 40000000 kB\n"
          "Buffers: 100 kB\nCached: 20000000 kB\nShmem: 1000 kB\nSReclaimable: 1000 kB\n"
          "SwapTotal: 0 kB\nSwapFree: 0 kB\n");
    write(path_ / "proc/stat",
          "cpu 100 0 100 10000 0 0 0 0 0 0\ncpu0 1 0 1 1 0 0 0 0 0 0\n"
          "processes 12345\n");
    write(path_ / "proc/loadavg", "0.5 0.5 0.5 1/300 4321\n");
    write(path_ / "proc/pressure/memory",
          "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
          "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    write(path_ / "proc/self/cgroup", "0::/\n");
    write(path_ / "proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    for (int i = 0; i < count; ++i) {
      const int pid = 1000 + i;
      const fs::path process = path_ / "proc" / std::to_string(pid);
      write(
          process / "stat",
          fmt::format("{} (worker {}) S 1 {} {} 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 {} "
                      "100000000 {} 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n",
                      pid, i, pid, pid, 5000 + i, 1000 + i));
      write(process / "statm", fmt::format("50000 {} 500 1 0 1000 0\n", 1000 + i));
      write(process / "status", "Name:\tworker\nUid:\t1000\t1000\t1000\t1000\n");
      write(process / "cmdline", std::string("python\0train.py\0--epochs\0100\0", 28));
      write(process / "cgroup", "0::/user.slice/session.scope\n");
      write(process / "oom_score_adj", "0\n");
    }
  }
  ~GeneratedMachine() { fs::remove_all(path_); }
  GeneratedMachine(const GeneratedMachine&) = delete;
  GeneratedMachine& operator=(const GeneratedMachine&) = delete;

  [[nodiscard]] sources::Root root() const { return sources::Root(path_); }

 private:
  fs::path path_;
};

void run_ticks(benchmark::State& state, const sources::Root& root,
               sources::Thoroughness thoroughness) {
  auto settings = config::Settings::load({});
  sources::HostSource host(root);
  sources::ProcessSource processes(root, {}, std::make_shared<sources::UserNames>(root));
  engine::Engine engine(std::make_shared<const config::Settings>(std::move(*settings)), "bench");
  std::size_t seen = 0;
  const auto tick = [&] {
    const Now now = engine::read_clock();
    engine::Readings readings;
    readings.host = host.read(readings.troubles);
    readings.processes = processes.scan(thoroughness, now.mono);
    seen = readings.processes ? readings.processes->seen : 0;
    benchmark::DoNotOptimize(engine.tick(std::move(readings), {}, {}, now));
  };
  tick();  // The first one learns the machine; it is not what a tick costs.
  for (auto _ : state) {
    tick();
  }
  state.counters["processes"] = static_cast<double>(seen);
}

void RoutineTick(benchmark::State& state) {
  const GeneratedMachine machine(static_cast<int>(state.range(0)));
  run_ticks(state, machine.root(), sources::Thoroughness::routine);
}
BENCHMARK(RoutineTick)->Arg(50)->Arg(500)->Arg(5000)->Unit(benchmark::kMicrosecond);

void ThoroughTick(benchmark::State& state) {
  const GeneratedMachine machine(static_cast<int>(state.range(0)));
  run_ticks(state, machine.root(), sources::Thoroughness::thorough);
}
BENCHMARK(ThoroughTick)->Arg(50)->Arg(500)->Arg(5000)->Unit(benchmark::kMicrosecond);

void RoutineTickOnThisMachine(benchmark::State& state) {
  run_ticks(state, sources::Root{}, sources::Thoroughness::routine);
}
BENCHMARK(RoutineTickOnThisMachine)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
