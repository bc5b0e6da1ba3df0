// Quantities: the numbers of a scenario, with their units, and back again. Pure and thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "levee/result.hpp"
#include "simgpu/machine/keys.hpp"

namespace levee::simgpu {

/// "5s", "800ms", "2.5min": nanoseconds. The unit is required (ns, us, ms, s, min, h).
[[nodiscard]] Result<std::uint64_t> parse_duration(std::string_view text);

/// "2GiB", "500MB" (binary), "0": bytes.
[[nodiscard]] Result<std::uint64_t> parse_memory(std::string_view text);

/// A whole number of `low` … `high`; `what` names it in the complaint.
[[nodiscard]] Result<std::int64_t> parse_whole(std::string_view text, std::string_view what,
                                               std::int64_t low, std::int64_t high);

/// The value of `key`, in its stored unit.
[[nodiscard]] Result<std::int64_t> parse_value(const KeyInfo& key, std::string_view text);

/// The accepted form of `key`'s values, for complaints and for the reference.
[[nodiscard]] std::string form_of(const KeyInfo& key);

/// A stored value as a scenario writes it: "88", "78W", "on", "hw-thermal,power-cap".
[[nodiscard]] std::string format_value(const KeyInfo& key, std::int64_t value);

}  // namespace levee::simgpu
