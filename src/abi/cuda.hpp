// The CUDA driver API as it looks from outside: what libcuda.so.1 exports, in our own words.
//
// Only what Levee calls (the balloon) and what the simulated GPU answers. The library is reached by
// dlopen only. Sizes and offsets are those of LP64 machines and are asserted. `fn::X` is the
// signature of `cuX`; the suffix `_v2` means 64-bit sizes and is left out here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace levee::cuda {

/// The answer of every driver function.
enum class Result : std::uint32_t {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialized = 3,  ///< Also in a child forked after cuInit.
  deinitialized = 4,
  device_unavailable = 46,  ///< Exclusive mode: somebody else has the context.
  no_device = 100,
  invalid_device = 101,
  invalid_context = 201,
  ecc_uncorrectable = 214,
  invalid_handle = 400,
  illegal_state = 401,
  not_found = 500,
  not_ready = 600,
  illegal_address = 700,
  primary_context_active = 708,
  context_is_destroyed = 709,
  launch_failed = 719,
  not_permitted = 800,
  not_supported = 801,
  system_not_ready = 802,
  system_driver_mismatch = 803,
  unknown = 999,
};

using Device = int;
using DevicePtr = std::uint64_t;
using Context = struct ContextObject*;
using Stream = struct StreamObject*;
using AllocationHandle = std::uint64_t;

struct Uuid {
  std::array<unsigned char, 16> bytes;
};
static_assert(sizeof(Uuid) == 16);

/// Values of cuDeviceGetAttribute.
enum class Attribute : std::uint32_t {
  max_threads_per_block = 1,
  warp_size = 10,
  clock_rate_khz = 13,
  multiprocessors = 16,
  is_integrated = 18,
  compute_mode = 20,
  pci_bus_id = 33,
  pci_device_id = 34,
  memory_clock_rate_khz = 36,
  has_unified_addressing = 41,
  pci_domain_id = 50,
  compute_capability_major = 75,
  compute_capability_minor = 76,
  has_managed_memory = 83,
  has_virtual_memory_management = 102,  ///< cuMemCreate and its family work.
  has_posix_fd_handles = 103,
  has_memory_pools = 115,
};

enum class AllocationType : std::uint32_t { invalid = 0, pinned = 1 };
enum class LocationType : std::uint32_t { invalid = 0, device = 1, host = 2 };
enum class GranularityKind : std::uint32_t { minimum = 0, recommended = 1 };

struct Location {
  LocationType type;
  std::int32_t id;  ///< The device's ordinal.
};
static_assert(sizeof(Location) == 8);

/// What cuMemCreate allocates: `type` pinned, `location` the device, the rest zero.
struct AllocationProp {
  AllocationType type;
  std::uint32_t handle_types;
  Location location;
  void* win32_metadata;
  std::uint8_t compression;
  std::uint8_t gpu_direct_rdma;
  std::uint16_t usage;
  std::array<std::uint8_t, 4> reserved;
};
static_assert(sizeof(AllocationProp) == 32 && offsetof(AllocationProp, handle_types) == 4 &&
              offsetof(AllocationProp, location) == 8 &&
              offsetof(AllocationProp, win32_metadata) == 16 &&
              offsetof(AllocationProp, compression) == 24);

struct AccessDescription {
  Location location;
  std::uint32_t flags;  ///< 0 none, 1 read, 3 read and write.
};
static_assert(sizeof(AccessDescription) == 12);

/// Status of a look-up through cuGetProcAddress_v2.
enum class LookUp : std::uint32_t { success = 0, not_found = 1, version_not_sufficient = 2 };

namespace fn {

using Init = Result(unsigned flags);
using DriverGetVersion = Result(int*);
using GetErrorText = Result(Result, const char**);  // cuGetErrorName, cuGetErrorString

using DeviceGet = Result(Device*, int ordinal);
using DeviceGetCount = Result(int*);
using DeviceGetName = Result(char*, int length, Device);
using DeviceGetUuid = Result(Uuid*, Device);  // unversioned and _v2
using DeviceGetAttribute = Result(int*, Attribute, Device);
using DeviceTotalMem = Result(std::size_t*, Device);  // cuDeviceTotalMem_v2
using DeviceTotalMem32 = Result(unsigned*, Device);   // cuDeviceTotalMem
using DeviceGetPciBusId = Result(char*, int length, Device);
using DeviceGetByPciBusId = Result(Device*, const char*);
using DeviceComputeCapability = Result(int* major, int* minor, Device);

using DevicePrimaryCtxRetain = Result(Context*, Device);
using DevicePrimaryCtxRelease = Result(Device);  // cuDevicePrimaryCtxRelease_v2, …Reset_v2
using DevicePrimaryCtxGetState = Result(Device, unsigned* flags, int* is_active);
using CtxCreate = Result(Context*, unsigned flags, Device);  // cuCtxCreate_v2
using CtxDestroy = Result(Context);
using CtxSetCurrent = Result(Context);   // cuCtxPushCurrent_v2 alike
using CtxGetCurrent = Result(Context*);  // cuCtxPopCurrent_v2 alike
using CtxGetDevice = Result(Device*);
using CtxSynchronize = Result();

using MemGetInfo = Result(std::size_t* free, std::size_t* total);  // cuMemGetInfo_v2
using MemAlloc = Result(DevicePtr*, std::size_t);                  // cuMemAlloc_v2
using MemFree = Result(DevicePtr);                                 // cuMemFree_v2
using MemAllocAsync = Result(DevicePtr*, std::size_t, Stream);
using MemFreeAsync = Result(DevicePtr, Stream);

// the first generation, before 64-bit sizes
using MemGetInfo32 = Result(unsigned* free, unsigned* total);
using MemAlloc32 = Result(std::uint32_t* pointer, unsigned);
using MemFree32 = Result(std::uint32_t pointer);

using MemGetAllocationGranularity = Result(std::size_t*, const AllocationProp*, GranularityKind);
using MemCreate = Result(AllocationHandle*, std::size_t, const AllocationProp*,
                         unsigned long long flags);
using MemRelease = Result(AllocationHandle);
using MemAddressReserve = Result(DevicePtr*, std::size_t size, std::size_t alignment,
                                 DevicePtr wish, unsigned long long flags);
using MemAddressFree = Result(DevicePtr, std::size_t);
using MemMap = Result(DevicePtr, std::size_t size, std::size_t offset, AllocationHandle,
                      unsigned long long flags);
using MemUnmap = Result(DevicePtr, std::size_t);
using MemSetAccess = Result(DevicePtr, std::size_t, const AccessDescription*, std::size_t count);
using MemRetainAllocationHandle = Result(AllocationHandle*, void* address);

using GetProcAddress = Result(const char* name, void**, int cuda_version, std::uint64_t flags);
using GetProcAddressV2 = Result(const char* name, void**, int cuda_version, std::uint64_t flags,
                                LookUp*);

}  // namespace fn
}  // namespace levee::cuda
