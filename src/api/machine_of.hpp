// The machine as models find it. Internal to the room. Pure.
#pragma once

#include "api/ledger_port.hpp"
#include "api/view.hpp"
#include "core/time.hpp"
#include "estimate/validate.hpp"

namespace levee::api {

/// Only fresh readings count, and why a GPU takes no work is said. What `ledger` has promised and
/// nobody has taken yet is not free; without one, all is that nobody uses.
[[nodiscard]] estimate::Machine machine_of(const View& view, const LedgerView* ledger,
                                           MonoTime now);

}  // namespace levee::api
