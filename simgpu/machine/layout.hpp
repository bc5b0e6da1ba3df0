// Layout: the shared-memory segment that is the simulated machine.
//
// Plain structs without pointers, so that every process may map them anywhere. Everything behind
// `mutex` is read and written with it held (see segment.hpp). A process may be killed at any
// instant: what must stay exact is kept so that one store completes it, and what a process holds
// is in its own slot, so that its end is undone by clearing one slot.
#pragma once

#include <pthread.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "simgpu/machine/keys.hpp"

namespace levee::simgpu {

inline constexpr std::uint64_t kMagic = 0x4C65766565534755;  // "LeveeSGU"
inline constexpr std::uint32_t kLayoutVersion = 3;

inline constexpr std::size_t kMaxGpus = 64;
inline constexpr std::size_t kMaxInstances = 7;  ///< MIG instances of one GPU.
inline constexpr std::size_t kMaxProcesses = 256;
inline constexpr std::size_t kMaxForeign = 256;
inline constexpr std::size_t kMaxPending = 256;
inline constexpr std::size_t kMaxSteps = 1024;
inline constexpr std::size_t kMaxRules = 64;
inline constexpr std::size_t kMaxEvents = 256;
inline constexpr std::size_t kMaxLimits = 32;

inline constexpr std::int32_t kNoGpu = -1;
inline constexpr std::int32_t kNoInstanceId = -1;
inline constexpr std::uint64_t kForever = ~std::uint64_t{0};

using Word = std::array<char, 64>;   ///< A short text, NUL at its end.
using Path = std::array<char, 256>;  ///< A path, NUL at its end.

/// A value over time: a line from `from` at `start_ns` to `to` at `end_ns`, then constant; from
/// `until_ns` on it is `after`.
struct Value {
  std::int64_t from;
  std::int64_t to;
  std::uint64_t start_ns;
  std::uint64_t end_ns;
  std::uint64_t until_ns;
  std::int64_t after;
};

struct Instance {
  std::uint64_t bytes;
  std::uint32_t slices;  ///< Of 7.
  Word profile;          ///< "3g.40gb"
  Word uuid;
};

struct Gpu {
  std::uint32_t is_defined;
  std::uint32_t is_present;  ///< Not unplugged.
  std::uint32_t generation;  ///< Rises with each replug, so that old handles are known.
  std::uint32_t instances;   ///< Above 0: MIG is on.
  std::uint64_t total_bytes;
  std::uint64_t reserved_bytes;
  std::uint64_t context_bytes;  ///< What each CUDA context costs.
  std::int32_t cc_major;
  std::int32_t cc_minor;
  std::uint32_t pci_domain;
  std::uint32_t pci_bus;
  std::uint32_t pci_device;
  std::uint32_t nvlinks_down;    ///< One bit for each link.
  std::int64_t free_jump_bytes;  ///< Added to `unattributed` after the next memory query.
  Word name;
  Word uuid;
  std::array<Instance, kMaxInstances> instance;
  std::array<Value, kKeyCount> values;
};

/// What one process holds on one GPU.
struct Holding {
  std::uint32_t contexts;
  std::int32_t instance;  ///< kNoInstanceId without MIG.
  std::uint64_t context_bytes;
  std::uint64_t plain_bytes;  ///< cuMemAlloc
  std::uint64_t vmm_bytes;    ///< cuMemCreate
  std::uint64_t async_bytes;  ///< cuMemAllocAsync

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return context_bytes + plain_bytes + vmm_bytes + async_bytes;
  }
};

struct Process {
  std::uint32_t is_used;     ///< Written last when a slot is taken, first when it is given up.
  std::uint32_t generation;  ///< Rises with each owner.
  std::int32_t pid;
  std::uint64_t start_ticks;    ///< Field 22 of /proc/PID/stat.
  std::uint64_t pid_namespace;  ///< Inode of /proc/PID/ns/pid: where `pid` has its meaning.
  std::uint64_t image;          ///< Differs after an exec, which gives up what was held.
  std::array<char, 16> comm;
  Path cgroup;
  std::array<Holding, kMaxGpus> holding;
};

enum class HolderKind : std::uint32_t { compute, graphics, mps };

/// A holder that exists only in the scenario.
struct Foreign {
  std::uint32_t is_used;
  std::int32_t gpu;
  std::int32_t instance;
  std::uint32_t pid;
  HolderKind kind;
  std::uint32_t sm_percent;
  std::uint64_t bytes;
};

