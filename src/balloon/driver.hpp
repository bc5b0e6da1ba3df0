// Driver: the NVIDIA GPUs of this machine as balloons name and see them. NVML says which there are
// and how much is free; CUDA is loaded when memory is first held, because its initialisation fixes
// what CUDA_VISIBLE_DEVICES means. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "balloon/cuda_library.hpp"
#include "core/gpu.hpp"
#include "gpus/nvml_library.hpp"
#include "levee/result.hpp"

namespace levee::balloon {

/// A GPU or a MIG instance.
struct Gpu {
  int gpu_id = 0;  ///< NVML's index, as nvidia-smi shows it; an instance has its GPU's.
  std::string uuid;
  std::string parent_uuid;  ///< Of an instance; empty for a whole GPU.
  std::string name;
  nvml::Device handle = nullptr;
  std::vector<std::string> instances;  ///< UUIDs of the instances when MIG splits it.
};

class Driver {
 public:
  /// The names of the libraries to open.
  struct Libraries {
    std::vector<std::string> nvml = {"libnvidia-ml.so.1", "libnvidia-ml.so"};
    std::vector<std::string> cuda = {"libcuda.so.1"};
  };

  /// `not_found` on a machine without NVIDIA GPUs.
  [[nodiscard]] static Result<std::shared_ptr<const Driver>> open(Libraries libraries);
  [[nodiscard]] static Result<std::shared_ptr<const Driver>> open() { return open(Libraries{}); }

  /// All GPUs in nvidia-smi's order, each followed by its instances. One that does not answer is
  /// left out, and the others keep their numbers.
  [[nodiscard]] Result<std::vector<Gpu>> gpus() const;

  /// The GPU with that index ("0"), or that UUID or beginning of one ("GPU-3c1e", "MIG-…").
  [[nodiscard]] Result<Gpu> find(std::string_view name) const;

  /// What NVML says of its memory; nothing where memory is unified. `unavailable` when it is lost.
  [[nodiscard]] Result<std::optional<GpuMemory>> memory(const Gpu& gpu) const;

  /// The processes on it and what each of them holds; nothing where the driver does not tell.
  /// `unavailable` when it is lost.
  [[nodiscard]] Result<std::optional<std::vector<GpuProcess>>> processes(const Gpu& gpu) const;

  /// Percent of the last sample; nothing for MIG instances and drivers that do not tell.
  [[nodiscard]] Result<std::optional<double>> utilization(const Gpu& gpu) const;

  /// CUDA, loaded and initialised at the first call.
  [[nodiscard]] Result<std::shared_ptr<const CudaLibrary>> cuda() const;

 private:
  Driver(Libraries libraries, std::shared_ptr<const gpus::NvmlLibrary> nvml)
      : libraries_(std::move(libraries)), nvml_(std::move(nvml)) {}

  [[nodiscard]] std::optional<std::string> text(
      nvml::Device device, const gpus::NvmlFunction<nvml::fn::DeviceGetText>& function) const;
  [[nodiscard]] std::vector<Gpu> instances_of(const Gpu& gpu) const;

  const Libraries libraries_;
  const std::shared_ptr<const gpus::NvmlLibrary> nvml_;

  mutable std::mutex mutex_;
  mutable std::shared_ptr<const CudaLibrary> cuda_;  // guarded by mutex_
};

/// Of `all`, what a process with this CUDA_VISIBLE_DEVICES sees, in its order; all whole GPUs when
/// it is not set. As CUDA reads it: indices or beginnings of UUIDs, and the first entry that fits
/// nothing ends the list. Indices are nvidia-smi's, which are CUDA's own with
/// CUDA_DEVICE_ORDER=PCI_BUS_ID and wherever all GPUs are of one model. Pure.
[[nodiscard]] std::vector<Gpu> visible_gpus(const std::vector<Gpu>& all,
                                            std::optional<std::string_view> cuda_visible_devices);

/// The same for this process's environment, read now.
[[nodiscard]] std::vector<Gpu> visible_gpus(const std::vector<Gpu>& all);

}  // namespace levee::balloon
