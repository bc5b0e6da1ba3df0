#include "engine/attribution.hpp"

#include <algorithm>

namespace levee::engine {

void attribute(std::vector<GpuReading>& gpus, const sources::ProcessScan& scan) {
  for (GpuReading& gpu : gpus) {
    if (!gpu.processes) {
      continue;
    }
    for (GpuProcess& process : *gpu.processes) {
      const auto found = std::ranges::find_if(scan.processes, [&](const ProcessReading& reading) {
        return reading.identity->id.pid == process.pid;
      });
      if (found != scan.processes.end()) {
        process.identity = found->identity;
        process.rss = found->rss;
      }
    }
  }
}

}  // namespace levee::engine
