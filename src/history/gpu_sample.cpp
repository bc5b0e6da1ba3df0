#include "history/gpu_sample.hpp"

namespace levee::history {

GpuSample gpu_sample(const GpuReading& gpu, Now at) {
  return {.at = at,
          .memory = gpu.memory,
          .temperature_celsius = gpu.temperature_celsius,
          .utilization_percent = gpu.utilization_percent,
          .power_watts = gpu.power_watts};
}

}  // namespace levee::history
