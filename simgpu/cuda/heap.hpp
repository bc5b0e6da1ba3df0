// Heap: the plain allocations of one process on one device. Large ones are charged in blocks of
// 2 MiB each; small ones share blocks. Addresses are reserved and never accessible, so that a
// program which touches device memory faults at once. Used with the machine locked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "abi/cuda.hpp"
#include "simgpu/machine/memory.hpp"

namespace levee::simgpu {

inline constexpr std::uint64_t kBlock = 2 * 1024 * 1024;  ///< Also the granularity of cuMemCreate.

[[nodiscard]] constexpr std::uint64_t round_up(std::uint64_t bytes, std::uint64_t unit) noexcept {
  return (bytes + unit - 1) / unit * unit;
}

/// Addresses that fault when touched; 0 when there are none. `alignment` is a power of two;
/// `below_4_gib` is for the first generation of the interface.
[[nodiscard]] cuda::DevicePtr reserve_addresses(std::uint64_t bytes, std::uint64_t alignment,
                                                bool below_4_gib = false) noexcept;
void free_addresses(cuda::DevicePtr address, std::uint64_t bytes) noexcept;

class Heap {
 public:
  explicit Heap(Pool pool) noexcept : pool_(pool) {}

  /// The address of a new allocation; 0 when memory is short.
  [[nodiscard]] cuda::DevicePtr allocate(Session& session, Process& process, Part part,
                                         std::uint64_t bytes, const void* owner,
                                         bool below_4_gib = false);

  /// False when nothing was allocated at `address`.
  bool free(Session& session, Process& process, Part part, cuda::DevicePtr address);

  /// Frees what was allocated with `owner`.
  void free_all_of(Session& session, Process& process, Part part, const void* owner);

 private:
  struct Allocation {
    std::uint64_t bytes;
    const void* owner;
  };

  [[nodiscard]] static bool is_small(std::uint64_t bytes) noexcept;

  Pool pool_;
  std::map<cuda::DevicePtr, Allocation> allocations_;
  std::uint64_t small_bytes_ = 0;
};

}  // namespace levee::simgpu
