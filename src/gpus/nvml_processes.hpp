// NvmlProcesses: the processes on one device or MIG instance. Keeps what is worth remembering
// between two readings. One thread.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/time.hpp"
#include "gpus/nvml_inquiry.hpp"
#include "gpus/nvml_records.hpp"

namespace levee::gpus {

class NvmlProcesses {
 public:
  /// The processes with a context on the device; nothing where the driver does not tell.
  [[nodiscard]] std::optional<std::vector<GpuProcess>> read(NvmlInquiry& device, Now now);

  /// The same without their shares of the load, which cost most of the time.
  [[nodiscard]] std::optional<std::vector<GpuProcess>> list(NvmlInquiry& device);

 private:
  [[nodiscard]] std::optional<std::vector<GpuProcess>> list(NvmlInquiry& device,
                                                            const NvmlLibrary::ProcessCalls& calls,
                                                            ProcessKind kind);
  void read_utilization(NvmlInquiry& device, std::vector<GpuProcess>& processes, Now now);

  std::size_t room_ = 64;  ///< Records to ask for; a little more than there were.
  UtilizationSamples samples_;
};

}  // namespace levee::gpus
