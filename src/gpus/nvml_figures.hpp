// The figures of an NVIDIA device, in groups, each read with a few NVML calls. What the device does
// not tell is absent. Thread-safe for different devices.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/gpu.hpp"
#include "gpus/nvml_inquiry.hpp"

namespace levee::gpus {

/// Memory, or nothing. Without it a reading is worth nothing: a device that answers neither with it
/// nor with "unknown" is unreadable.
[[nodiscard]] std::optional<GpuMemory> read_memory(NvmlInquiry& device);

/// True for GPUs that use the host's memory as their own (GB10, Jetson).
[[nodiscard]] bool has_unified_memory(NvmlInquiry& device);

/// What changes from second to second: load, temperatures, power, clocks, NVLink counters.
void read_load(NvmlInquiry& device, GpuReading& reading);

/// What does not change.
struct NvmlLimits {
  std::optional<double> slowdown_celsius;
  std::optional<double> shutdown_celsius;
  std::optional<double> max_core_clock_mhz;
  std::optional<double> max_memory_clock_mhz;
};
[[nodiscard]] NvmlLimits read_limits(NvmlInquiry& device);

/// ECC counters, remapped rows or retired pages. Some drivers read them from the board: a few
/// milliseconds.
[[nodiscard]] GpuHealthCounters read_health(NvmlInquiry& device);

/// What the driver measures for 20 ms when asked.
struct PcieThroughput {
  std::optional<double> tx_bytes_per_second;
  std::optional<double> rx_bytes_per_second;
};
[[nodiscard]] PcieThroughput read_pcie_throughput(NvmlInquiry& device);

/// The bits of nvmlDeviceGetCurrentClocksEventReasons as words, idle left out.
[[nodiscard]] std::vector<std::string> slowdown_words(unsigned long long bits);

/// "default", "exclusive_process", "prohibited"; empty for a mode we do not know.
[[nodiscard]] std::string compute_mode_word(nvml::ComputeMode mode);

}  // namespace levee::gpus
