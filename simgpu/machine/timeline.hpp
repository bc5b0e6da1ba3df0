// Timeline: what a scenario makes happen, applied to the machine in order. Called with the lock.
#pragma once

#include <cstdint>

#include "simgpu/machine/layout.hpp"

namespace levee::simgpu {

[[nodiscard]] std::int64_t value_at(const Value& value, std::uint64_t now) noexcept;

/// Lets every step happen that is due at `now`.
void run_timeline(Machine& machine, std::uint64_t now) noexcept;

/// One step, happening at `now`.
void apply(Machine& machine, const Step& step, std::uint64_t now) noexcept;

/// Adds a step that lies ahead; false when there is no room.
[[nodiscard]] bool insert_step(Machine& machine, const Step& step) noexcept;

}  // namespace levee::simgpu
