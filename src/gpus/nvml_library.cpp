#include "gpus/nvml_library.hpp"

#include <dlfcn.h>
#include <fmt/core.h>

#include <initializer_list>
#include <string_view>

namespace levee::gpus {
namespace {

using nvml::Return;

/// Opens a library by name, as the dynamic loader searches (LD_LIBRARY_PATH, the system's folders).
Result<void*> open_first(const std::vector<std::string>& names) {
  std::string obstacle;
  for (const std::string& file : names) {
    if (void* const handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      return handle;
    }
    const std::string_view why = ::dlerror();
    if (!why.contains("No such file")) {
      obstacle = why;  // It is there, and of no use.
    }
  }
  if (!obstacle.empty()) {
    return fail(ErrorCode::unavailable, "NVIDIA's library cannot be loaded: " + obstacle,
                "reinstall the NVIDIA driver's libraries");
  }
  return fail(ErrorCode::not_found, "this machine has no libnvidia-ml.so.1",
              "install the NVIDIA driver; in a container, start it with --gpus all");
}

const char* hint_for(Return code) {
  switch (code) {
    case Return::driver_not_loaded:
      return "load the kernel module (modprobe nvidia), or look into dmesg why it is not loaded";
    case Return::lib_rm_version_mismatch:
      return "the driver was upgraded while the old kernel module is loaded: reload the module, or "
             "restart the machine";
    case Return::no_permission:
    case Return::operating_system:
      return "the operating system blocks the devices: check the rights of /dev/nvidia* and the "
             "device rules of the container or cgroup";
    case Return::unknown:
      return "run nvidia-smi; in a container that has lost its GPUs (often after systemctl "
             "daemon-reload), restart the container";
    default:
      return "run nvidia-smi";
  }
}

}  // namespace

Result<std::shared_ptr<const NvmlLibrary>> NvmlLibrary::open(
    const std::vector<std::string>& names) {
  const auto handle = open_first(names);
  if (!handle) {
    return std::unexpected(handle.error());
  }
  std::shared_ptr<NvmlLibrary> library(new NvmlLibrary(*handle));
  if (!library->init || !library->count || !library->handle_by_index) {
    return fail(ErrorCode::unavailable, "NVIDIA's library lacks the functions that list devices",
                "it is no libnvidia-ml of a driver: look what LD_LIBRARY_PATH leads to");
  }
  if (const Return code = library->init(); code != Return::success) {
    return fail(ErrorCode::unavailable,
                fmt::format("{}: {}", library->init.name(), library->error_text(code)),
                hint_for(code));
  }
  library->in_session_ = true;
  return library;
}

NvmlLibrary::NvmlLibrary(void* handle) : handle_(handle) {
  error_string_ = reinterpret_cast<nvml::fn::ErrorString*>(::dlsym(handle, "nvmlErrorString"));
  find_session_and_devices();
  find_load();
  find_health_and_instances();
  const auto exports = [handle](const char* function) {
    return ::dlsym(handle, function) != nullptr;
  };
  wide_processes_ = exports("nvmlDeviceGetConfComputeMemSizeInfo") &&
                    !exports("nvmlDeviceGetRunningProcessDetailList");
}

/// The library stays loaded: a driver may leave threads and exit handlers behind. Whoever needs
/// another version of it needs another process.
NvmlLibrary::~NvmlLibrary() {
  if (in_session_) {
    shutdown();
  }
}

std::string NvmlLibrary::error_text(Return code) const {
  const char* const text = error_string_ != nullptr ? error_string_(code) : nullptr;
  return text != nullptr ? text : fmt::format("error {}", static_cast<unsigned>(code));
}

template <class Signature>
void NvmlLibrary::find(NvmlFunction<Signature>& function,
                       std::initializer_list<const char*> names) const {
  for (const char* const candidate : names) {
    if (void* const address = ::dlsym(handle_, candidate)) {
      function.function_ = reinterpret_cast<decltype(function.function_)>(address);
      function.name_ = candidate;
      return;
    }
  }
}

void NvmlLibrary::find(ProcessCalls& calls, std::initializer_list<const char*> current,
                       const char* unversioned) const {
  find(calls.current, current);
  if (!calls.current) {
    find(calls.unversioned, {unversioned});
  }
}

void NvmlLibrary::find_session_and_devices() {
  find(init, {"nvmlInit_v2", "nvmlInit"});
  find(shutdown, {"nvmlShutdown"});
  find(driver_version, {"nvmlSystemGetDriverVersion"});
  find(count, {"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"});
  find(handle_by_index, {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"});
  find(name, {"nvmlDeviceGetName"});
  find(uuid, {"nvmlDeviceGetUUID"});
  find(pci_info, {"nvmlDeviceGetPciInfo_v3"});
  find(minor_number, {"nvmlDeviceGetMinorNumber"});
  find(compute_capability, {"nvmlDeviceGetCudaComputeCapability"});
  find(compute_mode, {"nvmlDeviceGetComputeMode"});
  find(memory_v2, {"nvmlDeviceGetMemoryInfo_v2"});
  find(memory_v1, {"nvmlDeviceGetMemoryInfo"});
  find(compute_processes,
       {"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2"},
       "nvmlDeviceGetComputeRunningProcesses");
  find(graphics_processes,
       {"nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2"},
       "nvmlDeviceGetGraphicsRunningProcesses");
  find(mps_processes,
       {"nvmlDeviceGetMPSComputeRunningProcesses_v3", "nvmlDeviceGetMPSComputeRunningProcesses_v2"},
       "nvmlDeviceGetMPSComputeRunningProcesses");
  find(process_utilization, {"nvmlDeviceGetProcessUtilization"});
}

void NvmlLibrary::find_load() {
  find(utilization, {"nvmlDeviceGetUtilizationRates"});
  find(encoder_utilization, {"nvmlDeviceGetEncoderUtilization"});
  find(decoder_utilization, {"nvmlDeviceGetDecoderUtilization"});
  find(temperature_v, {"nvmlDeviceGetTemperatureV"});
  find(temperature, {"nvmlDeviceGetTemperature"});
  find(temperature_threshold, {"nvmlDeviceGetTemperatureThreshold"});
  find(power_usage, {"nvmlDeviceGetPowerUsage"});
  find(power_limit, {"nvmlDeviceGetEnforcedPowerLimit"});
  find(fan_speed, {"nvmlDeviceGetFanSpeed"});
  find(clock, {"nvmlDeviceGetClockInfo"});
  find(max_clock, {"nvmlDeviceGetMaxClockInfo"});
  find(slowdown_reasons,
       {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"});
  find(pcie_throughput, {"nvmlDeviceGetPcieThroughput"});
  find(field_values, {"nvmlDeviceGetFieldValues"});
}

void NvmlLibrary::find_health_and_instances() {
  find(ecc_mode, {"nvmlDeviceGetEccMode"});
  find(ecc_errors, {"nvmlDeviceGetTotalEccErrors"});
  find(remapped_rows, {"nvmlDeviceGetRemappedRows"});
  find(retired_pages, {"nvmlDeviceGetRetiredPages"});
  find(retired_pages_pending, {"nvmlDeviceGetRetiredPagesPendingStatus"});
  find(event_set_create, {"nvmlEventSetCreate"});
  find(event_set_free, {"nvmlEventSetFree"});
  find(event_set_wait, {"nvmlEventSetWait_v2", "nvmlEventSetWait"});
  find(register_events, {"nvmlDeviceRegisterEvents"});
  find(mig_mode, {"nvmlDeviceGetMigMode"});
  find(most_instances, {"nvmlDeviceGetMaxMigDeviceCount"});
  find(instance_by_index, {"nvmlDeviceGetMigDeviceHandleByIndex"});
  find(gpu_instance_id, {"nvmlDeviceGetGpuInstanceId"});
  find(compute_instance_id, {"nvmlDeviceGetComputeInstanceId"});
  find(attributes, {"nvmlDeviceGetAttributes_v2"});
}

}  // namespace levee::gpus
