#include "engine/ledger_sample.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sources/file.hpp"
#include "sources/process_files.hpp"

namespace levee::engine {
namespace {

using ledger::DeviceSupply;
using ledger::Supply;
using ledger::Use;

std::string why_not(const api::View& view, const api::GpuView& gpu) {
  const GpuReading& reading = *gpu.reading;
  const bool has_instances = std::ranges::any_of(view.gpus, [&](const api::GpuView& other) {
    return other.reading->identity->parent_uuid == reading.identity->uuid;
  });
  if (has_instances || reading.mig_enabled.value_or(false)) {
    return "it is in MIG mode, and its instances are promised instead";
  }
  if (reading.condition != GpuCondition::ok) {
    return fmt::format("it is {}", to_string(reading.condition));
  }
  if (!gpu.fresh) {
    return "it has not answered for some seconds";
  }
  return reading.memory ? "" : "its driver does not tell its memory";
}

DeviceSupply device_of(const api::View& view, const api::GpuView& gpu) {
  const GpuReading& reading = *gpu.reading;
  const GpuIdentity& who = *reading.identity;
  const GpuMemory memory = reading.memory.value_or(GpuMemory{});
  return {.uuid = who.uuid,
          .index = who.index,
          .name = who.name,
          .total = memory.total,
          // Whatever is neither free nor used is the driver's.
          .reserved = memory.total - memory.free - memory.used,
          .used = memory.used,
          .capability = who.compute_capability,
          .load_percent = reading.utilization_percent.value_or(0),
          .is_instance = who.is_instance(),
          .unified = who.unified_memory,
          .why_not = why_not(view, gpu)};
}

void add(Use& use, const std::string& uuid, Bytes bytes) {
  const auto known = std::ranges::find(use.devices, uuid, &ledger::DeviceShare::uuid);
  if (known == use.devices.end()) {
    use.devices.push_back({uuid, bytes});
  } else {
    known->bytes += bytes;
  }
}

std::vector<sources::Kin> accounts_of(const api::LedgerView* ledger) {
  std::vector<sources::Kin> accounts;
  if (ledger == nullptr) {
    return accounts;
  }
  for (const api::LeaseReport& report : ledger->leases) {
    const ledger::Lease& lease = report.lease;
    if (lease.is_granted() && lease.demand.within.empty()) {
      accounts.push_back({lease.id, lease.owner, lease.uid});
    }
  }
  return accounts;
}

/// Whose a process on a GPU is. Our own children are known by pid: no other process has it.
std::optional<std::string> account_of(const ProcessId& process,
                                      const std::vector<api::Holding>& holdings,
                                      sources::Kinship& kinship, MonoTime now) {
  const auto holding = std::ranges::find(holdings, process.pid, &api::Holding::pid);
  return holding != holdings.end() ? holding->account : kinship.account_of(process, now);
}

std::map<std::string, Use, std::less<>> uses_of(const api::View& view, sources::Kinship& kinship,
                                                const std::vector<api::Holding>& holdings,
                                                MonoTime now) {
  std::map<std::string, Use, std::less<>> uses;
  // A failure leaves the accounts as they were: what they use counts one way or the other.
  static_cast<void>(kinship.refresh(now));
  for (const auto& [account, host] : kinship.host_use()) {
    uses[account].host = host.rss;
  }
  for (const api::GpuView& gpu : view.gpus) {
    for (const GpuProcess& process : gpu.reading->processes.value_or(std::vector<GpuProcess>{})) {
      if (!process.identity || !process.memory) {
        continue;
      }
      if (const auto account = account_of(process.identity->id, holdings, kinship, now)) {
        add(uses[*account], gpu.reading->identity->uuid, *process.memory);
      }
    }
  }
  return uses;
}

ledger::Rules rules_of(const api::View& view) {
  const config::Config& config = view.settings->config();
  return {.device_reserve = config.gpu_manager.memory_reserve,
          .max_balloon_percent = config.gpu_manager.max_balloon_percent,
          .memory_limit = config.gpu_manager.memory_limit,
          .host_reserve = config.ledger.host_reserve.value_or(view.lines.emergency),
          .most_leases_per_user = static_cast<std::size_t>(config.ledger.user_leases),
          .most_device_bytes_per_user = config.ledger.user_gpu_memory,
          .most_host_bytes_per_user = config.ledger.user_host_memory};
}

}  // namespace

LedgerSample ledger_sample(const api::View& view, const api::LedgerView* ledger,
                           sources::Kinship& kinship, const std::vector<api::Holding>& holdings) {
  const MonoTime now = view.snapshot->at.mono;
  LedgerSample sample{.supply = {}, .rules = rules_of(view)};
  Supply& supply = sample.supply;
  supply.devices_known = view.snapshot->gpus_known;
  for (const api::GpuView& gpu : view.gpus) {
    supply.devices.push_back(device_of(view, gpu));
  }
  if (const auto& host = view.snapshot->host;
      host && now - host->read_at <= view.settings->config().thresholds.stale_after) {
    supply.host = {.total = host->value.total, .available = host->value.available};
  }
  kinship.set_accounts(accounts_of(ledger));
  supply.uses = uses_of(view, kinship, holdings, now);
  return sample;
}

bool is_alive(const sources::Root& root, const BootId& boot, const ProcessId& process) {
  if (process.boot != boot) {
    return false;
  }
  if (process.pid == 0) {
    return true;
  }
  const sources::Fd proc(::open(root.at("/proc").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const auto stat = sources::read_pid_stat(proc.get(), process.pid);
  if (!stat) {
    // Only a process that is certainly gone loses its promise.
    return stat.error() != ENOENT && stat.error() != ESRCH;
  }
  return stat->start_ticks == process.start_ticks && stat->state != 'Z' && stat->state != 'X';
}

std::optional<api::LedgerPort::Owner> find_process(const sources::Root& root, const BootId& boot,
                                                   pid_t pid) {
  const sources::Fd proc(::open(root.at("/proc").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const auto files = sources::ProcessFiles::open(proc.get(), pid);
  if (!files || !files->is_leader(pid).value_or(false)) {
    return std::nullopt;
  }
  const auto stat = files->stat();
  const auto uid = files->uid();
  if (!stat || stat->state == 'Z' || stat->state == 'X' || !uid) {
    return std::nullopt;
  }
  return api::LedgerPort::Owner{{boot, pid, stat->start_ticks}, *uid};
}

}  // namespace levee::engine
