#include "engine/attribution.hpp"

#include <algorithm>

namespace levee::engine {

void attribute(std::vector<GpuReading>& gpus, sources::Identifier& identifier, MonoTime now) {
  for (GpuReading& gpu : gpus) {
    if (!gpu.processes) {
      continue;
    }
    for (GpuProcess& process : *gpu.processes) {
      if (const auto found = identifier.find(process.pid, now)) {
        process.identity = found->identity;
        process.rss = found->rss;
        process.cpu_percent = found->cpu_percent;
      }
    }
  }
}

namespace {

/// Marks the process that holds, and says how much: by the driver's figure, which is of the same
/// instant as the rest of the reading, and so counts a balloon that grows just now; else by what
/// the holder said last.
Bytes note_holder(GpuReading& gpu, const api::Holding& holding) {
  if (holding.pid && gpu.processes) {
    const auto holder = std::ranges::find(*gpu.processes, *holding.pid, &GpuProcess::pid);
    if (holder != gpu.processes->end()) {
      holder->is_balloon = true;
      return holder->memory.value_or(holding.held);
    }
  }
  return holding.held;
}

}  // namespace

void note_balloons(std::vector<GpuReading>& gpus, const std::vector<api::Holding>& holdings) {
  for (GpuReading& gpu : gpus) {
    if (!gpu.memory) {
      continue;
    }
    Bytes held;
    for (const api::Holding& each : holdings) {
      held += each.uuid == gpu.identity->uuid ? note_holder(gpu, each) : Bytes{};
    }
    // What is held may be newer than what was read.
    gpu.memory->balloons = std::min(held, gpu.memory->used);
  }
}

}  // namespace levee::engine
