// Memory: what is used, what is free, and taking and giving back. Called with the lock.
//
// There is no counter of used memory: it is the sum over the slots, the holders of the scenario and
// what is still being released, so no death can leave it wrong.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "simgpu/machine/layout.hpp"
#include "simgpu/machine/segment.hpp"

namespace levee::simgpu {

/// A GPU, or one MIG instance of it.
struct Part {
  std::int32_t gpu = kNoGpu;
  std::int32_t instance = kNoInstanceId;
};

/// total = reserved + used + free, unless foreign holders hold more than there is.
struct Account {
  std::uint64_t total = 0;
  std::uint64_t reserved = 0;
  std::uint64_t used = 0;  ///< Without `reserved`.
  std::uint64_t free = 0;
};

enum class Pool : std::uint8_t { context, plain, vmm, async };

/// Counts, after a quick look for the dead.
[[nodiscard]] Account account(Session& session, Part part) noexcept;

/// The same as `account`, for a driver's memory query: afterwards a `free-jump` happens.
[[nodiscard]] Account answer_query(Session& session, Part part) noexcept;

/// Takes memory, unless that would exceed the capacity, the largest allocation or a cgroup's limit.
[[nodiscard]] bool charge(Session& session, Process& process, Part part, Pool pool,
                          std::uint64_t bytes) noexcept;

/// Gives memory back; it stays used for `release-delay`.
void release(Session& session, Process& process, Part part, Pool pool,
             std::uint64_t bytes) noexcept;

/// Keeps `bytes` counted for the GPU's `release-delay`, if it has one.
void delay_release(Machine& machine, std::int32_t gpu, std::int32_t instance,
                   std::uint64_t bytes) noexcept;

/// The limit that binds `cgroup` on `gpu`: its own, or that of the nearest cgroup above.
[[nodiscard]] const MemoryLimit* limit_of(const Machine& machine, std::int32_t gpu,
                                          std::string_view cgroup) noexcept;

/// What the processes bound by `limit` hold.
[[nodiscard]] std::uint64_t used_below(const Machine& machine, const MemoryLimit& limit) noexcept;

/// Somebody the driver would list.
struct Holder {
  std::uint32_t pid = 0;
  HolderKind kind = HolderKind::compute;
  std::int32_t instance = kNoInstanceId;
  std::uint64_t bytes = 0;
  std::uint32_t sm_percent = 0;
  bool is_foreign = false;
};

struct Holders {
  std::array<Holder, kMaxProcesses + kMaxForeign> list{};
  std::size_t count = 0;
};

/// Who holds memory or a context on `part`, after a thorough look for the dead.
[[nodiscard]] Holders holders(Session& session, Part part) noexcept;

}  // namespace levee::simgpu
