// BalloonOrder: a balloon that is granted, and whose account it belongs to. A plain value.
#pragma once

#include "ledger/lease.hpp"
#include "sources/kinship.hpp"

namespace levee::engine {

struct BalloonOrder {
  ledger::Lease lease;
  sources::Kin account;  ///< Its own, or that of the lease it is within.

  bool operator==(const BalloonOrder&) const = default;
};

}  // namespace levee::engine
