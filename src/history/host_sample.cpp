#include "history/host_sample.hpp"

namespace levee::history {

HostSample host_sample(const HostReading& host, Now at) {
  HostSample sample{.at = at,
                    .total = host.total,
                    .available = host.available,
                    .swap_used = {},
                    .cpu_percent = host.cpu_percent,
                    .pressure_some_avg10 = {}};
  if (host.swap_total && host.swap_free) {
    sample.swap_used = *host.swap_total - *host.swap_free;
  }
  if (host.pressure && host.pressure->some) {
    sample.pressure_some_avg10 = host.pressure->some->avg10;
  }
  return sample;
}

HostAverage average(std::span<const HostSample> samples) {
  HostAverage result{.samples = samples.size(), .cpu_percent = {}, .memory_percent = {}};
  if (samples.empty()) {
    return result;
  }
  double memory = 0;
  double cpu = 0;
  std::size_t cpu_samples = 0;
  for (const HostSample& sample : samples) {
    memory += sample.memory_percent();
    if (sample.cpu_percent) {
      cpu += *sample.cpu_percent;
      ++cpu_samples;
    }
  }
  result.memory_percent = memory / static_cast<double>(samples.size());
  if (cpu_samples > 0) {
    result.cpu_percent = cpu / static_cast<double>(cpu_samples);
  }
  return result;
}

}  // namespace levee::history
