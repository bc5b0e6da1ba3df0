// The version of Levee this was built from.
#pragma once

#include <string_view>

namespace levee {

/// Semantic version; CMake passes the project's own, so that there is one home for it.
inline constexpr std::string_view kVersion = LEVEE_VERSION;

}  // namespace levee
