// Placement: which devices a request gets, and what it keeps others from while it waits. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/balance.hpp"
#include "ledger/lease.hpp"

namespace levee::ledger {

/// A resource of which there is less than asked for.
struct Shortfall {
  std::string resource;  ///< "host", or a device's UUID.
  std::string label;     ///< For people: "host memory", "GPU 0 (Sim H200)".
  Bytes needed;
  Bytes available;
  Bytes capacity;      ///< What there would be if nobody used it.
  std::string reason;  ///< Why it is out of the question whatever is free; empty: only memory.

  [[nodiscard]] Bytes missing() const noexcept { return needed - available; }
};

/// The shares that satisfy `demand` out of what `left` has. Nothing when it does not fit.
[[nodiscard]] std::optional<std::vector<DeviceShare>> place(const Demand& demand,
                                                            const Balance& left);

/// What keeps `demand` from fitting: for named devices those too small, for any devices the ones
/// that come nearest. Empty when it fits.
[[nodiscard]] std::vector<Shortfall> shortfalls(const Demand& demand, const Balance& left);

/// Whether `demand` could be met if nobody used anything.
[[nodiscard]] bool is_possible(const Demand& demand, const Balance& left);

/// Takes from `left` what a request that does not fit yet is waiting for, so that nobody behind it
/// gets what it needs: of the devices that are large enough, those with the most left.
void set_aside(const Demand& demand, Balance& left);

/// Takes the shares and the host memory of a grant.
void take(const Demand& demand, const std::vector<DeviceShare>& shares, Balance& left);

}  // namespace levee::ledger
