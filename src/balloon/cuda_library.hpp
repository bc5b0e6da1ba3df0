// CudaLibrary: NVIDIA's CUDA driver, found by name when the program runs, so that Levee needs
// neither its headers nor the library to build and start, and no CUDA runtime or PyTorch either.
// Thread-safe, as the driver is. Any call may take long, or hang for ever: see balloon/holder.hpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "abi/cuda.hpp"
#include "levee/result.hpp"

namespace levee::balloon {

/// A function of the library, or its absence.
template <class Signature>
class CudaFunction;

template <class... Arguments>
class CudaFunction<cuda::Result(Arguments...)> {
 public:
  cuda::Result operator()(Arguments... arguments) const {
    return function_ == nullptr ? cuda::Result::not_found : function_(arguments...);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return function_ != nullptr; }

 private:
  friend class CudaLibrary;
  cuda::Result (*function_)(Arguments...) = nullptr;
};

class CudaLibrary {
 public:
  /// Opens the first of `names` that is there and initialises the driver for this process, which
  /// fixes for good which GPUs it sees (CUDA_VISIBLE_DEVICES). `not_found` when there is none,
  /// `unavailable` with a hint when the driver refuses.
  [[nodiscard]] static Result<std::shared_ptr<const CudaLibrary>> open(
      const std::vector<std::string>& names = {"libcuda.so.1"});

  /// `answer` of what was being done ("cuMemCreate on GPU 0") as an Error with a hint. Out of
  /// memory is `resource_exhausted` and nothing else is.
  [[nodiscard]] Error error(std::string_view doing, cuda::Result answer) const;

  /// The ordinal this process knows the device by; nothing when it does not see it. `uuid` is the
  /// text of NVML ("GPU-…", "MIG-…").
  [[nodiscard]] Result<cuda::Device> find(std::string_view uuid) const;

  CudaFunction<cuda::fn::Init> init;
  CudaFunction<cuda::fn::DeviceGetCount> device_count;
  CudaFunction<cuda::fn::DeviceGet> device_get;
  CudaFunction<cuda::fn::DeviceGetUuid> device_uuid;
  CudaFunction<cuda::fn::DeviceGetAttribute> device_attribute;

  CudaFunction<cuda::fn::DevicePrimaryCtxRetain> retain_context;
  CudaFunction<cuda::fn::DevicePrimaryCtxRelease> release_context;
  CudaFunction<cuda::fn::DevicePrimaryCtxGetState> context_state;
  CudaFunction<cuda::fn::CtxSetCurrent> push_context;
  CudaFunction<cuda::fn::CtxGetCurrent> pop_context;

  CudaFunction<cuda::fn::MemGetInfo> memory_info;
  CudaFunction<cuda::fn::MemAlloc> allocate;
  CudaFunction<cuda::fn::MemFree> free;

  // Absent before CUDA 10.2.
  CudaFunction<cuda::fn::MemGetAllocationGranularity> granularity;
  CudaFunction<cuda::fn::MemCreate> create;
  CudaFunction<cuda::fn::MemRelease> release;
  CudaFunction<cuda::fn::MemAddressReserve> reserve_addresses;
  CudaFunction<cuda::fn::MemAddressFree> free_addresses;
  CudaFunction<cuda::fn::MemMap> map;
  CudaFunction<cuda::fn::MemUnmap> unmap;
  CudaFunction<cuda::fn::MemSetAccess> set_access;

 private:
  explicit CudaLibrary(void* handle);

  template <class Signature>
  void look_up(CudaFunction<Signature>& function, std::initializer_list<const char*> names);

  void* handle_;
  bool is_complete_ = true;
  CudaFunction<cuda::fn::GetErrorText> error_string_;
};

/// Makes a context the thread's own while it lives, and then the one that was there before. Of
/// nullptr nothing comes.
class EnteredContext {
 public:
  EnteredContext(const CudaLibrary& cuda, cuda::Context context)
      : cuda_(cuda),
        is_in_(context != nullptr && cuda.push_context(context) == cuda::Result::success) {}
  EnteredContext(const EnteredContext&) = delete;
  EnteredContext& operator=(const EnteredContext&) = delete;
  ~EnteredContext() {
    if (is_in_) {
      cuda::Context ours = nullptr;
      cuda_.pop_context(&ours);
    }
  }

 private:
  const CudaLibrary& cuda_;
  const bool is_in_;
};

/// "01234567-89ab-cdef-0123-456789abcdef", as it stands in NVML's texts after "GPU-" or "MIG-".
[[nodiscard]] std::string uuid_text(const cuda::Uuid& uuid);

}  // namespace levee::balloon
