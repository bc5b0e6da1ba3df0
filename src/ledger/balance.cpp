#include "ledger/balance.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <ranges>
#include <utility>

namespace levee::ledger {
namespace {

constexpr std::uint64_t kUsualLimitPercent = 75;

/// Amounts of every account on every device and, last, of the host; in one piece, because this is
/// reckoned for every decision.
class Amounts {
 public:
  Amounts(std::size_t accounts, const Supply& supply)
      : supply_(supply), width_(supply.devices.size() + 1), cells_(accounts * width_) {}

  Bytes& at(std::size_t account, std::size_t column) { return cells_[account * width_ + column]; }
  Bytes& host(std::size_t account) { return at(account, width_ - 1); }
  void add(std::size_t account, const std::vector<DeviceShare>& shares, Bytes host_bytes) {
    for (const DeviceShare& share : shares) {
      const auto device = std::ranges::find(supply_.devices, share.uuid, &DeviceSupply::uuid);
      if (device != supply_.devices.end()) {
        at(account, static_cast<std::size_t>(device - supply_.devices.begin())) += share.bytes;
      }
    }
    host(account) += host_bytes;
  }
  /// The larger of both, cell by cell.
  void raise(const Amounts& other) {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      cells_[i] = std::max(cells_[i], other.cells_[i]);
    }
  }
  void fold(std::size_t account, std::size_t into) {
    for (std::size_t column = 0; column < width_; ++column) {
      at(into, column) += std::exchange(at(account, column), Bytes{});
    }
  }

 private:
  const Supply& supply_;
  std::size_t width_;
  std::vector<Bytes> cells_;
};

/// What each account is promised and uses. One that was folded into another has nothing.
struct Accounts {
  std::size_t count = 0;
  Amounts promised;
  Amounts used;
};

/// The granted leases that are no part of another, by id.
std::vector<const Lease*> outer_leases(const Book& book) {
  std::vector<const Lease*> outer;
  for (const auto& [id, lease] : book.leases()) {
    if (lease.is_granted() && lease.demand.within.empty()) {
      outer.push_back(&lease);
    }
  }
  return outer;
}

/// What the leases within others have altogether, which counts as far as it is more.
void raise_by_inner(const Book& book, const Supply& supply, const std::vector<const Lease*>& outer,
                    Amounts& promised) {
  std::optional<Amounts> inner;  // Seldom needed.
  for (const auto& [id, lease] : book.leases()) {
    if (lease.is_granted() && !lease.demand.within.empty()) {
      const auto account = std::ranges::lower_bound(
          outer, lease.demand.within, {},
          [](const Lease* each) -> const std::string& { return each->id; });
      if (account != outer.end() && (*account)->id == lease.demand.within) {
        if (!inner) {
          inner.emplace(outer.size(), supply);
        }
        inner->add(static_cast<std::size_t>(account - outer.begin()), lease.shares,
                   lease.demand.host);
      }
    }
  }
  if (inner) {
    promised.raise(*inner);
  }
}

Accounts accounts_of(const Book& book, const Supply& supply) {
  const std::vector<const Lease*> outer = outer_leases(book);
  Accounts accounts{outer.size(), Amounts(outer.size(), supply), Amounts(outer.size(), supply)};
  std::vector<std::pair<ProcessId, std::size_t>> owners;
  for (std::size_t i = 0; i < outer.size(); ++i) {
    const Lease& lease = *outer[i];
    accounts.promised.add(i, lease.shares, lease.demand.host);
    if (const auto use = supply.uses.find(lease.id); use != supply.uses.end()) {
      accounts.used.add(i, use->second.devices, use->second.host);
    }
    if (lease.owner.pid != 0) {
      owners.emplace_back(lease.owner, i);
    }
  }
  raise_by_inner(book, supply, outer, accounts.promised);
  std::ranges::sort(owners);
  for (std::size_t i = 1; i < owners.size(); ++i) {
    if (owners[i].first == owners[i - 1].first) {
      accounts.promised.fold(owners[i - 1].second, owners[i].second);
      accounts.used.fold(owners[i - 1].second, owners[i].second);
    }
  }
  return accounts;
}

DeviceBalance balance_of(const DeviceSupply& device, std::size_t column, Accounts& accounts,
                         const Rules& rules) {
  DeviceBalance result{.device = &device,
                       .capacity = device.total - device.reserved - rules.device_reserve,
                       .promised = {},
                       .committed = {},
                       .unaccounted = {},
                       .outstanding = {},
                       .available = {},
                       .limit = limit_of(device, rules),
                       .limited = {},
                       .balloon_limit = {},
                       .balloons = {}};
  result.balloon_limit = Bytes{static_cast<std::uint64_t>(
      static_cast<double>(result.capacity.count) * (rules.max_balloon_percent / 100))};
  Bytes used_by_accounts;
  for (std::size_t i = 0; i < accounts.count; ++i) {
    const Bytes promised = accounts.promised.at(i, column);
    const Bytes used = accounts.used.at(i, column);
    result.promised += promised;
    result.committed += std::max(promised, used);
    used_by_accounts += used;
  }
  result.unaccounted = device.used - used_by_accounts;
  result.committed += result.unaccounted;
  result.outstanding = result.committed - device.used;
  if (device.why_not.empty()) {
    result.available = result.capacity - result.committed;
    result.limited = std::min(result.available, result.limit - result.committed);
  }
  return result;
}

/// A device whose memory is the host's promises from the same pool: what it has promised and nobody
/// has taken yet is the host's no more, and it has no more than the host.
void reckon_host(const HostSupply& host, Accounts& accounts, const Rules& rules, Balance& balance) {
  for (std::size_t i = 0; i < accounts.count; ++i) {
    balance.host_outstanding += accounts.promised.host(i) - accounts.used.host(i);
  }
  const auto is_shared = [](const DeviceBalance& each) { return each.device->unified; };
  for (const DeviceBalance& each : balance.devices | std::views::filter(is_shared)) {
    balance.host_outstanding += each.outstanding;
  }
  balance.host_capacity = host.total - rules.host_reserve;
  balance.host_available = host.available - rules.host_reserve - balance.host_outstanding;
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

void add(Use& promised, const Lease& lease) {
  for (const DeviceShare& share : lease.shares) {
    const auto there = std::ranges::find(promised.devices, share.uuid, &DeviceShare::uuid);
    if (there == promised.devices.end()) {
      promised.devices.push_back(share);
    } else {
      there->bytes += share.bytes;
    }
  }
  promised.host += lease.demand.host;
}

Balance balance(const Book& book, const Supply& supply, const Rules& rules) {
  Accounts accounts = accounts_of(book, supply);
  Balance result;
  result.devices.reserve(supply.devices.size());
  for (std::size_t i = 0; i < supply.devices.size(); ++i) {
    result.devices.push_back(balance_of(supply.devices[i], i, accounts, rules));
  }
  for (const auto& [id, lease] : book.leases()) {
    if (!lease.is_granted() || !lease.demand.is_free_balloon()) {
      continue;
    }
    for (const DeviceShare& share : lease.shares) {
      if (DeviceBalance* const device = result.find(share.uuid)) {
        device->balloons += share.bytes;
      }
    }
  }
  if (supply.host) {
    reckon_host(*supply.host, accounts, rules, result);
  }
  return result;
}

}  // namespace levee::ledger
