#include "simgpu/own_profile.hpp"

// Of the standard library, linked statically into this one: frees the memory it set aside for
// exceptions, which would stay behind each time the library is unloaded.
namespace __gnu_cxx {  // NOLINT(bugprone-reserved-identifier,cert-dcl*): its name
void __freeres();      // NOLINT(bugprone-reserved-identifier,cert-dcl*): its name
}

namespace levee::simgpu {
namespace {

[[gnu::destructor]] void leave_nothing_behind() { __gnu_cxx::__freeres(); }

}  // namespace

const ProfileInfo& own_profile() noexcept { return info(Profile::LEVEE_SIM_PROFILE); }

}  // namespace levee::simgpu
