#include "simgpu/machine/memory.hpp"

#include <algorithm>

#include "simgpu/machine/processes.hpp"
#include "simgpu/machine/text.hpp"
#include "simgpu/machine/timeline.hpp"

namespace levee::simgpu {
namespace {

Gpu& gpu_of(Machine& machine, std::int32_t gpu) noexcept {
  return machine.gpu.at(static_cast<std::size_t>(gpu));
}

bool is_within(Part part, std::int32_t gpu, std::int32_t instance) noexcept {
  return part.gpu == gpu && (part.instance == kNoInstanceId || part.instance == instance);
}

std::uint64_t used_on(const Machine& machine, Part part, std::uint64_t now) noexcept {
  std::uint64_t sum = 0;
  const auto index = static_cast<std::size_t>(part.gpu);
  for (std::size_t i = 0; i < machine.processes; ++i) {
    const Process& process = machine.process.at(i);
    const Holding& holding = process.holding.at(index);
    if (process.is_used != 0 && is_within(part, part.gpu, holding.instance)) {
      sum += holding.bytes();
    }
  }
  for (std::size_t i = 0; i < machine.foreigners; ++i) {
    const Foreign& holder = machine.foreign.at(i);
    if (holder.is_used != 0 && is_within(part, holder.gpu, holder.instance)) {
      sum += holder.bytes;
    }
  }
  for (const Pending& pending : machine.pending) {
    if (pending.is_used != 0 && pending.due_ns > now &&
        is_within(part, pending.gpu, pending.instance)) {
      sum += pending.bytes;
    }
  }
  if (part.instance == kNoInstanceId) {
    const Gpu& gpu = machine.gpu.at(index);
    const Value& value = gpu.values.at(static_cast<std::size_t>(Key::unattributed));
    sum += static_cast<std::uint64_t>(std::max<std::int64_t>(0, value_at(value, now)));
  }
  return sum;
}

Account count(const Session& session, Part part) noexcept {
  const Machine& machine = session.machine();
  const Gpu& gpu = machine.gpu.at(static_cast<std::size_t>(part.gpu));
  Account sum;
  if (part.instance == kNoInstanceId) {
    sum.total = gpu.total_bytes;
    sum.reserved = gpu.reserved_bytes;
  } else {
    sum.total = gpu.instance.at(static_cast<std::size_t>(part.instance)).bytes;
  }
  const std::uint64_t capacity = sum.total - sum.reserved;
  sum.used = std::min(capacity, used_on(machine, part, session.now()));
  sum.free = capacity - sum.used;
  return sum;
}

std::uint64_t& bytes_of(Holding& holding, Pool pool) noexcept {
  switch (pool) {
    case Pool::context:
      return holding.context_bytes;
    case Pool::vmm:
      return holding.vmm_bytes;
    case Pool::async:
      return holding.async_bytes;
    default:
      return holding.plain_bytes;
  }
}

/// True when `path` is `parent` or lies below it.
bool is_at_or_below(std::string_view path, std::string_view parent) noexcept {
  while (!parent.empty() && parent.back() == '/') {
    parent.remove_suffix(1);
  }
  return path.starts_with(parent) && (path.size() == parent.size() || path[parent.size()] == '/');
}

bool is_within_limit(const Machine& machine, const Process& process, Part part,
                     std::uint64_t bytes) noexcept {
  const MemoryLimit* limit = limit_of(machine, part.gpu, view(process.cgroup));
  if (limit == nullptr) {
    return true;
  }
  const std::uint64_t used = used_below(machine, *limit);
  return used <= limit->hard_bytes && bytes <= limit->hard_bytes - used;
}

}  // namespace

Account account(Session& session, Part part) noexcept {
  sweep_processes(session.machine(), Look::quick);
  return count(session, part);
}

Account answer_query(Session& session, Part part) noexcept {
  const Account answer = account(session, part);
  Gpu& gpu = gpu_of(session.machine(), part.gpu);
  if (gpu.free_jump_bytes != 0) {
    Value& value = gpu.values.at(static_cast<std::size_t>(Key::unattributed));
    const std::int64_t level =
        std::max<std::int64_t>(0, value_at(value, session.now()) + gpu.free_jump_bytes);
    value = Value{level, level, 0, 0, kForever, level};
    gpu.free_jump_bytes = 0;
  }
  return answer;
}

bool charge(Session& session, Process& process, Part part, Pool pool,
            std::uint64_t bytes) noexcept {
  Machine& machine = session.machine();
  const Gpu& gpu = gpu_of(machine, part.gpu);
  const std::int64_t largest = session.value(gpu, Key::max_allocation);
  if (pool != Pool::context && largest > 0 && bytes > static_cast<std::uint64_t>(largest)) {
    return false;
  }
  const auto fits = [&] {
    return bytes <= count(session, part).free && is_within_limit(machine, process, part, bytes);
  };
  if (!fits()) {
    sweep_processes(machine, Look::thorough);
    if (!fits()) {
      return false;
    }
  }
  Holding& holding = process.holding.at(static_cast<std::size_t>(part.gpu));
  holding.instance = part.instance;
  death_point(machine);
  bytes_of(holding, pool) += bytes;  // One store: either all of it is taken, or nothing.
  death_point(machine);
  return true;
}

void release(Session& session, Process& process, Part part, Pool pool,
             std::uint64_t bytes) noexcept {
  Machine& machine = session.machine();
  Holding& holding = process.holding.at(static_cast<std::size_t>(part.gpu));
  std::uint64_t& held = bytes_of(holding, pool);
  bytes = std::min(bytes, held);  // An unplug may have taken it all.
  death_point(machine);
  held -= bytes;
  death_point(machine);
  delay_release(machine, part.gpu, part.instance, bytes);
}

void delay_release(Machine& machine, std::int32_t gpu, std::int32_t instance,
                   std::uint64_t bytes) noexcept {
  const std::uint64_t now = time_of(machine);
  const std::int64_t delay =
      value_at(gpu_of(machine, gpu).values.at(static_cast<std::size_t>(Key::release_delay)), now);
  if (delay <= 0) {
    return;
  }
  // Without a free entry it is free at once: late releases are a disturbance, not an account.
  for (Pending& pending : machine.pending) {
    if (pending.is_used == 0 || pending.due_ns <= now) {
      pending = Pending{1, gpu, instance, bytes, now + static_cast<std::uint64_t>(delay)};
      return;
    }
  }
}

const MemoryLimit* limit_of(const Machine& machine, std::int32_t gpu,
                            std::string_view cgroup) noexcept {
  const MemoryLimit* nearest = nullptr;
  for (const MemoryLimit& limit : machine.limit) {
    if (limit.is_used != 0 && limit.gpu == gpu && is_at_or_below(cgroup, view(limit.cgroup)) &&
        (nearest == nullptr || view(limit.cgroup).size() > view(nearest->cgroup).size())) {
      nearest = &limit;
    }
  }
  return nearest;
}

std::uint64_t used_below(const Machine& machine, const MemoryLimit& limit) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < machine.processes; ++i) {
    const Process& process = machine.process.at(i);
    if (process.is_used != 0 && limit_of(machine, limit.gpu, view(process.cgroup)) == &limit) {
      sum += process.holding.at(static_cast<std::size_t>(limit.gpu)).bytes();
    }
  }
  return sum;
}

Holders holders(Session& session, Part part) noexcept {
  Machine& machine = session.machine();
  sweep_processes(machine, Look::thorough);
  Holders found;
  const auto add = [&](const Holder& holder) { found.list.at(found.count++) = holder; };
  for (std::size_t i = 0; i < machine.processes; ++i) {
    const Process& process = machine.process.at(i);
    const Holding& holding = process.holding.at(static_cast<std::size_t>(part.gpu));
    if (process.is_used != 0 && (holding.contexts > 0 || holding.bytes() > 0) &&
        is_within(part, part.gpu, holding.instance)) {
      add({static_cast<std::uint32_t>(process.pid), HolderKind::compute, holding.instance,
           holding.bytes(), 0, false});
    }
  }
  for (std::size_t i = 0; i < machine.foreigners; ++i) {
    const Foreign& holder = machine.foreign.at(i);
    if (holder.is_used != 0 && is_within(part, holder.gpu, holder.instance)) {
      add({holder.pid, holder.kind, holder.instance, holder.bytes, holder.sm_percent, true});
    }
  }
  return found;
}

}  // namespace levee::simgpu
