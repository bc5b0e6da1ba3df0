#include "engine/attribution.hpp"

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

}  // namespace levee::engine
