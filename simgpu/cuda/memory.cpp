// CUDA: how much is free, plain and stream-ordered allocations. There is no work on any stream, so
// what is freed in stream order is free at once.
#include <algorithm>
#include <limits>

#include "simgpu/cuda/exports.hpp"
#include "simgpu/cuda/library.hpp"
#include "simgpu/machine/text.hpp"

using namespace levee::simgpu;

namespace {

struct Info {
  std::uint64_t free;
  std::uint64_t total;
};

/// What cuMemGetInfo says: without what the driver reserves, and capped by the limit of this
/// process's cgroup, if there is one.
Info query(OnDevice& target) noexcept {
  const Account account = answer_query(target.session, target.device.part);
  Info info{account.free, account.total - account.reserved};
  const Machine& machine = target.session.machine();
  const Process* process = target.library.slot(target.session);
  const MemoryLimit* limit = process == nullptr
                                 ? nullptr
                                 : limit_of(machine, target.device.part.gpu, view(process->cgroup));
  if (limit != nullptr) {
    const std::uint64_t used = used_below(machine, *limit);
    info.total = std::min(info.total, limit->hard_bytes);
    info.free = std::min(info.free, limit->hard_bytes - std::min(used, limit->hard_bytes));
  }
  return info;
}

Result allocate(const char* function, Heap CudaDevice::* heap, std::uint64_t bytes,
                bool below_4_gib, DevicePtr& address) noexcept {
  return context_call(function, [&](OnDevice& target) {
    constexpr std::uint64_t kTooMuch = std::uint64_t{1} << 46U;
    if (bytes == 0) {
      return Result::invalid_value;
    }
    Process* process = target.library.slot(target.session);
    if (process == nullptr || bytes > kTooMuch) {
      return Result::out_of_memory;
    }
    address = (target.device.*heap)
                  .allocate(target.session, *process, target.device.part, bytes,
                            current_contexts().top(), below_4_gib);
    return address == 0 ? Result::out_of_memory : Result::success;
  });
}

Result free_memory(const char* function, Heap CudaDevice::* heap, DevicePtr address) noexcept {
  return driver_call(function, [&](Session& session, CudaLibrary& library) {
    if (address == 0) {
      return Result::success;
    }
    Process* process = library.slot(session);
    const bool is_freed =
        process != nullptr && std::ranges::any_of(library.devices, [&](CudaDevice& device) {
          return (device.*heap).free(session, *process, device.part, address);
        });
    return is_freed ? Result::success : Result::invalid_value;
  });
}

unsigned to_32_bits(std::uint64_t bytes) noexcept {
  return static_cast<unsigned>(
      std::min<std::uint64_t>(bytes, std::numeric_limits<std::uint32_t>::max()));
}

Result allocate_async(const char* function, DevicePtr* pointer, std::size_t bytes) noexcept {
  DevicePtr address = 0;
  if (pointer == nullptr) {
    return driver_call(function, [](Session&, CudaLibrary&) { return Result::invalid_value; });
  }
  const Result result = allocate(function, &CudaDevice::async, bytes, false, address);
  *pointer = address;
  return result;
}

}  // namespace

Result cuMemGetInfo(unsigned* free, unsigned* total) {
  return context_call(__func__, [&](OnDevice& target) {
    if (free == nullptr || total == nullptr) {
      return Result::invalid_value;
    }
    const Info info = query(target);
    *free = to_32_bits(info.free);
    *total = to_32_bits(info.total);
    return Result::success;
  });
}

Result cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  return context_call(__func__, [&](OnDevice& target) {
    if (free == nullptr || total == nullptr) {
      return Result::invalid_value;
    }
    const Info info = query(target);
    *free = info.free;
    *total = info.total;
    return Result::success;
  });
}

Result cuMemAlloc(std::uint32_t* pointer, unsigned bytes) {
  DevicePtr address = 0;
  if (pointer == nullptr) {
    return driver_call(__func__, [](Session&, CudaLibrary&) { return Result::invalid_value; });
  }
  const Result result = allocate(__func__, &CudaDevice::plain, bytes, true, address);
  *pointer = static_cast<std::uint32_t>(address);
  return result;
}

Result cuMemAlloc_v2(DevicePtr* pointer, std::size_t bytes) {
  DevicePtr address = 0;
  if (pointer == nullptr) {
    return driver_call(__func__, [](Session&, CudaLibrary&) { return Result::invalid_value; });
  }
  const Result result = allocate(__func__, &CudaDevice::plain, bytes, false, address);
  *pointer = address;
  return result;
}

Result cuMemFree(std::uint32_t pointer) {
  return free_memory(__func__, &CudaDevice::plain, pointer);
}

Result cuMemFree_v2(DevicePtr pointer) {
  return free_memory(__func__, &CudaDevice::plain, pointer);
}

Result cuMemAllocAsync(DevicePtr* pointer, std::size_t bytes, Stream /*stream*/) {
  return allocate_async(__func__, pointer, bytes);
}

Result cuMemAllocAsync_ptsz(DevicePtr* pointer, std::size_t bytes, Stream /*stream*/) {
  return allocate_async(__func__, pointer, bytes);
}

Result cuMemFreeAsync(DevicePtr pointer, Stream /*stream*/) {
  return free_memory(__func__, &CudaDevice::async, pointer);
}

Result cuMemFreeAsync_ptsz(DevicePtr pointer, Stream /*stream*/) {
  return free_memory(__func__, &CudaDevice::async, pointer);
}
