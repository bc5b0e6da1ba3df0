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

void note_balloons(std::vector<GpuReading>& gpus, const std::vector<api::Holding>& holdings) {
  for (GpuReading& gpu : gpus) {
    if (!gpu.memory) {
      continue;
    }
    Bytes held;
    for (const api::Holding& each : holdings) {
      held += each.uuid == gpu.identity->uuid ? each.held : Bytes{};
    }
    // What is held may be newer than what was read.
    gpu.memory->balloons = std::min(held, gpu.memory->used);
  }
}

}  // namespace levee::engine
