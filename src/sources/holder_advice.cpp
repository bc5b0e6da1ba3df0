#include "sources/holder_advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace levee::sources {
namespace {

/// Programs that keep devices open to watch over them and have next to no memory there. The
/// kernel cuts names to 15 bytes.
constexpr std::array kWatchers{std::string_view{"nvidia-persiste"},
                               std::string_view{"nv-hostengine"},
                               std::string_view{"nv-fabricmanage"},
                               std::string_view{"dcgm-exporter"},
                               std::string_view{"nvidia-smi"},
                               std::string_view{"nvtop"},
                               std::string_view{"nvitop"},
                               std::string_view{"amd-smi"},
                               std::string_view{"rocm-smi"},
                               std::string_view{"systemd-logind"},
                               std::string_view{"levee"}};
/// The MPS server holds the memory of all its clients, and must be asked to leave.
constexpr std::string_view kMpsServer = "nvidia-cuda-mps";

bool is_watcher(const DeviceHolder& holder) {
  return std::ranges::find(kWatchers, holder.identity.comm) != kWatchers.end();
}

bool is_named(const UnattributedMemory& memory, pid_t pid) {
  return std::ranges::find(memory.named, pid) != memory.named.end();
}

/// "process 1234 (python3, user ada, Slurm job 42)"
std::string describe(const ProcessIdentity& who) {
  constexpr std::size_t kShortId = 12;
  std::string text = fmt::format("process {} ({}, user {}", who.id.pid, who.comm, who.user);
  if (who.slurm_job) {
    text += fmt::format(", Slurm job {}", *who.slurm_job);
  }
  if (!who.pod.empty()) {
    text += fmt::format(", pod {}", who.pod);
  }
  if (!who.container.empty()) {
    text += fmt::format(", container {}", who.container.substr(0, kShortId));
  }
  return text + ")";
}

HolderAdvice about(const DeviceHolder& holder) {
  const ProcessIdentity& who = holder.identity;
  const std::string& file = holder.own.empty() ? holder.shared.front() : holder.own.front();
  if (holder.half_dead) {
    return {
        .text = fmt::format("{} has ended, but threads of it still hold {}", describe(who), file),
        .command = fmt::format("kill -KILL {}", who.id.pid)};
  }
  const std::string held = fmt::format("{} has {} {}", describe(who), file,
                                       holder.open ? "open" : "mapped, though not open");
  if (who.comm == kMpsServer) {
    return {.text = held + ": it holds the memory of all MPS clients",
            .command = "echo quit | nvidia-cuda-mps-control"};
  }
  const std::string_view doubt =
      holder.own.empty() ? ", a file that all such GPUs share; the driver names no memory of it"
                         : ", but the driver names no memory of it";
  return {.text = held + std::string(doubt), .command = fmt::format("kill {}", who.id.pid)};
}

/// What is left where nobody holds the device. A reset is refused while anybody has it open.
HolderAdvice reset(const UnattributedMemory& memory, const std::vector<std::string>& watchers) {
  const GpuIdentity& gpu = memory.gpu;
  std::string text = fmt::format("nobody has GPU {} open, so the driver itself holds {}", gpu.index,
                                 format_bytes(memory.amount));
  if (!watchers.empty()) {
    text =
        fmt::format("only {} {} GPU {} open, so the driver itself holds {}; stop {} before a reset",
                    fmt::join(watchers, ", "), watchers.size() == 1 ? "has" : "have", gpu.index,
                    format_bytes(memory.amount), watchers.size() == 1 ? "it" : "them");
  }
  switch (gpu.vendor) {
    case GpuVendor::nvidia:
      return {.text = text, .command = fmt::format("nvidia-smi --gpu-reset -i {}", gpu.index)};
    case GpuVendor::amd:
      return {.text = text,
              .command = fmt::format("amd-smi reset --gpureset --gpu {}", gpu.pci_bus_id)};
    case GpuVendor::intel:
      break;
  }
  return {.text = text + "; a reboot frees it", .command = {}};
}

}  // namespace

std::vector<HolderAdvice> advise(const UnattributedMemory& memory, const DeviceHolders& found) {
  std::vector<HolderAdvice> advice;
  std::vector<std::string> watchers;
  for (const bool own : {true, false}) {
    for (const DeviceHolder& holder : found.holders) {
      if (holder.own.empty() == own) {
        continue;
      }
      if (is_watcher(holder)) {
        watchers.push_back(fmt::format("{} ({})", holder.identity.comm, holder.identity.id.pid));
      } else if (holder.half_dead || !is_named(memory, holder.identity.id.pid)) {
        advice.push_back(about(holder));
      }
    }
    if (!advice.empty()) {
      break;  // a file that all share is no evidence where somebody holds the device's own
    }
  }
  // A dead process has given back its memory, unless the driver still thinks it is there.
  for (const Zombie& zombie : found.zombies) {
    if (is_named(memory, zombie.pid)) {
      const std::string parent =
          zombie.parent_comm.empty() ? std::string{} : fmt::format(" ({})", zombie.parent_comm);
      advice.push_back(
          {.text = fmt::format("process {} ({}) is dead, but its parent {}{} has not taken note",
                               zombie.pid, zombie.comm, zombie.parent, parent),
           .command = zombie.parent > 1 ? fmt::format("kill {}", zombie.parent) : std::string{}});
    }
  }
  const bool saw_everything = found.hidden == 0 && found.whole_machine;
  if (advice.empty() && saw_everything) {
    advice.push_back(reset(memory, watchers));
  }
  if (found.hidden > 0) {
    advice.push_back(
        {.text = fmt::format("{} {} could not be looked at for lack of permission", found.hidden,
                             found.hidden == 1 ? "process" : "processes"),
         .command = found.as_root ? "" : "sudo levee doctor"});
  }
  if (!found.whole_machine) {
    advice.push_back({.text = "only the processes of this container can be seen from here; run "
                              "levee doctor on the machine itself",
                      .command = {}});
  }
  return advice;
}

}  // namespace levee::sources
