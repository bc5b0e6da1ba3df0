#include "simgpu/own_profile.hpp"

namespace levee::simgpu {

const ProfileInfo& own_profile() noexcept { return info(Profile::LEVEE_SIM_PROFILE); }

}  // namespace levee::simgpu