/// Memory that was freed but is not yet free for others (release-delay).
struct Pending {
  std::uint32_t is_used;
  std::int32_t gpu;
  std::int32_t instance;
  std::uint64_t bytes;
  std::uint64_t due_ns;
};

enum class RuleKind : std::uint32_t { none, slow, hang, give };

/// A fault of a driver function.
struct Rule {
  RuleKind kind;
  std::int32_t gpu;            ///< kNoGpu: whatever the device.
  Word function;               ///< A name; a '*' at the end stands for any rest.
  std::uint64_t number;        ///< slow: nanoseconds; give: the return code.
  std::uint64_t calls_before;  ///< So many calls pass first.
  std::uint64_t calls_left;    ///< kForever: no limit.
  std::uint64_t until_ns;
};

enum class StepKind : std::uint32_t {
  value,           ///< gpu, key, from, to, duration
  xid,             ///< gpu, from = the XID
  unplug,          ///< gpu
  replug,          ///< gpu
  foreign,         ///< gpu, instance, pid = from, bytes = to, holder, sm
  foreign_gone,    ///< gpu, pid = from
  nvlink,          ///< gpu, link = from, up = to
  free_jump,       ///< gpu, bytes = from
  rule,            ///< gpu, rule
  recover,         ///< gpu: lost and reset-required end
  clear,           ///< gpu or kNoGpu: all rules, and what `recover` ends
  init,            ///< from = what nvmlInit answers
  pid_offset,      ///< from = added to every pid the driver reports
  die_inside_lock  ///< from = at which point from now
};

/// One thing that happens at a time of the scenario.
struct Step {
  std::uint64_t at_ns;
  std::uint64_t for_ns;  ///< 0: for ever.
  StepKind kind;
  std::int32_t gpu;
  Key key;
  std::int32_t instance;
  std::int64_t from;
  std::int64_t to;
  std::uint64_t duration_ns;
  HolderKind holder;
  std::uint32_t sm_percent;
  Rule rule;
};

struct Event {
  std::uint64_t id;  ///< 1 for the first of a machine.
  std::int32_t gpu;
  std::uint32_t generation;
  std::uint64_t type;
  std::uint64_t data;
};

/// A cgroup's share of a GPU (nvmlDeviceSetMemoryLimits_v1).
struct MemoryLimit {
  std::uint32_t is_used;
  std::int32_t gpu;
  std::uint64_t soft_bytes;
  std::uint64_t hard_bytes;
  Path cgroup;
};

enum class ClockKind : std::uint32_t { step, real };

struct Machine {
  std::uint64_t magic;
  std::uint32_t layout_version;
  std::uint32_t layout_bytes;  ///< sizeof(Machine): catches a library of another build.
  std::array<char, 40> boot_id;
  pthread_mutex_t mutex;

  ClockKind clock;
  std::uint32_t profile;  ///< Of Profile; only the tools care.
  std::uint64_t seed;
  std::uint64_t created_ns;       ///< CLOCK_MONOTONIC.
  std::uint64_t created_wall_us;  ///< CLOCK_REALTIME.
  std::uint64_t stepped_ns;       ///< The time, when the clock is stepped.

  std::uint64_t steps;       ///< Used entries of `step`.
  std::uint64_t next_step;   ///< The first that has not happened.
  std::uint64_t events;      ///< Events so far; the ring holds the last kMaxEvents.
  std::uint64_t rules;       ///< Used entries of `rule`, at most; 0 keeps calls fast.
  std::uint64_t processes;   ///< No slot at or above this index was ever used.
  std::uint64_t foreigners;  ///< The same for `foreign`.
  std::uint64_t checked_ns;  ///< When all processes were last looked at, CLOCK_MONOTONIC.
  std::int64_t init_result;
  std::int64_t pid_offset;
  std::int64_t die_countdown;  ///< 0: off.

  std::array<Gpu, kMaxGpus> gpu;
  std::array<Process, kMaxProcesses> process;
  std::array<Foreign, kMaxForeign> foreign;
  std::array<Pending, kMaxPending> pending;
  std::array<Rule, kMaxRules> rule;
  std::array<MemoryLimit, kMaxLimits> limit;
  std::array<Event, kMaxEvents> event;
  std::array<Step, kMaxSteps> step;
};
static_assert(std::is_trivially_copyable_v<Machine> && std::is_standard_layout_v<Machine>);

}  // namespace levee::simgpu
