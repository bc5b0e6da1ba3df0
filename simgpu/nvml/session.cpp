// NVML: session and system.
#include <array>
#include <cstddef>
#include <string>

#include "simgpu/nvml/exports.hpp"
#include "simgpu/nvml/library.hpp"
#include "simgpu/own_profile.hpp"

using namespace levee::simgpu;

Return nvmlInit() { return NvmlLibrary::get().init(__func__); }

Return nvmlInit_v2() { return NvmlLibrary::get().init(__func__); }

Return nvmlInitWithFlags(unsigned /*flags*/) { return NvmlLibrary::get().init(__func__); }

Return nvmlShutdown() {
  const Return result = NvmlLibrary::get().shutdown();
  trace(__func__, kNoGpu, static_cast<std::uint32_t>(result));
  return result;
}

const char* nvmlErrorString(Return result) {
  struct Text {
    Return result;
    const char* text;
  };
  constexpr auto kTexts = std::to_array<Text>({
      {Return::success, "Success"},
      {Return::uninitialized, "Uninitialized"},
      {Return::invalid_argument, "Invalid Argument"},
      {Return::not_supported, "Not Supported"},
      {Return::no_permission, "Insufficient Permissions"},
      {Return::already_initialized, "Already Initialized"},
      {Return::not_found, "Not Found"},
      {Return::insufficient_size, "Insufficient Size"},
      {Return::insufficient_power, "Insufficient External Power"},
      {Return::driver_not_loaded, "Driver Not Loaded"},
      {Return::timeout, "Timeout"},
      {Return::irq_issue, "Interrupt Request Issue"},
      {Return::library_not_found, "NVML Shared Library Not Found"},
      {Return::function_not_found, "Function Not Found"},
      {Return::corrupted_inforom, "Corrupted infoROM"},
      {Return::gpu_is_lost, "GPU is lost"},
      {Return::reset_required, "GPU requires restart"},
      {Return::operating_system, "The operating system has blocked the request."},
      {Return::lib_rm_version_mismatch, "RM has detected an NVML/RM version mismatch."},
      {Return::in_use, "GPU is currently in use"},
      {Return::memory, "Insufficient memory"},
      {Return::no_data, "No data"},
      {Return::insufficient_resources, "Insufficient resources"},
      {Return::argument_version_mismatch, "Argument version mismatch"},
      {Return::deprecated, "Deprecated"},
      {Return::not_ready, "System is not ready for the request"},
      {Return::gpu_not_found, "No GPUs were found"},
      {Return::invalid_state, "Invalid state"},
  });
  for (const Text& entry : kTexts) {
    if (entry.result == result) {
      return entry.text;
    }
  }
  return "Unknown Error";
}

Return nvmlSystemGetDriverVersion(char* version, unsigned length) {
  return system_call(__func__, [&](Session&) {
    return write_text(own_profile().driver_version, version, length);
  });
}

Return nvmlSystemGetNVMLVersion(char* version, unsigned length) {
  // Works without a driver, as the real one does.
  const int major = own_profile().cuda_version / 1000;
  const std::string text = std::to_string(major) + "." + std::string(own_profile().driver_version);
  return write_text(text, version, length);
}

Return nvmlSystemGetCudaDriverVersion_v2(int* version) {
  return system_call(__func__, [&](Session&) {
    if (version == nullptr) {
      return Return::invalid_argument;
    }
    *version = own_profile().cuda_version;
    return Return::success;
  });
}

Return nvmlSystemGetCudaDriverVersion(int* version) {
  return nvmlSystemGetCudaDriverVersion_v2(version);
}

Return nvmlInternalGetExportTable(const void** table, const void* /*id*/) {
  // nvidia-smi asks for private tables; one that holds only its own size satisfies its simple
  // queries, and promises nothing.
  static const std::array<std::size_t, 1> empty{sizeof(std::size_t)};
  if (table == nullptr) {
    return Return::invalid_argument;
  }
  *table = empty.data();
  trace(__func__, kNoGpu, 0);
  return Return::success;
}

Return levee_sim_not_supported(const char* function) {
  return system_call(function, [](Session&) { return Return::not_supported; });
}
