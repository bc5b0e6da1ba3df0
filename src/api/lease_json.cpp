#include "api/lease_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/json_parts.hpp"
#include "ledger/balance.hpp"
#include "policy/gpu.hpp"

namespace levee::api {
namespace {

using ledger::Demand;
using ledger::DeviceShare;
using ledger::Lease;
using nlohmann::ordered_json;

ordered_json shares_json(const std::vector<DeviceShare>& shares, const View* view) {
  ordered_json list = ordered_json::array();
  for (const DeviceShare& share : shares) {
    ordered_json index;
    if (view != nullptr) {
      const auto gpu = std::ranges::find(view->gpus, share.uuid, [](const GpuView& each) {
        return std::string_view(each.reading->identity->uuid);
      });
      index =
          gpu == view->gpus.end() ? ordered_json() : ordered_json(gpu->reading->identity->index);
    }
    list.push_back({{"gpu_id", index}, {"uuid", share.uuid}, {"bytes", share.bytes.count}});
  }
  return list;
}

ordered_json use_json(const ledger::Use& use, const View* view) {
  return {{"gpus", shares_json(use.devices, view)}, {"host_bytes", use.host.count}};
}

ordered_json demand_json(const Demand& demand, const View* view) {
  ordered_json json;
  if (demand.any_devices > 0) {
    json["gpus"] = demand.any_devices;
    json["gpu_memory_bytes"] = demand.bytes_each.count;
    json["placement"] = to_string(demand.placement);
  } else {
    json["gpus"] = shares_json(demand.named, view);
  }
  json["host_bytes"] = demand.host.count;
  return json;
}

ordered_json seconds_until(const std::optional<MonoTime>& time, MonoTime now) {
  return time ? ordered_json(seconds_between(now, *time)) : ordered_json();
}

ordered_json device_json(const DeviceLine& device) {
  return {{"gpu_id", device.index},
          {"uuid", device.uuid},
          {"name", device.name},
          {"capacity_bytes", device.capacity.count},
          {"promised_bytes", device.promised.count},
          {"committed_bytes", device.committed.count},
          {"unaccounted_bytes", device.unaccounted.count},
          {"available_bytes", device.available.count},
          {"bookable_bytes", device.limited.count},
          {"why_not", device.why_not.empty() ? ordered_json() : ordered_json(device.why_not)}};
}

/// The same in the documented unit.
double booked_gb(const std::vector<DeviceShare>& shares) {
  Bytes sum;
  for (const DeviceShare& share : shares) {
    sum += share.bytes;
  }
  return gb(sum);
}

}  // namespace

ordered_json lease_json(const LeaseReport& report, const View* view, Now now) {
  const Lease& lease = report.lease;
  ordered_json json{
      {"id", lease.id},
      {"name", lease.name},
      {"kind", to_string(lease.demand.kind)},
      {"state", to_string(lease.state)},
      {"user", report.user.empty() ? ordered_json() : ordered_json(report.user)},
      {"uid", lease.uid},
      {"gpus", shares_json(lease.shares, view)},
      {"host_bytes", lease.is_granted() ? lease.demand.host.count : 0},
      {"demand", demand_json(lease.demand, view)},
      {"priority", lease.demand.priority},
      {"yieldable", lease.demand.yieldable},
      {"within", lease.demand.within.empty() ? ordered_json() : ordered_json(lease.demand.within)},
      {"model", lease.prediction ? ordered_json(lease.prediction->model) : ordered_json()},
      {"owner_pid", lease.owner.pid != 0 ? ordered_json(lease.owner.pid) : ordered_json()},
      {"asked", to_iso8601(lease.asked)},
      {"granted", time_or_null(lease.granted)},
      {"expires_in_seconds", seconds_until(lease.expires_at, now.mono)}};
  if (lease.is_granted()) {
    json["used"] = use_json(report.used, view);
    json["peak"] = use_json(report.peak, view);
  } else {
    json["place"] = report.place;
    json["gives_up_in_seconds"] = seconds_until(lease.give_up_at, now.mono);
  }
  return json;
}

ordered_json ledger_json(const LedgerView& ledger, const View* view, Now now) {
  ordered_json leases = ordered_json::array();
  std::size_t waiting = 0;
  for (const LeaseReport& report : ledger.leases) {
    if (report.lease.is_granted()) {
      leases.push_back(lease_json(report, view, now));
    } else {
      ++waiting;
    }
  }
  ordered_json devices = ordered_json::array();
  std::ranges::transform(ledger.devices, std::back_inserter(devices), device_json);
  return {{"leases", std::move(leases)},
          {"waiting", waiting},
          {"gpus", std::move(devices)},
          {"host",
           {{"capacity_bytes", ledger.host_capacity.count},
            {"available_bytes", ledger.host_available.count}}},
          {"durable", ledger.durable},
          {"trouble", ledger.trouble.empty() ? ordered_json() : ordered_json(ledger.trouble)}};
}

ordered_json queue_json(const LedgerView& ledger, const View* view, Now now) {
  ordered_json queue = ordered_json::array();
  for (const LeaseReport& report : ledger.leases) {
    if (!report.lease.is_granted()) {
      queue.push_back(lease_json(report, view, now));
    }
  }
  return {{"queue", std::move(queue)}};
}

ordered_json denial_json(const ledger::Denial& denial) {
  ordered_json shortfalls = ordered_json::array();
  for (const ledger::Shortfall& each : denial.shortfalls) {
    shortfalls.push_back(
        {{"resource", each.resource},
         {"label", each.label},
         {"needed_bytes", each.needed.count},
         {"available_bytes", each.available.count},
         {"missing_bytes", each.missing().count},
         {"capacity_bytes", each.capacity.count},
         {"reason", each.reason.empty() ? ordered_json() : ordered_json(each.reason)}});
  }
  ordered_json holders = ordered_json::array();
  for (const ledger::Holder& each : denial.holders) {
    holders.push_back({{"id", each.id.empty() ? ordered_json() : ordered_json(each.id)},
                       {"name", each.name},
                       {"uid", each.id.empty() ? ordered_json() : ordered_json(each.uid)},
                       {"resource", each.resource},
                       {"bytes", each.bytes.count}});
  }
  return {{"detail", denial.error.message},
          {"hint", denial.error.hint},
          {"code", to_string(denial.error.code)},
          {"shortfalls", std::move(shortfalls)},
          {"holders", std::move(holders)}};
}

const DeviceLine* line_of(const View& view, std::string_view uuid) {
  if (!view.daemon.ledger) {
    return nullptr;
  }
  const auto& devices = view.daemon.ledger->devices;
  const auto found = std::ranges::find(devices, uuid, &DeviceLine::uuid);
  return found == devices.end() ? nullptr : &*found;
}

std::optional<Bytes> available_memory(const View& view, const GpuView& gpu) {
  if (!gpu.fresh) {
    return std::nullopt;
  }
  if (const DeviceLine* const line = line_of(view, gpu.reading->identity->uuid)) {
    return line->available;
  }
  return policy::grantable_memory(*gpu.reading, view.settings->config().gpu_manager.memory_reserve);
}

ordered_json allocations_json(const LedgerView* view, std::string_view uuid) {
  ordered_json allocations = ordered_json::object();
  if (view == nullptr) {
    return allocations;
  }
  for (const LeaseReport& report : view->leases) {
    const Bytes share = ledger::share_on(report.lease.shares, uuid);
    if (share.count > 0) {
      allocations[report.lease.id] = share.count / kMiB;
    }
  }
  return allocations;
}

ordered_json allocated_resources_json(const LedgerView* view) {
  ordered_json resources = ordered_json::object();
  if (view == nullptr) {
    return resources;
  }
  for (const LeaseReport& report : view->leases) {
    if (report.lease.is_granted()) {
      resources[report.lease.id] = {{"cpu_memory_gb", gb(report.lease.demand.host)},
                                    {"gpu_memory_gb", booked_gb(report.lease.shares)},
                                    {"timestamp", time_or_null(report.lease.granted)}};
    }
  }
  return resources;
}

}  // namespace levee::api
