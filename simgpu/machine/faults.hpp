// Faults of driver functions: slow, hanging, or answering what the scenario says; and the gate that
// every call of both libraries passes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "simgpu/machine/segment.hpp"

namespace levee::simgpu {

/// Lets the machine's rules for `function` (on `gpu`, or kNoGpu) have their way: waits as long as
/// they say, without the lock, and returns what the function must answer, if they say that.
[[nodiscard]] std::optional<std::uint32_t> pass_gate(Session& session, std::string_view function,
                                                     std::int32_t gpu) noexcept;

}  // namespace levee::simgpu
