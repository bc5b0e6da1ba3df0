#include "simgpu/cuda/heap.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <vector>

namespace levee::simgpu {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kSmallUnit = 512;
constexpr std::uint64_t kSmall = kBlock / 2;

void* pointer_to(cuda::DevicePtr address) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): device addresses are numbers at this interface.
  return reinterpret_cast<void*>(address);
}

}  // namespace

cuda::DevicePtr reserve_addresses(std::uint64_t bytes, std::uint64_t alignment,
                                  bool below_4_gib) noexcept {
  alignment = std::max(alignment, kPage);
  bytes = round_up(bytes, kPage);
  const std::uint64_t wanted = bytes + alignment - kPage;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
#ifdef MAP_32BIT
  flags |= below_4_gib ? MAP_32BIT : 0;
#endif
  void* const start = ::mmap(nullptr, wanted, PROT_NONE, flags, -1, 0);
  if (start == MAP_FAILED) {
    return 0;
  }
  const auto begin = reinterpret_cast<std::uint64_t>(start);
  const std::uint64_t aligned = round_up(begin, alignment);
  free_addresses(begin, aligned - begin);
  free_addresses(aligned + bytes, begin + wanted - aligned - bytes);
  if (below_4_gib && aligned + bytes > std::uint64_t{1} << 32U) {
    free_addresses(aligned, bytes);
    return 0;
  }
  return aligned;
}

void free_addresses(cuda::DevicePtr address, std::uint64_t bytes) noexcept {
  if (bytes > 0) {
    ::munmap(pointer_to(address), round_up(bytes, kPage));
  }
}

bool Heap::is_small(std::uint64_t bytes) noexcept { return bytes <= kSmall; }

cuda::DevicePtr Heap::allocate(Session& session, Process& process, Part part, std::uint64_t bytes,
                               const void* owner, bool below_4_gib) {
  const cuda::DevicePtr address = reserve_addresses(bytes, kSmallUnit, below_4_gib);
  if (address == 0) {
    return 0;
  }
  const std::uint64_t small_after =
      small_bytes_ + (is_small(bytes) ? round_up(bytes, kSmallUnit) : 0);
  const std::uint64_t cost = is_small(bytes)
                                 ? round_up(small_after, kBlock) - round_up(small_bytes_, kBlock)
                                 : round_up(bytes, kBlock);
  if (!charge(session, process, part, pool_, cost)) {
    free_addresses(address, bytes);
    return 0;
  }
  small_bytes_ = small_after;
  allocations_.emplace(address, Allocation{bytes, owner});
  return address;
}

bool Heap::free(Session& session, Process& process, Part part, cuda::DevicePtr address) {
  const auto found = allocations_.find(address);
  if (found == allocations_.end()) {
    return false;
  }
  const std::uint64_t bytes = found->second.bytes;
  allocations_.erase(found);
  const std::uint64_t small_after =
      small_bytes_ - (is_small(bytes) ? round_up(bytes, kSmallUnit) : 0);
  const std::uint64_t cost = is_small(bytes)
                                 ? round_up(small_bytes_, kBlock) - round_up(small_after, kBlock)
                                 : round_up(bytes, kBlock);
  small_bytes_ = small_after;
  release(session, process, part, pool_, cost);
  free_addresses(address, bytes);
  return true;
}

void Heap::free_all_of(Session& session, Process& process, Part part, const void* owner) {
  std::vector<cuda::DevicePtr> addresses;
  for (const auto& [address, allocation] : allocations_) {
    if (allocation.owner == owner) {
      addresses.push_back(address);
    }
  }
  for (const cuda::DevicePtr address : addresses) {
    free(session, process, part, address);
  }
}

}  // namespace levee::simgpu
