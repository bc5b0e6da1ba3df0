// The profile of the library this is linked into; each pair of libraries has its own definition.
#pragma once

#include "simgpu/machine/profile.hpp"

namespace levee::simgpu {

[[nodiscard]] const ProfileInfo& own_profile() noexcept;

}  // namespace levee::simgpu
