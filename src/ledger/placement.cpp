#include "ledger/placement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <tuple>

namespace levee::ledger {
namespace {

Bytes room(const Demand& demand, const DeviceBalance& device) {
  if (demand.is_free_balloon()) {
    return device.for_balloons();
  }
  return demand.obeys_limit ? device.limited : device.available;
}

/// What `room` would be if nobody used the device.
Bytes largest(const Demand& demand, const DeviceBalance& device) {
  if (demand.is_free_balloon()) {
    return std::min(device.capacity, device.balloon_limit);
  }
  return demand.obeys_limit ? std::min(device.capacity, device.limit) : device.capacity;
}

/// Why `device` is out of the question, whatever is free; empty when it is not.
std::string objection(const Demand& demand, const DeviceSupply& device) {
  if (!device.why_not.empty()) {
    return device.why_not;
  }
  if (demand.least_capability &&
      device.capability.value_or(ComputeCapability{}) < *demand.least_capability) {
    const auto version = [](const ComputeCapability& each) {
      return fmt::format("{}.{}", each.major, each.minor);
    };
    return fmt::format(
        "it has compute capability {}, and {} is asked for",
        device.capability ? version(*device.capability) : std::string("unknown to its driver"),
        version(*demand.least_capability));
  }
  if (device.is_instance && demand.any_devices > 1) {
    return "it is a MIG instance, and a program can use one of them at a time";
  }
  return {};
}

std::string label_of(const DeviceSupply& device) {
  return fmt::format("GPU {} ({})", device.index, device.name);
}

Shortfall shortfall(const Demand& demand, const DeviceBalance& device, Bytes needed) {
  const bool is_bounded = demand.is_free_balloon() && room(demand, device) < device.available;
  return {
      .resource = device.device->uuid,
      .label = label_of(*device.device) + (is_bounded ? " for balloons (max_balloon_percent)" : ""),
      .needed = needed,
      .available = room(demand, device),
      .capacity = largest(demand, device),
      .reason = objection(demand, *device.device)};
}

/// The devices that may serve a request for any, in the order in which they are preferred.
std::vector<const DeviceBalance*> preferred(const Demand& demand, const Balance& left) {
  std::vector<const DeviceBalance*> fitting;
  for (const DeviceBalance& each : left.devices) {
    if (room(demand, each) >= demand.bytes_each && objection(demand, *each.device).empty()) {
      fitting.push_back(&each);
    }
  }
  const auto rank = [&](const DeviceBalance* each) {
    const auto idle = std::pair(each->device->load_percent, each->device->index);
    const auto available = static_cast<double>(room(demand, *each).count);
    switch (demand.placement) {
      case Placement::spread:
        return std::tuple(false, -available, idle);
      case Placement::pack:
        return std::tuple(each->committed.count == 0, available, idle);
      case Placement::best_fit:
        break;
    }
    return std::tuple(false, available, idle);
  };
  std::ranges::sort(fitting, {}, rank);
  return fitting;
}

/// The devices that are large enough for a request for any, those with the most left first.
std::vector<DeviceBalance*> awaited(const Demand& demand, Balance& left) {
  std::vector<DeviceBalance*> large;
  for (DeviceBalance& each : left.devices) {
    if (largest(demand, each) >= demand.bytes_each && objection(demand, *each.device).empty()) {
      large.push_back(&each);
    }
  }
  std::ranges::sort(large, {}, [&](const DeviceBalance* each) {
    return std::pair(-static_cast<double>(room(demand, *each).count), each->device->index);
  });
  large.resize(std::min(large.size(), demand.any_devices));
  return large;
}

}  // namespace

std::optional<std::vector<DeviceShare>> place(const Demand& demand, const Balance& left) {
  if (left.host_available < demand.host) {
    return std::nullopt;
  }
  for (const DeviceShare& wanted : demand.named) {
    const auto device = std::ranges::find_if(
        left.devices, [&](const DeviceBalance& each) { return each.device->uuid == wanted.uuid; });
    if (device == left.devices.end() || room(demand, *device) < wanted.bytes ||
        !objection(demand, *device->device).empty()) {
      return std::nullopt;
    }
  }
  std::vector<DeviceShare> shares = demand.named;
  if (demand.any_devices > 0) {
    const auto devices = preferred(demand, left);
    if (devices.size() < demand.any_devices) {
      return std::nullopt;
    }
    for (const DeviceBalance* each : std::span(devices).first(demand.any_devices)) {
      shares.push_back({each->device->uuid, demand.bytes_each});
    }
  }
  return shares;
}

std::vector<Shortfall> shortfalls(const Demand& demand, const Balance& left) {
  std::vector<Shortfall> found;
  if (left.host_available < demand.host) {
    found.push_back({.resource = "host",
                     .label = "host memory",
                     .needed = demand.host,
                     .available = left.host_available,
                     .capacity = left.host_capacity,
                     .reason = {}});
  }
  const auto falls_short = [](const Shortfall& each) {
    return !each.reason.empty() || each.missing().count > 0;
  };
  for (const DeviceShare& wanted : demand.named) {
    for (const DeviceBalance& each : left.devices) {
      if (each.device->uuid == wanted.uuid) {
        auto candidate = shortfall(demand, each, wanted.bytes);
        if (falls_short(candidate)) {
          found.push_back(std::move(candidate));
        }
      }
    }
  }
  if (demand.any_devices > 0 && preferred(demand, left).size() < demand.any_devices) {
    for (const DeviceBalance& each : left.devices) {
      auto candidate = shortfall(demand, each, demand.bytes_each);
      if (falls_short(candidate)) {
        found.push_back(std::move(candidate));
      }
    }
  }
  std::ranges::sort(found, {}, [](const Shortfall& each) {
    return std::pair(!each.reason.empty(), each.missing().count);
  });
  return found;
}

bool is_possible(const Demand& demand, const Balance& left) {
  Balance empty = left;
  empty.host_available = left.host_capacity;
  for (DeviceBalance& each : empty.devices) {
    each.available = largest(demand, each);
    each.limited = each.available;
    each.balloons = {};
  }
  return place(demand, empty).has_value();
}

void set_aside(const Demand& demand, Balance& left) {
  std::vector<DeviceShare> claims = demand.named;
  for (const DeviceBalance* each : awaited(demand, left)) {
    claims.push_back({each->device->uuid, demand.bytes_each});
  }
  take(demand, claims, left);
}

void take(const Demand& demand, const std::vector<DeviceShare>& shares, Balance& left) {
  left.host_available -= demand.host;
  for (const DeviceShare& share : shares) {
    if (DeviceBalance* const device = left.find(share.uuid)) {
      device->available -= share.bytes;
      device->limited -= share.bytes;
      device->committed += share.bytes;
      if (demand.is_free_balloon()) {
        device->balloons += share.bytes;
      }
      if (device->device->unified) {
        left.host_available -= share.bytes;
      }
    }
  }
  for (DeviceBalance& each : left.devices) {
    if (each.device->unified) {
      each.available = std::min(each.available, left.host_available);
      each.limited = std::min(each.limited, left.host_available);
    }
  }
}

}  // namespace levee::ledger
