// What a tick's View says to the ledger: what there is, and what each account uses of it.
#pragma once

#include <vector>

#include "api/balloon_port.hpp"
#include "api/ledger_port.hpp"
#include "api/view.hpp"
#include "core/process_id.hpp"
#include "engine/ledger_desk.hpp"
#include "sources/kinship.hpp"

namespace levee::engine {

/// `kinship` tells which process belongs to which lease; it is refreshed here with the leases of
/// `ledger`, which may be null. The processes of `holdings` belong to their accounts whatever they
/// look like.
[[nodiscard]] LedgerSample ledger_sample(const api::View& view, const api::LedgerView* ledger,
                                         sources::Kinship& kinship,
                                         const std::vector<api::Holding>& holdings = {});

/// Whether the process is there still: the same pid with the same start time, and no zombie. A
/// process without a pid lives as long as the boot.
[[nodiscard]] bool is_alive(const sources::Root& root, const BootId& boot,
                            const ProcessId& process);

/// Who a pid is; nothing when there is no such process.
[[nodiscard]] std::optional<api::LedgerPort::Owner> find_process(const sources::Root& root,
                                                                 const BootId& boot, pid_t pid);

}  // namespace levee::engine
