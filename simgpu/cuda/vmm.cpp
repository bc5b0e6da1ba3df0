// CUDA: virtual memory management. Memory is charged when it is created and free again when its
// last handle and its last mapping are gone; addresses cost nothing.
#include <algorithm>
#include <bit>
#include <iterator>

#include "simgpu/cuda/exports.hpp"
#include "simgpu/cuda/library.hpp"

using namespace levee::simgpu;

namespace {

Result check(const AllocationProp* prop) noexcept {
  if (prop == nullptr || prop->type != AllocationType::pinned) {
    return Result::invalid_value;
  }
  return prop->location.type == LocationType::device ? Result::success : Result::not_supported;
}

/// Frees the memory when nothing refers to it any more.
void settle(Session& session, CudaLibrary& library,
            std::map<AllocationHandle, Physical>::iterator found) noexcept {
  const Physical memory = found->second;
  if (memory.handles > 0 || memory.mappings > 0) {
    return;
  }
  library.physical.erase(found);
  if (Process* process = library.slot(session)) {
    release(session, *process, library.find(memory.device)->part, Pool::vmm, memory.bytes);
  }
}

/// The reservation that holds all of [address, address + bytes).
bool is_reserved(const CudaLibrary& library, DevicePtr address, std::uint64_t bytes) noexcept {
  auto after = library.reservations.upper_bound(address);
  if (after == library.reservations.begin()) {
    return false;
  }
  const auto& [start, size] = *--after;
  return bytes <= size && address - start <= size - bytes;
}

bool overlaps_mapping(const CudaLibrary& library, DevicePtr address, std::uint64_t bytes) noexcept {
  const auto after = library.mappings.lower_bound(address + bytes);
  if (after == library.mappings.begin()) {
    return false;
  }
  const auto& [start, mapping] = *std::prev(after);
  return start + mapping.bytes > address;
}

/// True when whole mappings cover exactly [address, address + bytes).
bool is_mapped(const CudaLibrary& library, DevicePtr address, std::uint64_t bytes) noexcept {
  const DevicePtr end = address + bytes;
  auto next = library.mappings.find(address);
  while (address < end && next != library.mappings.end() && next->first == address) {
    address += next->second.bytes;
    ++next;
  }
  return bytes > 0 && address == end;
}

}  // namespace

Result cuMemGetAllocationGranularity(std::size_t* granularity, const AllocationProp* prop,
                                     GranularityKind /*kind*/) {
  return driver_call(__func__, [&](Session&, CudaLibrary& library) {
    if (granularity == nullptr) {
      return Result::invalid_value;
    }
    if (const Result result = check(prop); result != Result::success) {
      return result;
    }
    if (library.find(prop->location.id) == nullptr) {
      return Result::invalid_device;
    }
    *granularity = kBlock;
    return Result::success;
  });
}

Result cuMemCreate(AllocationHandle* handle, std::size_t bytes, const AllocationProp* prop,
                   unsigned long long flags) {
  return device_call(__func__, prop == nullptr ? 0 : prop->location.id, [&](OnDevice& target) {
    if (handle == nullptr || flags != 0 || bytes == 0 || bytes % kBlock != 0) {
      return Result::invalid_value;
    }
    if (const Result result = check(prop); result != Result::success) {
      return result;
    }
    if (target.value(Key::vmm) <= 0) {
      return Result::not_supported;
    }
    if (target.value(Key::vmm_needs_context) > 0 && current_contexts().top() == nullptr) {
      return Result::invalid_context;
    }
    Process* process = target.library.slot(target.session);
    if (process == nullptr ||
        !charge(target.session, *process, target.device.part, Pool::vmm, bytes)) {
      return Result::out_of_memory;
    }
    *handle = target.library.next_handle++;
    target.library.physical.emplace(*handle, Physical{target.ordinal, bytes});
    return Result::success;
  });
}

Result cuMemRelease(AllocationHandle handle) {
  return driver_call(__func__, [&](Session& session, CudaLibrary& library) {
    const auto found = library.physical.find(handle);
    if (found == library.physical.end() || found->second.handles == 0) {
      return Result::invalid_value;
    }
    --found->second.handles;
    settle(session, library, found);
    return Result::success;
  });
}

Result cuMemAddressReserve(DevicePtr* address, std::size_t bytes, std::size_t alignment,
                           DevicePtr /*wish*/, unsigned long long flags) {
  return driver_call(__func__, [&](Session&, CudaLibrary& library) {
    if (address == nullptr || flags != 0 || bytes == 0 || bytes % kBlock != 0 ||
        (alignment != 0 && !std::has_single_bit(alignment))) {
      return Result::invalid_value;
    }
    const DevicePtr start = reserve_addresses(bytes, std::max<std::size_t>(alignment, kBlock));
    if (start == 0) {
      return Result::out_of_memory;
    }
    library.reservations.emplace(start, bytes);
    *address = start;
    return Result::success;
  });
}

Result cuMemAddressFree(DevicePtr address, std::size_t bytes) {
  return driver_call(__func__, [&](Session&, CudaLibrary& library) {
    const auto found = library.reservations.find(address);
    if (found == library.reservations.end() || found->second != bytes ||
        overlaps_mapping(library, address, bytes)) {
      return Result::invalid_value;
    }
    library.reservations.erase(found);
    free_addresses(address, bytes);
    return Result::success;
  });
}

Result cuMemMap(DevicePtr address, std::size_t bytes, std::size_t offset, AllocationHandle handle,
                unsigned long long flags) {
  return driver_call(__func__, [&](Session&, CudaLibrary& library) {
    const auto found = library.physical.find(handle);
    if (found == library.physical.end() || found->second.handles == 0 || flags != 0 ||
        offset != 0 || bytes != found->second.bytes || address % kBlock != 0 ||
        !is_reserved(library, address, bytes) || overlaps_mapping(library, address, bytes)) {
      return Result::invalid_value;
    }
    ++found->second.mappings;
    library.mappings.emplace(address, Mapping{bytes, handle});
    return Result::success;
  });
}

Result cuMemUnmap(DevicePtr address, std::size_t bytes) {
  return driver_call(__func__, [&](Session& session, CudaLibrary& library) {
    if (!is_mapped(library, address, bytes)) {
      return Result::invalid_value;
    }
    const auto end = library.mappings.lower_bound(address + bytes);
    for (auto next = library.mappings.find(address); next != end;) {
      const auto found = library.physical.find(next->second.handle);
      --found->second.mappings;
      settle(session, library, found);
      next = library.mappings.erase(next);
    }
    return Result::success;
  });
}

Result cuMemSetAccess(DevicePtr address, std::size_t bytes, const AccessDescription* description,
                      std::size_t count) {
  return driver_call(__func__, [&](Session&, CudaLibrary& library) {
    const bool is_good = description != nullptr && count > 0 && is_mapped(library, address, bytes);
    return is_good ? Result::success : Result::invalid_value;
  });
}

Result cuMemRetainAllocationHandle(AllocationHandle* handle, void* address) {
  return driver_call(__func__, [&](Session&, CudaLibrary& library) {
    const auto where = reinterpret_cast<DevicePtr>(address);
    const auto after = library.mappings.upper_bound(where);
    if (handle == nullptr || after == library.mappings.begin()) {
      return Result::invalid_value;
    }
    const auto& [start, mapping] = *std::prev(after);
    if (where - start >= mapping.bytes) {
      return Result::invalid_value;
    }
    *handle = mapping.handle;
    ++library.physical.at(*handle).handles;
    return Result::success;
  });
}
