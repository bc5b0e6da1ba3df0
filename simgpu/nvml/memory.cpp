// NVML: memory, and the limits of cgroups.
#include "simgpu/machine/memory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <string_view>

#include "levee/bytes.hpp"
#include "simgpu/machine/text.hpp"
#include "simgpu/nvml/exports.hpp"
#include "simgpu/nvml/library.hpp"

using levee::kMiB;
using namespace levee::simgpu;

namespace {

/// The account, unless this GPU's memory is the host's; then NVML cannot tell, or tells zeros.
Return take_account(Target& target, Account& account) noexcept {
  const std::int64_t mode = target.value(Key::memory);
  if (mode == choice::kMemoryNotSupported) {
    return Return::not_supported;
  }
  account =
      mode == choice::kMemoryZeroTotal ? Account{} : answer_query(target.session, target.part);
  return Return::success;
}

bool is_directory(const char* path) noexcept {
  struct stat status{};
  return ::stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

MemoryLimit* own_limit(Machine& machine, std::int32_t gpu, std::string_view cgroup) noexcept {
  MemoryLimit* free = nullptr;
  for (MemoryLimit& limit : machine.limit) {
    if (limit.is_used != 0 && limit.gpu == gpu && view(limit.cgroup) == cgroup) {
      return &limit;
    }
    free = free == nullptr && limit.is_used == 0 ? &limit : free;
  }
  return free;
}

}  // namespace

Return nvmlDeviceGetMemoryInfo(Device device, MemoryV1* memory) {
  return any_device_call(__func__, device, [&](Target& target) {
    if (memory == nullptr) {
      return Return::invalid_argument;
    }
    Account account;
    const Return result = take_account(target, account);
    if (result == Return::success) {
      *memory = MemoryV1{account.total, account.free, account.used + account.reserved};
    }
    return result;
  });
}

Return nvmlDeviceGetMemoryInfo_v2(Device device, MemoryV2* memory) {
  return any_device_call(__func__, device, [&](Target& target) {
    if (memory == nullptr) {
      return Return::invalid_argument;
    }
    if (memory->version != kMemoryV2Tag) {
      return Return::argument_version_mismatch;
    }
    Account account;
    const Return result = take_account(target, account);
    if (result == Return::success) {
      *memory = MemoryV2{kMemoryV2Tag, account.total, account.reserved, account.free, account.used};
    }
    return result;
  });
}

Return nvmlDeviceGetBAR1MemoryInfo(Device device, Bar1Memory* memory) {
  // MIG instances have a window as well; nvitop relies on it.
  return any_device_call(__func__, device, [&](Target& target) {
    constexpr std::uint64_t kInUse = 2 * kMiB;
    if (memory == nullptr) {
      return Return::invalid_argument;
    }
    if (target.value(Key::memory) != 0) {
      return Return::not_supported;
    }
    const std::uint64_t total = std::bit_ceil(account(target.session, target.part).total);
    *memory = Bar1Memory{total, total - kInUse, kInUse};
    return Return::success;
  });
}

Return nvmlDeviceGetConfComputeMemSizeInfo(Device device, ConfComputeMemory* memory) {
  return device_call(__func__, device, [&](Target& target) {
    if (memory == nullptr) {
      return Return::invalid_argument;
    }
    *memory = ConfComputeMemory{0, target.gpu.total_bytes / 1024};
    return Return::success;
  });
}

Return nvmlDeviceSetMemoryLimits_v1(Device device, SetMemoryLimits* limits) {
  return device_call(__func__, device, [&](Target& target) {
    if (limits == nullptr || limits->cgroup == nullptr || limits->soft_bytes > limits->hard_bytes) {
      return Return::invalid_argument;
    }
    if (::geteuid() != 0) {
      return Return::no_permission;
    }
    if (!is_directory(limits->cgroup)) {
      return Return::not_found;
    }
    MemoryLimit* limit = own_limit(target.session.machine(), target.part.gpu, limits->cgroup);
    if (limit == nullptr) {
      return Return::insufficient_resources;
    }
    const bool is_none = limits->soft_bytes == 0 && limits->hard_bytes == kNoMemoryLimit;
    limit->gpu = target.part.gpu;
    limit->soft_bytes = limits->soft_bytes;
    limit->hard_bytes = limits->hard_bytes;
    put(limit->cgroup, limits->cgroup);
    limit->is_used = is_none ? 0 : 1;
    return Return::success;
  });
}

Return nvmlDeviceGetMemoryLimits_v1(Device device, GetMemoryLimits* limits) {
  return device_call(__func__, device, [&](Target& target) {
    if (limits == nullptr || limits->cgroup == nullptr) {
      return Return::invalid_argument;
    }
    const Machine& machine = target.session.machine();
    const MemoryLimit* limit = limit_of(machine, target.part.gpu, limits->cgroup);
    if (limit == nullptr) {
      return Return::not_supported;  // What driver 615 says when nothing limits the cgroup.
    }
    limits->soft_bytes = limit->soft_bytes;
    limits->hard_bytes = limit->hard_bytes;
    limits->used_bytes = used_below(machine, *limit);
    return Return::success;
  });
}
