#include "ledger/balance.hpp"

#include <algorithm>
#include <map>
#include <ranges>
#include <utility>

namespace levee::ledger {
namespace {

constexpr std::uint64_t kUsualLimitPercent = 75;

Bytes* find(std::vector<DeviceShare>& shares, std::string_view uuid) {
  const auto found = std::ranges::find(shares, uuid, &DeviceShare::uuid);
  return found == shares.end() ? nullptr : &found->bytes;
}

void add(std::vector<DeviceShare>& shares, const DeviceShare& share) {
  if (Bytes* const there = find(shares, share.uuid)) {
    *there += share.bytes;
  } else {
    shares.push_back(share);
  }
}

void add(Use& sum, const Use& more) {
  for (const DeviceShare& share : more.devices) {
    add(sum.devices, share);
  }
  sum.host += more.host;
}

/// The larger of both, device by device.
void raise(Use& amounts, const Use& other) {
  for (const DeviceShare& share : other.devices) {
    if (Bytes* const there = find(amounts.devices, share.uuid)) {
      *there = std::max(*there, share.bytes);
    } else {
      amounts.devices.push_back(share);
    }
  }
  amounts.host = std::max(amounts.host, other.host);
}

/// What each lease that is no part of another is promised: by itself, or by the leases within it
/// where they have more.
std::map<std::string_view, Use> promises(const Book& book) {
  std::map<std::string_view, Use> own;
  std::map<std::string_view, Use> within;
  for (const auto& [id, lease] : book.leases()) {
    if (lease.is_granted()) {
      ledger::add((lease.demand.within.empty() ? own : within)[lease.account()], lease);
    }
  }
  for (const auto& [account, promise] : within) {
    raise(own[account], promise);
  }
  return own;
}

struct Account {
  Use promised;
  Use used;
};

/// By owner; by id where there is none.
using Accounts = std::map<std::pair<ProcessId, std::string_view>, Account>;

Accounts accounts_of(const Book& book, const Supply& supply) {
  Accounts accounts;
  for (const auto& [id, promised] : promises(book)) {
    const Lease* const lease = book.find(id);
    const bool has_owner = lease != nullptr && lease->owner.pid != 0;
    Account& account = accounts[has_owner ? std::pair(lease->owner, std::string_view{})
                                          : std::pair(ProcessId{}, id)];
    add(account.promised, promised);
    if (const auto use = supply.uses.find(id); use != supply.uses.end()) {
      add(account.used, use->second);
    }
  }
  return accounts;
}

DeviceBalance balance_of(const DeviceSupply& device, const Accounts& accounts, const Rules& rules) {
  DeviceBalance result{.device = &device,
                       .capacity = device.total - device.reserved - rules.device_reserve,
                       .promised = {},
                       .committed = {},
                       .unaccounted = {},
                       .available = {},
                       .limit = limit_of(device, rules),
                       .limited = {}};
  Bytes used_by_accounts;
  for (const auto& [key, account] : accounts) {
    const Bytes promised = share_on(account.promised.devices, device.uuid);
    const Bytes used = share_on(account.used.devices, device.uuid);
    result.promised += promised;
    result.committed += std::max(promised, used);
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

void add(Use& promised, const Lease& lease) { add(promised, Use{lease.shares, lease.demand.host}); }

Balance balance(const Book& book, const Supply& supply, const Rules& rules) {
  const Accounts accounts = accounts_of(book, supply);
  Balance result;
  result.devices.reserve(supply.devices.size());
  for (const DeviceSupply& device : supply.devices) {
    result.devices.push_back(balance_of(device, accounts, rules));
  }
  if (supply.host) {
    result.host_capacity = supply.host->total - rules.host_reserve;
    result.host_available = supply.host->available - rules.host_reserve;
    for (const auto& [key, account] : accounts) {
      result.host_available -= account.promised.host - account.used.host;
    }
    share_host(result);
  }
  return result;
}

}  // namespace levee::ledger
