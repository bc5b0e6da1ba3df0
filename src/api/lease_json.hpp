// The JSON of the ledger: leases, the queue, what may still be promised, and why not. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "api/ledger_port.hpp"
#include "api/view.hpp"
#include "core/time.hpp"

namespace levee::api {

/// `view` knows the numbers of the devices; it may be null.
[[nodiscard]] nlohmann::ordered_json lease_json(const LeaseReport& report, const View* view,
                                                Now now);

/// GET /api/v1/leases: the granted ones, what may still be promised, and how the ledger is kept.
[[nodiscard]] nlohmann::ordered_json ledger_json(const LedgerView& ledger, const View* view,
                                                 Now now);

/// GET /api/v1/queue: who waits, in order.
[[nodiscard]] nlohmann::ordered_json queue_json(const LedgerView& ledger, const View* view,
                                                Now now);

/// {"detail", "hint", "code", "shortfalls", "holders"}.
[[nodiscard]] nlohmann::ordered_json denial_json(const ledger::Denial& denial);

/// What the ledger last said of a device; null where there is no ledger.
[[nodiscard]] const DeviceLine* line_of(const View& view, std::string_view uuid);

/// What may still be granted: the ledger's word, or, where there is none, what is free beyond the
/// reserve. Absent for a device that does not answer: nothing is granted by old figures.
[[nodiscard]] std::optional<Bytes> available_memory(const View& view, const GpuView& gpu);

/// What the documented status of a GPU and the report call allocations (contract S1-26, S2-53).
[[nodiscard]] nlohmann::ordered_json allocations_json(const LedgerView* view,
                                                      std::string_view uuid);
[[nodiscard]] nlohmann::ordered_json allocated_resources_json(const LedgerView* view);

}  // namespace levee::api
