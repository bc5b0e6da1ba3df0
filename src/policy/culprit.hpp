// The culprit: which process brings the growth. Pure; thread-safe.
#pragma once

#include <optional>
#include <span>

#include "core/alert.hpp"
#include "core/reading.hpp"

namespace levee::policy {

/// Growth below this is noise and accuses nobody.
inline constexpr Bytes kNotableGrowth = mib(16);

/// The process that grew most (in bytes over its growth window), if any grew notably; else the
/// largest one, without a growth figure; nothing when `processes` is empty.
[[nodiscard]] std::optional<Culprit> find_culprit(std::span<const ProcessReading> processes);

}  // namespace levee::policy
