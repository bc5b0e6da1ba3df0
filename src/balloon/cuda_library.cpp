#include "balloon/cuda_library.hpp"

#include <dlfcn.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

namespace levee::balloon {
namespace {

using Answer = cuda::Result;

ErrorCode code_of(Answer answer) {
  switch (answer) {
    case Answer::out_of_memory:
      return ErrorCode::resource_exhausted;
    case Answer::not_permitted:
      return ErrorCode::permission_denied;
    default:
      return ErrorCode::unavailable;
  }
}

std::string hint_for(Answer answer) {
  switch (answer) {
    case Answer::out_of_memory:
      return "ask for less, or look who holds the memory: levee status";
    case Answer::not_initialized:
      return "this process was forked from one that uses CUDA: start it anew (in Python: the "
             "spawn method of multiprocessing)";
    case Answer::device_unavailable:
      return "the GPU is in a compute mode that lets one process in, or none, and another one is "
             "there: sudo nvidia-smi -c DEFAULT, or run both below nvidia-cuda-mps-control";
    case Answer::no_device: {
      const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
      return visible == nullptr
                 ? std::string("run nvidia-smi; in a container, start it with --gpus all")
                 : fmt::format("CUDA_VISIBLE_DEVICES is \"{}\": name a GPU of nvidia-smi -L",
                               visible);
    }
    case Answer::system_driver_mismatch:
      return "the driver was upgraded while the old kernel module is loaded: reload the module, or "
             "restart the machine";
    default:
      return "run nvidia-smi; dmesg may hold an XID";
  }
}

}  // namespace

std::string uuid_text(const cuda::Uuid& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    text += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    text += fmt::format("{:02x}", uuid.bytes.at(i));
  }
  return text;
}

Result<std::shared_ptr<const CudaLibrary>> CudaLibrary::open(
    const std::vector<std::string>& names) {
  std::string obstacle;
  for (const std::string& name : names) {
    // Never closed: a driver leaves threads and exit handlers behind.
    void* const handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      obstacle = ::dlerror();
      continue;
    }
    std::shared_ptr<CudaLibrary> library(new CudaLibrary(handle));
    if (!library->is_complete_) {
      return fail(ErrorCode::unavailable, name + " lacks functions that every CUDA driver has",
                  "it is no libcuda of a driver: look what LD_LIBRARY_PATH leads to");
    }
    if (const Answer answer = library->init(0); answer != Answer::success) {
      return std::unexpected(library->error("cuInit", answer));
    }
    return library;
  }
  return fail(ErrorCode::not_found, "the CUDA driver cannot be loaded: " + obstacle,
              "install the NVIDIA driver; in a container, start it with --gpus all and the "
              "capability \"compute\"");
}

CudaLibrary::CudaLibrary(void* handle) : handle_(handle) {
  look_up(init, {"cuInit"});
  look_up(device_count, {"cuDeviceGetCount"});
  look_up(device_get, {"cuDeviceGet"});
  look_up(device_uuid, {"cuDeviceGetUuid_v2", "cuDeviceGetUuid"});
  look_up(device_attribute, {"cuDeviceGetAttribute"});
  look_up(retain_context, {"cuDevicePrimaryCtxRetain"});
  look_up(release_context, {"cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxRelease"});
  look_up(context_state, {"cuDevicePrimaryCtxGetState"});
  look_up(push_context, {"cuCtxPushCurrent_v2"});
  look_up(pop_context, {"cuCtxPopCurrent_v2"});
  look_up(memory_info, {"cuMemGetInfo_v2"});
  look_up(allocate, {"cuMemAlloc_v2"});
  look_up(free, {"cuMemFree_v2"});
  look_up(error_string_, {"cuGetErrorString"});
  const bool has_what_it_must = is_complete_;
  look_up(granularity, {"cuMemGetAllocationGranularity"});
  look_up(create, {"cuMemCreate"});
  look_up(release, {"cuMemRelease"});
  look_up(reserve_addresses, {"cuMemAddressReserve"});
  look_up(free_addresses, {"cuMemAddressFree"});
  look_up(map, {"cuMemMap"});
  look_up(unmap, {"cuMemUnmap"});
  look_up(set_access, {"cuMemSetAccess"});
  is_complete_ = has_what_it_must;
}

template <class Signature>
void CudaLibrary::look_up(CudaFunction<Signature>& function,
                          std::initializer_list<const char*> names) {
  for (const char* const name : names) {
    if (void* const address = ::dlsym(handle_, name)) {
      function.function_ = reinterpret_cast<decltype(function.function_)>(address);
      return;
    }
  }
  is_complete_ = false;
}

Error CudaLibrary::error(std::string_view doing, Answer answer) const {
  const char* text = nullptr;
  if (error_string_(answer, &text) != Answer::success || text == nullptr) {
    text = "unknown to this driver";
  }
  const auto number = static_cast<unsigned>(answer);
  std::string message = answer == Answer::out_of_memory
                            ? fmt::format("CUDA out of memory: {}", doing)
                            : fmt::format("{}: CUDA error {} ({})", doing, number, text);
  return {code_of(answer), std::move(message), hint_for(answer)};
}

Result<cuda::Device> CudaLibrary::find(std::string_view uuid) const {
  constexpr std::size_t kPrefix = 4;  // "GPU-"
  const std::string_view wanted = uuid.substr(std::min(uuid.size(), kPrefix));
  int count = 0;
  if (const Answer answer = device_count(&count); answer != Answer::success) {
    return std::unexpected(error("cuDeviceGetCount", answer));
  }
  Answer refusal = Answer::success;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    cuda::Device device = 0;
    cuda::Uuid found{};
    Answer answer = device_get(&device, ordinal);
    answer = answer == Answer::success ? device_uuid(&found, device) : answer;
    if (answer == Answer::success && uuid_text(found) == wanted) {
      return device;
    }
    refusal = answer == Answer::success ? refusal : answer;
  }
  if (refusal != Answer::success) {
    return std::unexpected(
        error(fmt::format("looking for {} among CUDA's {} devices", uuid, count), refusal));
  }
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return fail(
      ErrorCode::not_found, fmt::format("CUDA does not show {} to this process", uuid),
      visible != nullptr
          ? fmt::format("CUDA_VISIBLE_DEVICES was \"{}\" at the first use of CUDA; name the GPU "
                        "there before the program starts",
                        visible)
          : std::string("a MIG instance is only seen when CUDA_VISIBLE_DEVICES names it before "
                        "the first use of CUDA; else run nvidia-smi -L"));
}

}  // namespace levee::balloon
