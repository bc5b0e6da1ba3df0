#include "history/host_sample.hpp"

namespace levee::history {
namespace {

/// The mean of what is known.
class Mean {
 public:
  void add(std::optional<double> value) {
    if (value) {
      sum_ += *value;
      ++count_;
    }
  }
  [[nodiscard]] std::optional<double> value() const {
    return count_ > 0 ? std::optional(sum_ / count_) : std::nullopt;
  }

 private:
  double sum_ = 0;
  double count_ = 0;
};

}  // namespace

HostSample host_sample(const HostReading& host, Now at) {
  HostSample sample{.at = at,
                    .total = host.total,
                    .available = host.available,
                    .swap_used = {},
                    .cpu_percent = host.cpu_percent,
                    .pressure_some_avg10 = {},
                    .gpu_memory_percent = {},
                    .gpu_utilization = {}};
  if (host.swap_total && host.swap_free) {
    sample.swap_used = *host.swap_total - *host.swap_free;
  }
  if (host.pressure && host.pressure->some) {
    sample.pressure_some_avg10 = host.pressure->some->avg10;
  }
  return sample;
}

HostAverage average(std::span<const HostSample> samples) {
  HostAverage result;
  result.samples = samples.size();
  if (samples.empty()) {
    return result;
  }
  Mean memory;
  Mean cpu;
  Mean gpu_memory;
  Mean gpu_utilization;
  for (const HostSample& sample : samples) {
    memory.add(sample.memory_percent());
    cpu.add(sample.cpu_percent);
    gpu_memory.add(sample.gpu_memory_percent);
    gpu_utilization.add(sample.gpu_utilization);
  }
  result.memory_percent = memory.value();
  result.cpu_percent = cpu.value();
  result.gpu_memory_percent = gpu_memory.value();
  result.gpu_utilization = gpu_utilization.value();
  return result;
}

}  // namespace levee::history
