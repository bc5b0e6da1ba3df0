// Driving a machine from outside: what levee-simctl and the tests' fixture do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "levee/result.hpp"
#include "simgpu/machine/profile.hpp"
#include "simgpu/machine/segment.hpp"

namespace levee::simgpu {

/// Lets something happen now: "gpu 0 temp 80 lost", "for 5s driver init 18". All of it or nothing.
[[nodiscard]] Result<void> act(Segment& segment, std::string_view action);

/// Moves a stepped clock; refuses a real one.
[[nodiscard]] Result<void> advance(Segment& segment, std::uint64_t nanoseconds);

/// Everything there is to know, after a thorough look for dead processes.
[[nodiscard]] nlohmann::json dump(Segment& segment);

/// The profile the scenario asked for.
[[nodiscard]] Profile profile_of(Segment& segment) noexcept;

/// A name for a new machine, on memory where there is some: /dev/shm, $XDG_RUNTIME_DIR, $TMPDIR.
[[nodiscard]] std::filesystem::path fresh_path();

}  // namespace levee::simgpu
