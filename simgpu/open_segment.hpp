// How both driver libraries find the machine.
#pragma once

#include <memory>

#include "simgpu/machine/segment.hpp"

namespace levee::simgpu {

/// The machine that LEVEE_SIM names, or nullptr: then there is no driver. Says once on standard
/// error when it names something else.
[[nodiscard]] std::shared_ptr<Segment> open_named_segment() noexcept;

}  // namespace levee::simgpu
