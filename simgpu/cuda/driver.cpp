// CUDA: initialisation, versions, error texts.
#include <array>

#include "simgpu/cuda/exports.hpp"
#include "simgpu/cuda/library.hpp"
#include "simgpu/own_profile.hpp"

using namespace levee::simgpu;

namespace {

struct ErrorText {
  Result result;
  const char* name;
  const char* text;
};

constexpr auto kTexts = std::to_array<ErrorText>({
    {Result::success, "CUDA_SUCCESS", "no error"},
    {Result::invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {Result::out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {Result::not_initialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {Result::deinitialized, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {Result::device_unavailable, "CUDA_ERROR_DEVICE_UNAVAILABLE",
     "CUDA-capable device(s) is/are busy or unavailable"},
    {Result::no_device, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {Result::invalid_device, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {Result::invalid_context, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {Result::ecc_uncorrectable, "CUDA_ERROR_ECC_UNCORRECTABLE",
     "uncorrectable ECC error encountered"},
    {Result::invalid_handle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {Result::illegal_state, "CUDA_ERROR_ILLEGAL_STATE",
     "the operation cannot be performed in the present state"},
    {Result::not_found, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {Result::not_ready, "CUDA_ERROR_NOT_READY", "device not ready"},
    {Result::illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {Result::primary_context_active, "CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE",
     "cannot set while device is active in this process"},
    {Result::context_is_destroyed, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {Result::launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {Result::not_permitted, "CUDA_ERROR_NOT_PERMITTED", "operation not permitted"},
    {Result::not_supported, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {Result::system_not_ready, "CUDA_ERROR_SYSTEM_NOT_READY", "system not yet initialized"},
    {Result::system_driver_mismatch, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
     "system has unsupported display driver / cuda driver combination"},
    {Result::unknown, "CUDA_ERROR_UNKNOWN", "unknown error"},
});

Result find_text(Result result, const char** out, const char* ErrorText::* member) noexcept {
  if (out == nullptr) {
    return Result::invalid_value;
  }
  *out = nullptr;
  for (const ErrorText& entry : kTexts) {
    if (entry.result == result) {
      *out = entry.*member;
      return Result::success;
    }
  }
  return Result::invalid_value;
}

}  // namespace

Result cuInit(unsigned flags) {
  const Result result = CudaLibrary::get().init(flags);
  trace(__func__, kNoGpu, static_cast<std::uint32_t>(result));
  return result;
}

Result cuDriverGetVersion(int* version) {
  if (version == nullptr) {
    return Result::invalid_value;
  }
  *version = own_profile().cuda_version;
  return Result::success;
}

Result cuGetErrorName(Result result, const char** name) {
  return find_text(result, name, &ErrorText::name);
}

Result cuGetErrorString(Result result, const char** text) {
  return find_text(result, text, &ErrorText::text);
}

Result levee_sim_not_supported(const char* function) {
  return driver_call(function, [](Session&, CudaLibrary&) { return Result::not_supported; });
}
