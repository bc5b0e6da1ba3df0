// Refusal: requests that are wrong whatever is free, and the words for those that do not fit.
// Internal to the room. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ledger/admission.hpp"

namespace levee::ledger {

/// What is wrong with a request by itself, or for this requester: an unusable or taken id, amounts
/// that are zero or larger than the machine, unknown devices, too many leases.
[[nodiscard]] std::optional<Denial> object(const Book& book, const Scene& scene,
                                           const Request& request, const Requester& requester);

/// The same for `more` of what a lease has already.
[[nodiscard]] std::optional<Denial> object_to_more(const Book& book, const Scene& scene,
                                                   const Demand& more, const Requester& requester);

/// Why `demand` does not fit into `left`, who holds what it lacks, and what would help.
[[nodiscard]] Denial explain(const Book& book, const Scene& scene, const Demand& demand,
                             const Balance& left);

/// `text` as a message may show it: short, and printable.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace levee::ledger
