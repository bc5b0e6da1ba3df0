// GPU readings: what a driver says about a device and the processes on it, before anybody judges
// it. A value that could not be read is absent, never zero. Plain values.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/reading.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee {

enum class GpuVendor { nvidia, amd, intel };

[[nodiscard]] std::string_view to_string(GpuVendor vendor) noexcept;
[[nodiscard]] std::optional<GpuVendor> parse_gpu_vendor(std::string_view text) noexcept;

/// CUDA compute capability, e.g. 9.0.
struct ComputeCapability {
  int major = 0;
  int minor = 0;

  auto operator<=>(const ComputeCapability&) const = default;
};

/// What a device is. It does not change while its driver runs.
struct GpuIdentity {
  /// Names the device for good. The driver's own text ("GPU-…", "MIG-…"); where a driver has none,
  /// vendor and bus id ("AMD-0000:03:00.0").
  std::string uuid;
  /// nvidia-smi's order (PCI bus), AMD and Intel after NVIDIA. Never moves while Levee runs, also
  /// when another device is lost. A MIG instance has its parent's.
  int index = 0;
  GpuVendor vendor = GpuVendor::nvidia;
  std::string name;
  std::string pci_bus_id;      ///< "00000000:1B:00.0"; empty when unknown.
  std::string driver_version;  ///< Empty when unknown.
  std::optional<int> minor;    ///< N of /dev/nvidiaN or of /dev/dri/cardN.
  std::optional<ComputeCapability> compute_capability;
  bool unified_memory = false;  ///< The device has no memory of its own: the host's is its pool.

  // MIG instances only.
  std::string parent_uuid;  ///< Empty: a whole device.
  std::string mig_profile;  ///< "3g.40gb".
  std::optional<unsigned> gpu_instance;
  std::optional<unsigned> compute_instance;

  [[nodiscard]] bool is_instance() const noexcept { return !parent_uuid.empty(); }

  bool operator==(const GpuIdentity&) const = default;
};

/// total = used + free + reserved. `used` is what nvidia-smi shows, without the driver's reserve.
struct GpuMemory {
  Bytes total;
  Bytes used;
  Bytes free;
  std::optional<Bytes> reserved;
  Bytes balloons = {};  ///< Of `used`, so much is held by balloons of Levee's.

  /// What state, alerts, pressure and forecast are judged by (contract G3): all that is not free,
  /// without balloons, or a balloon would bring about what it is deflated for.
  [[nodiscard]] constexpr Bytes taken_without_balloons() const noexcept {
    return total - free - balloons;
  }
  [[nodiscard]] constexpr double percent_without_balloons() const noexcept {
    return percent_of(taken_without_balloons(), total);
  }

  /// 100 × (total − free) / total (contract G1, F-38).
  [[nodiscard]] constexpr double percent() const noexcept {
    return percent_of(total - free, total);
  }

  bool operator==(const GpuMemory&) const = default;
};

/// How a device answers.
enum class GpuCondition {
  ok,
  lost,            ///< It fell off the bus, or is no longer listed. Its last figures are kept.
  reset_required,  ///< The driver wants it reset before it works again.
  unreadable,      ///< The driver answers with errors; `condition_detail` says which.
};

[[nodiscard]] std::string_view to_string(GpuCondition condition) noexcept;
[[nodiscard]] std::optional<GpuCondition> parse_gpu_condition(std::string_view text) noexcept;

/// A process that has memory on a device. Processes of all contexts (compute, graphics, MPS) of
/// one pid on one device are one entry.
struct GpuProcess {
  pid_t pid = 0;                ///< As the driver names it: normally the host's pid.
  std::optional<Bytes> memory;  ///< With its context and code; absent where the driver hides it.
  bool compute = false;
  bool graphics = false;
  std::optional<double> sm_percent;      ///< Share of the cores over the last sample period.
  std::optional<double> memory_percent;  ///< Share of the memory bandwidth.
  std::optional<unsigned> gpu_instance;  ///< On a device in MIG mode.

  // Attributed from the host's own view; absent when the pid is not visible from here.
  std::shared_ptr<const ProcessIdentity> identity;
  std::optional<Bytes> rss;
  std::optional<double> cpu_percent;
  std::optional<double> growth_per_second;  ///< Of `memory`, bytes per second.
  bool is_balloon = false;  ///< It holds a balloon of Levee's and does nothing else.
};

/// Memory health (NVML: ECC counters, remapped rows or retired pages).
struct GpuHealthCounters {
  std::optional<bool> ecc_enabled;
  std::optional<std::uint64_t> ecc_corrected;    ///< Since the driver was loaded.
  std::optional<std::uint64_t> ecc_uncorrected;  ///< Since the driver was loaded.
  std::optional<unsigned> remapped_corrected;    ///< Rows remapped (or pages retired) so far.
  std::optional<unsigned> remapped_uncorrected;
  std::optional<bool> remap_pending;  ///< A reset is needed before the spare row is in use.
  std::optional<bool> remap_failed;

  bool operator==(const GpuHealthCounters&) const = default;
};

/// An error report of the NVIDIA driver.
struct GpuXid {
  std::string uuid;
  std::uint64_t code = 0;
  WallTime at;

  bool operator==(const GpuXid&) const = default;
};

/// One device at one instant.
struct GpuReading {
  std::shared_ptr<const GpuIdentity> identity;  ///< Never null.
  GpuCondition condition = GpuCondition::ok;
  std::string condition_detail;  ///< For people: "nvmlDeviceGetMemoryInfo_v2: GPU is lost".

  std::optional<GpuMemory> memory;
  std::optional<double> temperature_celsius;
  std::optional<double> memory_temperature_celsius;
  std::optional<double> slowdown_celsius;  ///< Where the hardware slows itself down.
  std::optional<double> shutdown_celsius;
  std::optional<double> utilization_percent;  ///< Time at least one kernel ran.
  std::optional<double> memory_utilization_percent;
  std::optional<double> encoder_percent;
  std::optional<double> decoder_percent;
  std::optional<double> power_watts;
  std::optional<double> power_limit_watts;
  std::optional<double> fan_percent;
  std::optional<double> core_clock_mhz;
  std::optional<double> max_core_clock_mhz;
  std::optional<double> memory_clock_mhz;
  std::optional<double> max_memory_clock_mhz;
  std::optional<double> pcie_tx_bytes_per_second;
  std::optional<double> pcie_rx_bytes_per_second;
  std::optional<std::uint64_t> nvlink_tx_bytes;  ///< Counters since the driver was loaded.
  std::optional<std::uint64_t> nvlink_rx_bytes;
  std::vector<std::string> slowdown_reasons;  ///< "sw_power_cap", "hw_thermal", …; idle left out.
  std::string compute_mode;                   ///< "default", "exclusive_process", "prohibited".
  std::optional<bool> mig_enabled;
  GpuHealthCounters health;

  std::optional<std::vector<GpuProcess>> processes;  ///< Absent: the driver does not tell.
  MonoTime read_at;
};

}  // namespace levee
