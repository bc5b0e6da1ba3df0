// Balance: what may still be promised (contract G6). Pure.
//
// Leases of one process are one account: what a process uses cannot be told apart by lease.
//
//   committed = Σ over accounts of max(promised, used) + use that belongs to no account
//   available = total − driver-reserved − device_reserve − committed
//   host      = available (G1) − host_reserve − Σ over accounts of max(0, promised − used)
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "ledger/book.hpp"
#include "ledger/supply.hpp"

namespace levee::ledger {

struct DeviceBalance {
  const DeviceSupply* device = nullptr;  ///< In the Supply. Never null.
  Bytes capacity;                        ///< What could be promised if nobody used it.
  Bytes promised;                        ///< Σ over accounts of what is promised.
  Bytes committed;
  Bytes unaccounted;  ///< Used by processes of no account.
  Bytes outstanding;  ///< Promised, and not used yet.
  Bytes available;
  Bytes limit;          ///< The most that bookings under `memory_limit` may bring it to.
  Bytes limited;        ///< As `available`, for such bookings.
  Bytes balloon_limit;  ///< The most that balloons of no other lease may have together,
  Bytes balloons;       ///< and what they are promised.

  [[nodiscard]] Bytes for_balloons() const noexcept {
    return std::min(available, balloon_limit - balloons);
  }
};

struct Balance {
  std::vector<DeviceBalance> devices;  ///< In the Supply's order.
  Bytes host_capacity;
  Bytes host_available;    ///< 0 when the host could not be read.
  Bytes host_outstanding;  ///< With that of devices whose memory is the host's.

  /// Null when there is none.
  [[nodiscard]] DeviceBalance* find(std::string_view uuid);
};

[[nodiscard]] Balance balance(const Book& book, const Supply& supply, const Rules& rules);

/// The most that bookings under `memory_limit` may bring a device to: 75 % of it by default.
[[nodiscard]] Bytes limit_of(const DeviceSupply& device, const Rules& rules);

/// Adds what a granted lease promises by itself.
void add(Use& promised, const Lease& lease);

/// 0 where there is none.
[[nodiscard]] Bytes share_on(const std::vector<DeviceShare>& shares, std::string_view uuid);

}  // namespace levee::ledger
