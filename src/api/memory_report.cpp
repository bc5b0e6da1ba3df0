#include "api/memory_report.hpp"

#include <fmt/format.h>

#include "api/machine_of.hpp"
#include "policy/gpu.hpp"
#include "policy/state.hpp"

namespace levee::api {
namespace {

std::string who_is(pid_t pid, const ProcessIdentity* who) {
  return who == nullptr ? fmt::format("pid {}", pid)
                        : fmt::format("{} (pid {}, {})", who->comm, pid, who->user);
}

std::vector<estimate::Holder> holders_of(const std::vector<ProcessReading>& processes) {
  std::vector<estimate::Holder> holders;
  holders.reserve(processes.size());
  for (const ProcessReading& process : processes) {
    holders.push_back({.who = who_is(process.identity->id.pid, process.identity.get()),
                       .memory = process.pss.value_or(process.rss),
                       .growth_per_second = process.growth_per_second});
  }
  return holders;
}

std::vector<estimate::Holder> holders_of(const GpuReading& gpu) {
  std::vector<estimate::Holder> holders;
  for (const GpuProcess& process : gpu.processes.value_or(std::vector<GpuProcess>{})) {
    if (process.memory) {
      holders.push_back({.who = who_is(process.pid, process.identity.get()),
                         .memory = *process.memory,
                         .growth_per_second = process.growth_per_second,
                         .is_idle = process.compute && process.sm_percent == 0.0});
    }
  }
  return holders;
}

/// The kernel counts it for the whole machine, which says nothing of a cgroup that is full.
std::optional<Bytes> shared_memory(const HostReading* host) {
  return host != nullptr && host->total == host->mem_total ? host->shmem : std::nullopt;
}

}  // namespace

estimate::MemoryReport memory_report(const View& view) {
  const policy::Thresholds& thresholds = view.settings->config().thresholds;
  const HostReading* host = policy::fresh_host(*view.snapshot, thresholds);
  // Promises fill no memory, so that no ledger is asked.
  estimate::Machine machine = machine_of(view, nullptr, view.snapshot->at.mono);
  estimate::MemoryReport report{.host_total = machine.host_total,
                                .host_available = machine.host_available,
                                .host_holders = holders_of(view.snapshot->processes),
                                .host_shared = shared_memory(host),
                                .cache = view.model_cache.get(),
                                .host_limit = thresholds.cpu_memory_warning,
                                .gpu_limit = thresholds.gpu_memory_warning};
  for (std::size_t i = 0; i < view.gpus.size(); ++i) {
    const GpuView& gpu = view.gpus[i];
    if (gpu.fresh && !gpu.reading->identity->is_instance()) {
      report.devices.push_back({.gpu = std::move(machine.gpus[i]),
                                .holders = holders_of(*gpu.reading),
                                .unattributed = policy::unattributed_memory(*gpu.reading)});
    }
  }
  return report;
}

}  // namespace levee::api
