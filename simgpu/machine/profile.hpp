// Profile: which driver generation the libraries look like. Clients choose an ABI by the symbols
// they find, so each generation is a pair of libraries of its own (see exports/).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace levee::simgpu {

enum class Profile : std::uint32_t { r535, r550, latest };

struct ProfileInfo {
  std::string_view name;  ///< Of the folder, and in scenarios.
  std::string_view driver_version;
  int cuda_version;  ///< 12040 for 12.4.
};

inline constexpr std::array<ProfileInfo, 3> kProfiles{{
    {"r535", "535.183.06", 12020},
    {"r550", "550.54.15", 12040},
    {"latest", "615.71.05", 13040},
}};

[[nodiscard]] constexpr const ProfileInfo& info(Profile profile) noexcept {
  return kProfiles.at(static_cast<std::size_t>(profile));
}

}  // namespace levee::simgpu
