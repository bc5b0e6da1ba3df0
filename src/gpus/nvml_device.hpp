// NvmlDevice: one NVIDIA GPU and its MIG instances, read through NVML.
//
// A reading takes some twenty calls. What does not change is read once; what is slow (ECC and
// remapped rows: every 10 s; PCIe throughput, which the driver measures for 20 ms per direction:
// every 5 s) is read in catch_up(), after the answer, so that it delays nobody. It is as old as
// that when it is handed out.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gpus/device.hpp"
#include "gpus/nvml_figures.hpp"
#include "gpus/nvml_library.hpp"
#include "gpus/nvml_processes.hpp"

namespace levee::gpus {

/// Who `device` is; number `index` of the driver's list. Fails when the driver does not even tell
/// that.
[[nodiscard]] Result<GpuIdentity> identify_nvml_device(const NvmlLibrary& library,
                                                       nvml::Device device, int index,
                                                       const std::string& driver_version);

class NvmlDevice final : public Device {
 public:
  NvmlDevice(std::shared_ptr<const NvmlLibrary> library, nvml::Device device, GpuIdentity identity);

  [[nodiscard]] const GpuIdentity& identity() const override { return *identity_; }
  [[nodiscard]] std::vector<GpuReading> read(Now now) override;
  void catch_up(Now now) override;

 private:
  struct Instance {
    std::shared_ptr<const GpuIdentity> identity;
    NvmlProcesses processes;
  };

  void read_into(NvmlInquiry& device, GpuReading& reading, Now now);
  void add_known(NvmlInquiry& device, GpuReading& reading, Now now);
  [[nodiscard]] std::vector<GpuReading> read_instances(NvmlInquiry& device, Now now);
  [[nodiscard]] std::optional<GpuReading> read_instance(nvml::Device handle, Now now,
                                                        std::map<std::string, Instance>& seen);
  [[nodiscard]] GpuIdentity identify_instance(NvmlInquiry& instance, std::string uuid) const;

  const std::shared_ptr<const NvmlLibrary> library_;
  const nvml::Device device_;
  const std::shared_ptr<const GpuIdentity> identity_;
  NvmlProcesses processes_;
  std::map<std::string, Instance> instances_;  ///< By UUID.

  std::optional<NvmlLimits> limits_;
  std::optional<Sampled<GpuHealthCounters>> health_;
  std::optional<Sampled<PcieThroughput>> pcie_;
};

/// "3g.40gb" of "NVIDIA A100-SXM4-80GB MIG 3g.40gb"; empty where the name does not say.
[[nodiscard]] std::string mig_profile_of(std::string_view name);

}  // namespace levee::gpus
