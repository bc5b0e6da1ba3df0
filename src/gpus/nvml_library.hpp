// NvmlLibrary: NVIDIA's management library, found by name when the program runs, so that Levee
// needs neither its headers nor the library to build and start. Which functions it exports depends
// on the driver; a function that is not there answers function_not_found. Thread-safe, as NVML is.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "abi/nvml.hpp"
#include "levee/result.hpp"

namespace levee::gpus {

/// A function of the library, or its absence.
template <class Signature>
class NvmlFunction;

template <class... Arguments>
class NvmlFunction<nvml::Return(Arguments...)> {
 public:
  nvml::Return operator()(Arguments... arguments) const {
    return function_ == nullptr ? nvml::Return::function_not_found : function_(arguments...);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return function_ != nullptr; }
  /// As the library calls it, with the version that was found.
  [[nodiscard]] const char* name() const noexcept { return name_; }

 private:
  friend class NvmlLibrary;
  nvml::Return (*function_)(Arguments...) = nullptr;
  const char* name_ = "";
};

class NvmlLibrary {
 public:
  /// Opens the first of `names` that is there and starts a session. `not_found` when none is there;
  /// `unavailable` with a hint when the driver refuses. May take seconds, or hang.
  [[nodiscard]] static Result<std::shared_ptr<const NvmlLibrary>> open(
      const std::vector<std::string>& names = {"libnvidia-ml.so.1", "libnvidia-ml.so"});

  NvmlLibrary(const NvmlLibrary&) = delete;
  NvmlLibrary& operator=(const NvmlLibrary&) = delete;
  ~NvmlLibrary();

  /// "GPU is lost".
  [[nodiscard]] std::string error_text(nvml::Return code) const;

  /// True for drivers that are known to write wide process records (nvml::kWideProcessRecord)
  /// through the calls `_v3`: the first ones of the 535 series.
  [[nodiscard]] bool may_write_wide_processes() const noexcept { return wide_processes_; }

  // Session.
  NvmlFunction<nvml::fn::Init> init;
  NvmlFunction<nvml::fn::Shutdown> shutdown;
  NvmlFunction<nvml::fn::SystemGetVersion> driver_version;

  // Devices.
  NvmlFunction<nvml::fn::DeviceGetCount> count;
  NvmlFunction<nvml::fn::DeviceGetHandleByIndex> handle_by_index;
  NvmlFunction<nvml::fn::DeviceGetText> name;
  NvmlFunction<nvml::fn::DeviceGetText> uuid;
  NvmlFunction<nvml::fn::DeviceGetPciInfo> pci_info;
  NvmlFunction<nvml::fn::DeviceGetUnsigned> minor_number;
  NvmlFunction<nvml::fn::DeviceGetCudaComputeCapability> compute_capability;
  NvmlFunction<nvml::fn::DeviceGetComputeMode> compute_mode;

  // Memory.
  NvmlFunction<nvml::fn::DeviceGetMemoryInfoV2> memory_v2;
  NvmlFunction<nvml::fn::DeviceGetMemoryInfo> memory_v1;

  // Processes. The unversioned calls write narrower records; each kind has one or the other.
  struct ProcessCalls {
    NvmlFunction<nvml::fn::DeviceGetRunningProcessesV2> current;
    NvmlFunction<nvml::fn::DeviceGetRunningProcesses> unversioned;
  };
  ProcessCalls compute_processes;
  ProcessCalls graphics_processes;
  ProcessCalls mps_processes;
  NvmlFunction<nvml::fn::DeviceGetProcessUtilization> process_utilization;

  // Load.
  NvmlFunction<nvml::fn::DeviceGetUtilizationRates> utilization;
  NvmlFunction<nvml::fn::DeviceGetCoderUtilization> encoder_utilization;
  NvmlFunction<nvml::fn::DeviceGetCoderUtilization> decoder_utilization;
  NvmlFunction<nvml::fn::DeviceGetTemperatureV> temperature_v;
  NvmlFunction<nvml::fn::DeviceGetTemperature> temperature;
  NvmlFunction<nvml::fn::DeviceGetTemperatureThreshold> temperature_threshold;
  NvmlFunction<nvml::fn::DeviceGetUnsigned> power_usage;
  NvmlFunction<nvml::fn::DeviceGetUnsigned> power_limit;
  NvmlFunction<nvml::fn::DeviceGetUnsigned> fan_speed;
  NvmlFunction<nvml::fn::DeviceGetClock> clock;
  NvmlFunction<nvml::fn::DeviceGetClock> max_clock;
  NvmlFunction<nvml::fn::DeviceGetReasons> slowdown_reasons;
  NvmlFunction<nvml::fn::DeviceGetPcieThroughput> pcie_throughput;
  NvmlFunction<nvml::fn::DeviceGetFieldValues> field_values;

  // Health.
  NvmlFunction<nvml::fn::DeviceGetFeaturePair> ecc_mode;
  NvmlFunction<nvml::fn::DeviceGetTotalEccErrors> ecc_errors;
  NvmlFunction<nvml::fn::DeviceGetRemappedRows> remapped_rows;
  NvmlFunction<nvml::fn::DeviceGetRetiredPages> retired_pages;
  NvmlFunction<nvml::fn::DeviceGetFeature> retired_pages_pending;

  // Error reports.
  NvmlFunction<nvml::fn::EventSetCreate> event_set_create;
  NvmlFunction<nvml::fn::EventSetFree> event_set_free;
  NvmlFunction<nvml::fn::EventSetWait> event_set_wait;
  NvmlFunction<nvml::fn::DeviceRegisterEvents> register_events;

  // MIG.
  NvmlFunction<nvml::fn::DeviceGetMigMode> mig_mode;
  NvmlFunction<nvml::fn::DeviceGetUnsigned> most_instances;
  NvmlFunction<nvml::fn::DeviceGetMigDeviceHandleByIndex> instance_by_index;
  NvmlFunction<nvml::fn::DeviceGetUnsigned> gpu_instance_id;
  NvmlFunction<nvml::fn::DeviceGetUnsigned> compute_instance_id;
  NvmlFunction<nvml::fn::DeviceGetAttributes> attributes;

 private:
  explicit NvmlLibrary(void* handle);

  /// The address of the first of `names` that the library exports.
  template <class Signature>
  void find(NvmlFunction<Signature>& function, std::initializer_list<const char*> names) const;
  void find(ProcessCalls& calls, std::initializer_list<const char*> current,
            const char* unversioned) const;
  void find_session_and_devices();
  void find_load();
  void find_health_and_instances();

  void* handle_;
  nvml::fn::ErrorString* error_string_ = nullptr;
  bool wide_processes_ = false;
  bool in_session_ = false;
};

}  // namespace levee::gpus
