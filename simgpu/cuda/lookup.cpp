// CUDA: cuGetProcAddress. Clients ask for a bare name and a CUDA version and get the generation of
// the function that this version had; what they get is the exported symbol itself.
#include <array>
#include <string_view>

#include "simgpu/cuda/exports.hpp"
#include "simgpu/cuda/lookup.hpp"

namespace {

using levee::simgpu::StubEntry;

/// Streams of their own for each thread, cuGetProcAddress's flag.
constexpr std::uint64_t kPerThreadStreams = 2;

struct Entry {
  std::string_view name;
  int since;  ///< CUDA version, 12040 for 12.4.
  void* function;
  bool is_per_thread = false;
};

template <class Function>
void* address_of(Function* function) noexcept {
  return reinterpret_cast<void*>(function);
}

const auto& entries() {
  // clang-format off
  static const auto kTable = std::to_array<Entry>({
      {"cuInit", 2000, address_of(cuInit)},
      {"cuDriverGetVersion", 2020, address_of(cuDriverGetVersion)},
      {"cuGetErrorName", 6000, address_of(cuGetErrorName)},
      {"cuGetErrorString", 6000, address_of(cuGetErrorString)},
      {"cuGetProcAddress", 11030, address_of(cuGetProcAddress)},
      {"cuGetProcAddress", 12000, address_of(cuGetProcAddress_v2)},
      {"cuDeviceGet", 2000, address_of(cuDeviceGet)},
      {"cuDeviceGetCount", 2000, address_of(cuDeviceGetCount)},
      {"cuDeviceGetName", 2000, address_of(cuDeviceGetName)},
      {"cuDeviceGetUuid", 9020, address_of(cuDeviceGetUuid)},
      {"cuDeviceGetUuid", 11040, address_of(cuDeviceGetUuid_v2)},
      {"cuDeviceGetAttribute", 2000, address_of(cuDeviceGetAttribute)},
      {"cuDeviceTotalMem", 2000, address_of(cuDeviceTotalMem)},
      {"cuDeviceTotalMem", 3020, address_of(cuDeviceTotalMem_v2)},
      {"cuDeviceGetPCIBusId", 4010, address_of(cuDeviceGetPCIBusId)},
      {"cuDeviceGetByPCIBusId", 4010, address_of(cuDeviceGetByPCIBusId)},
      {"cuDeviceComputeCapability", 2000, address_of(cuDeviceComputeCapability)},
      {"cuDevicePrimaryCtxRetain", 7000, address_of(cuDevicePrimaryCtxRetain)},
      {"cuDevicePrimaryCtxRelease", 7000, address_of(cuDevicePrimaryCtxRelease)},
      {"cuDevicePrimaryCtxRelease", 11000, address_of(cuDevicePrimaryCtxRelease_v2)},
      {"cuDevicePrimaryCtxReset", 7000, address_of(cuDevicePrimaryCtxReset)},
      {"cuDevicePrimaryCtxReset", 11000, address_of(cuDevicePrimaryCtxReset_v2)},
      {"cuDevicePrimaryCtxGetState", 7000, address_of(cuDevicePrimaryCtxGetState)},
      {"cuCtxCreate", 2000, address_of(cuCtxCreate)},
      {"cuCtxCreate", 3020, address_of(cuCtxCreate_v2)},
      {"cuCtxDestroy", 2000, address_of(cuCtxDestroy)},
      {"cuCtxDestroy", 4000, address_of(cuCtxDestroy_v2)},
      {"cuCtxSetCurrent", 4000, address_of(cuCtxSetCurrent)},
      {"cuCtxGetCurrent", 4000, address_of(cuCtxGetCurrent)},
      {"cuCtxPushCurrent", 2000, address_of(cuCtxPushCurrent)},
      {"cuCtxPushCurrent", 4000, address_of(cuCtxPushCurrent_v2)},
      {"cuCtxPopCurrent", 2000, address_of(cuCtxPopCurrent)},
      {"cuCtxPopCurrent", 4000, address_of(cuCtxPopCurrent_v2)},
      {"cuCtxGetDevice", 2000, address_of(cuCtxGetDevice)},
      {"cuCtxSynchronize", 2000, address_of(cuCtxSynchronize)},
      {"cuMemGetInfo", 2000, address_of(cuMemGetInfo)},
      {"cuMemGetInfo", 3020, address_of(cuMemGetInfo_v2)},
      {"cuMemAlloc", 2000, address_of(cuMemAlloc)},
      {"cuMemAlloc", 3020, address_of(cuMemAlloc_v2)},
      {"cuMemFree", 2000, address_of(cuMemFree)},
      {"cuMemFree", 3020, address_of(cuMemFree_v2)},
      {"cuMemAllocAsync", 11020, address_of(cuMemAllocAsync)},
      {"cuMemAllocAsync", 11020, address_of(cuMemAllocAsync_ptsz), true},
      {"cuMemFreeAsync", 11020, address_of(cuMemFreeAsync)},
      {"cuMemFreeAsync", 11020, address_of(cuMemFreeAsync_ptsz), true},
      {"cuMemGetAllocationGranularity", 10020, address_of(cuMemGetAllocationGranularity)},
      {"cuMemCreate", 10020, address_of(cuMemCreate)},
      {"cuMemRelease", 10020, address_of(cuMemRelease)},
      {"cuMemAddressReserve", 10020, address_of(cuMemAddressReserve)},
      {"cuMemAddressFree", 10020, address_of(cuMemAddressFree)},
      {"cuMemMap", 10020, address_of(cuMemMap)},
      {"cuMemUnmap", 10020, address_of(cuMemUnmap)},
      {"cuMemSetAccess", 10020, address_of(cuMemSetAccess)},
      {"cuMemRetainAllocationHandle", 11000, address_of(cuMemRetainAllocationHandle)},
  });
  // clang-format on
  return kTable;
}

/// "cuMemcpyHtoD" of "cuMemcpyHtoD_v2": look-ups do not know suffixed names.
std::string_view base_name(std::string_view name) noexcept {
  const auto mark = name.rfind("_v");
  return mark == std::string_view::npos ? name : name.substr(0, mark);
}

struct Found {
  void* function = nullptr;
  LookUp status = LookUp::not_found;
};

Found look_up(std::string_view name, int version, std::uint64_t flags) noexcept {
  Found found;
  int newest = -1;
  for (const Entry& entry : entries()) {
    if (entry.name != name || (entry.is_per_thread && (flags & kPerThreadStreams) == 0)) {
      continue;
    }
    if (entry.since > version) {
      found.status = newest < 0 ? LookUp::version_not_sufficient : found.status;
    } else if (entry.since >= newest) {
      newest = entry.since;
      found = {entry.function, LookUp::success};
    }
  }
  for (const StubEntry* stub = levee_sim_stubs; stub->name != nullptr; ++stub) {
    if (found.status == LookUp::not_found && base_name(stub->name) == name) {
      found = {stub->function, LookUp::success};
    }
  }
  return found;
}

}  // namespace

Result cuGetProcAddress(const char* name, void** function, int version, std::uint64_t flags) {
  if (name == nullptr || function == nullptr) {
    return Result::invalid_value;
  }
  const Found found = look_up(name, version, flags);
  *function = found.function;
  return found.function == nullptr ? Result::not_found : Result::success;
}

Result cuGetProcAddress_v2(const char* name, void** function, int version, std::uint64_t flags,
                           LookUp* status) {
  if (name == nullptr || function == nullptr) {
    return Result::invalid_value;
  }
  const Found found = look_up(name, version, flags);
  *function = found.function;
  if (status != nullptr) {
    *status = found.status;
  }
  return Result::success;
}
