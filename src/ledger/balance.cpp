#include "ledger/balance.hpp"

#include <algorithm>
#include <ranges>

namespace levee::ledger {
namespace {

constexpr std::uint64_t kUsualLimitPercent = 75;

Bytes* find(std::vector<DeviceShare>& shares, std::string_view uuid) {
  const auto found = std::ranges::find(shares, uuid, &DeviceShare::uuid);
  return found == shares.end() ? nullptr : &found->bytes;
}

/// The larger of both, device by device.
void raise(Promise& promise, const Promise& other) {
  for (const DeviceShare& share : other.devices) {
    if (Bytes* const there = find(promise.devices, share.uuid)) {
      *there = std::max(*there, share.bytes);
    } else {
      promise.devices.push_back(share);
    }
  }
  promise.host = std::max(promise.host, other.host);
}

DeviceBalance balance_of(const DeviceSupply& device, const Promises& promised, const Supply& supply,
                         const Rules& rules) {
  DeviceBalance result{.device = &device,
                       .capacity = device.total - device.reserved - rules.device_reserve,
                       .promised = {},
                       .committed = {},
                       .unaccounted = {},
                       .available = {},
                       .limit = limit_of(device, rules),
                       .limited = {}};
  Bytes used_by_accounts;
  for (const auto& [account, promise] : promised) {
    const Bytes granted = share_on(promise.devices, device.uuid);
    const auto use = supply.uses.find(account);
    const Bytes used =
        use == supply.uses.end() ? Bytes{} : share_on(use->second.devices, device.uuid);
    result.promised += granted;
    result.committed += std::max(granted, used);
    used_by_accounts += used;
  }
  result.unaccounted = device.used - used_by_accounts;
  result.committed += result.unaccounted;
  if (device.why_not.empty()) {
    result.available = result.capacity - result.committed;
    result.limited = std::min(result.available, result.limit - result.committed);
  }
  return result;
}

/// A device whose memory is the host's promises from the same pool: what it has promised and nobody
/// has taken yet is the host's no more, and it has no more than the host.
void share_host(Balance& balance) {
  const auto is_shared = [](const DeviceBalance& each) { return each.device->unified; };
  for (const DeviceBalance& each : balance.devices | std::views::filter(is_shared)) {
    balance.host_available -= each.committed - each.device->used;
  }
  for (DeviceBalance& each : balance.devices | std::views::filter(is_shared)) {
    each.available = std::min(each.available, balance.host_available);
    each.limited = std::min(each.limited, balance.host_available);
  }
}

}  // namespace

DeviceBalance* Balance::find(std::string_view uuid) {
  const auto found = std::ranges::find_if(
      devices, [&](const DeviceBalance& each) { return each.device->uuid == uuid; });
  return found == devices.end() ? nullptr : &*found;
}

Bytes limit_of(const DeviceSupply& device, const Rules& rules) {
  return rules.memory_limit.value_or(Bytes{device.total.count / 100 * kUsualLimitPercent +
                                           device.total.count % 100 * kUsualLimitPercent / 100});
}

Bytes share_on(const std::vector<DeviceShare>& shares, std::string_view uuid) {
  const auto found = std::ranges::find(shares, uuid, &DeviceShare::uuid);
  return found == shares.end() ? Bytes{} : found->bytes;
}

void add(Promise& promise, const Lease& lease) {
  for (const DeviceShare& share : lease.shares) {
    if (Bytes* const there = find(promise.devices, share.uuid)) {
      *there += share.bytes;
    } else {
      promise.devices.push_back(share);
    }
  }
  promise.host += lease.demand.host;
}

Promises promises(const Book& book) {
  Promises own;
  Promises within;
  for (const auto& [id, lease] : book.leases()) {
    if (lease.is_granted()) {
      add((lease.demand.within.empty() ? own : within)[lease.account()], lease);
    }
  }
  for (const auto& [account, promise] : within) {
    raise(own[account], promise);
  }
  return own;
}

Balance balance(const Book& book, const Supply& supply, const Rules& rules) {
  const Promises promised = promises(book);
  Balance result;
  result.devices.reserve(supply.devices.size());
  for (const DeviceSupply& device : supply.devices) {
    result.devices.push_back(balance_of(device, promised, supply, rules));
  }
  if (supply.host) {
    result.host_capacity = supply.host->total - rules.host_reserve;
    result.host_available = supply.host->available - rules.host_reserve;
    for (const auto& [account, promise] : promised) {
      const auto use = supply.uses.find(account);
      result.host_available -=
          promise.host - (use == supply.uses.end() ? Bytes{} : use->second.host);
    }
    share_host(result);
  }
  return result;
}

}  // namespace levee::ledger
