#include "engine/remedies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "policy/gpu.hpp"
#include "policy/state.hpp"

namespace levee::engine {
namespace {

using control::LadderLook;
using control::Remedy;
using control::Rung;

constexpr std::array kTargetKinds{std::pair{TargetKind::everybody, std::string_view("all")},
                                  std::pair{TargetKind::client, std::string_view("client ")},
                                  std::pair{TargetKind::balloon, std::string_view("balloon ")}};

Rung rung_of(ReclaimStrategy strategy) {
  switch (strategy) {
    case ReclaimStrategy::clear_cache:
      return Rung::clear_cache;
    case ReclaimStrategy::yield_balloon:
      return Rung::deflate_balloon;
    case ReclaimStrategy::reduce_batch:
      return Rung::reduce_batch;
    case ReclaimStrategy::offload:
      return Rung::offload;
  }
  return Rung::offload;
}

/// Null where nothing is missing.
const Shortage* shortage_of(const std::vector<Shortage>& shortages, std::string_view device,
                            MonoTime now) {
  const auto found = std::ranges::find_if(
      shortages, [&](const Shortage& each) { return each.device == device && now < each.until; });
  return found == shortages.end() ? nullptr : &*found;
}

bool is_grave(const Shortage* shortage) {
  return shortage != nullptr && shortage->severity >= Severity::critical;
}

Bytes part_of(Bytes whole, double share) {
  return Bytes{static_cast<std::uint64_t>(static_cast<double>(whole.count) * share)};
}

std::vector<Remedy> remedies(const api::View& view, std::string_view device, bool may_pause,
                             MonoTime now) {
  std::vector<Remedy> all{{.rung = Rung::notify, .target = to_text({}), .since = {}, .offer = {}}};
  if (const auto& roster = view.daemon.reclaim) {
    for (const reclaim::Client& client : roster->clients) {
      for (const reclaim::Offer& offer : client.offers) {
        if (offer.device == device && client.is_ready(now) && offer.estimate != Bytes{}) {
          all.push_back({.rung = rung_of(offer.strategy),
                         .target = to_text({TargetKind::client, client.id}),
                         .priority = client.priority,
                         .since = client.since,
                         .offer = offer.estimate});
        }
      }
    }
  }
  if (const auto& ledger = view.daemon.ledger) {
    for (const api::LeaseReport& report : ledger->leases) {
      const ledger::Lease& lease = report.lease;
      const Bytes share = ledger::share_on(lease.shares, device);
      if (lease.demand.kind == ledger::LeaseKind::balloon && lease.demand.yieldable &&
          share > Bytes{}) {
        all.push_back({.rung = Rung::deflate_balloon,
                       .target = to_text({TargetKind::balloon, lease.id}),
                       .priority = lease.demand.priority,
                       .since = lease.granted.value_or(WallTime{}),
                       .offer = share});
      }
    }
  }
  if (may_pause) {
    all.push_back({.rung = Rung::pause, .target = to_text({}), .since = {}, .offer = {}});
  }
  return all;
}

/// A GPU that rests near full is the usual state of an inference server. Only an allocation that
/// failed, or an administrator who says so, makes it an emergency (contract G5).
LadderLook look_at(const GpuReading& gpu, const config::Config& config, const Shortage* shortage) {
  const GpuMemory& memory = *gpu.memory;
  const double percent = memory.percent_without_balloons();
  const policy::Thresholds& t = config.thresholds;
  LadderLook look{.used = memory.total - memory.free - memory.balloons,
                  .line = part_of(memory.total, t.memory_pressure_threshold),
                  .read_at = gpu.read_at,
                  .remedies = {}};
  if (percent > 100 * t.memory_pressure_threshold) {
    look.pressure = percent > t.gpu_memory_critical ? Severity::critical : Severity::warning;
  }
  if (shortage != nullptr && memory.free < shortage->bytes) {
    look.used = memory.total - memory.free;  // Balloons are in its way, too.
    look.line = memory.total - shortage->bytes;
    look.pressure = std::max(look.pressure, std::optional(shortage->severity));
  }
  const bool may_be_emergency = is_grave(shortage) || config.recovery.gpu_emergency;
  if (may_be_emergency && percent > t.gpu_memory_emergency) {
    look.pressure = Severity::emergency;
  }
  return look;
}

LadderLook look_at(const Sampled<HostReading>& host, const config::Config& config,
                   const Shortage* shortage) {
  const HostReading& reading = host.value;
  const policy::Thresholds& t = config.thresholds;
  LadderLook look{.used = reading.used(),
                  .line = part_of(reading.total, t.memory_pressure_threshold),
                  .read_at = host.read_at,
                  .remedies = {}};
  if (reading.used_percent() > 100 * t.memory_pressure_threshold) {
    look.pressure =
        reading.used_percent() > t.cpu_memory_critical ? Severity::critical : Severity::warning;
  }
  if (shortage != nullptr && reading.available < shortage->bytes) {
    look.line = std::min(look.line, reading.total - shortage->bytes);
    look.pressure = std::max(look.pressure, std::optional(shortage->severity));
  }
  if (reading.available < policy::host_lines(reading.total, t).emergency) {
    look.pressure = Severity::emergency;
  }
  return look;
}

}  // namespace

std::vector<PressedDevice> pressed_devices(const api::View& view,
                                           const std::vector<Shortage>& shortages, MonoTime now) {
  const config::Config& config = view.settings->config();
  std::vector<PressedDevice> devices;
  if (policy::fresh_host(*view.snapshot, config.thresholds) != nullptr) {
    const std::string name(kReclaimHost);
    PressedDevice host{name, "host memory",
                       look_at(*view.snapshot->host, config, shortage_of(shortages, name, now))};
    host.look.remedies = remedies(view, name, view.level == Level::critical, now);
    devices.push_back(std::move(host));
  }
  for (const api::GpuView& gpu : view.gpus) {
    const GpuIdentity& who = *gpu.reading->identity;
    if (!gpu.fresh || !gpu.reading->memory || who.unified_memory) {
      continue;  // Unified memory is the host's.
    }
    const Shortage* const shortage = shortage_of(shortages, who.uuid, now);
    PressedDevice device{who.uuid, fmt::format("GPU {} ({})", who.index, who.name),
                         look_at(*gpu.reading, config, shortage)};
    device.look.remedies =
        remedies(view, who.uuid, gpu.levels.memory == Level::critical || is_grave(shortage), now);
    devices.push_back(std::move(device));
  }
  return devices;
}

std::string to_text(const Target& target) {
  for (const auto& [kind, prefix] : kTargetKinds) {
    if (kind == target.kind) {
      return std::string(prefix) + target.id;
    }
  }
  return {};
}

Target parse_target(std::string_view text) {
  for (const auto& [kind, prefix] : kTargetKinds) {
    if (kind != TargetKind::everybody && text.starts_with(prefix)) {
      return {kind, std::string(text.substr(prefix.size()))};
    }
  }
  return {};
}

}  // namespace levee::engine
