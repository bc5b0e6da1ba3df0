#include "api/machine_of.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "policy/state.hpp"

namespace levee::api {
namespace {

/// Why nothing can start on a device; empty if it can.
std::string why_unusable(const GpuView& gpu) {
  const GpuReading& reading = *gpu.reading;
  switch (reading.condition) {
    case GpuCondition::lost:
      return "is lost";
    case GpuCondition::reset_required:
      return "must be reset";
    case GpuCondition::unreadable:
      return "cannot be read";
    case GpuCondition::ok:
      break;
  }
  if (!gpu.fresh) {
    return "does not answer";
  }
  if (reading.mig_enabled.value_or(false) && !reading.identity->is_instance()) {
    return "is in MIG mode, where only its instances take work";
  }
  return reading.compute_mode == "prohibited" ? "has its compute mode set to prohibited" : "";
}

estimate::Gpu gpu_of(const GpuView& gpu) {
  const GpuReading& reading = *gpu.reading;
  const GpuIdentity& who = *reading.identity;
  const auto& memory = reading.memory;
  return {.uuid = who.uuid,
          .index = who.index,
          .name = who.is_instance() ? fmt::format("{} {}", who.name, who.mig_profile) : who.name,
          .free = memory ? std::optional(memory->free) : std::nullopt,
          .total = memory ? std::optional(memory->total) : std::nullopt,
          .compute = who.compute_capability,
          .shares_host_memory = who.unified_memory,
          .unusable = why_unusable(gpu)};
}

Bytes outstanding_on(const estimate::Gpu& gpu, const LedgerView& ledger) {
  const auto line = std::ranges::find(ledger.devices, gpu.uuid, &DeviceLine::uuid);
  return line == ledger.devices.end() ? Bytes{} : line->outstanding;
}

void take_promised(const LedgerView& ledger, estimate::Machine& machine) {
  if (machine.host_available) {
    *machine.host_available -= ledger.host_outstanding;
  }
  for (estimate::Gpu& gpu : machine.gpus) {
    if (gpu.free) {
      *gpu.free -= gpu.shares_host_memory ? ledger.host_outstanding : outstanding_on(gpu, ledger);
    }
  }
}

estimate::Holding holding_of(const LeaseReport& report, MonoTime now) {
  const ledger::Lease& lease = report.lease;
  estimate::Holding holding;
  holding.who = lease.name.empty() ? lease.id : fmt::format("{} ({})", lease.name, lease.id);
  for (const ledger::DeviceShare& share : lease.shares) {
    const Bytes used = ledger::share_on(report.used.devices, share.uuid);
    holding.gpus.emplace_back(share.uuid, std::max(share.bytes, used));
  }
  holding.host = std::max(lease.demand.host, report.used.host);
  if (lease.expires_at) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(*lease.expires_at - now);
    holding.ends_in = std::max(left, std::chrono::seconds{0});
  }
  return holding;
}

}  // namespace

estimate::Machine machine_of(const View& view, const LedgerView* ledger, MonoTime now) {
  estimate::Machine machine;
  if (const HostReading* host =
          policy::fresh_host(*view.snapshot, view.settings->config().thresholds)) {
    machine.host_available = host->available;
    machine.host_total = host->total;
  }
  for (const GpuView& gpu : view.gpus) {
    machine.gpus.push_back(gpu_of(gpu));
  }
  if (ledger == nullptr) {
    return machine;
  }
  take_promised(*ledger, machine);
  for (const LeaseReport& report : ledger->leases) {
    if (report.lease.is_granted() && report.lease.demand.within.empty()) {
      machine.holdings.push_back(holding_of(report, now));
    }
  }
  return machine;
}

}  // namespace levee::api
