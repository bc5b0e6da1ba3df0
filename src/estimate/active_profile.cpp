#include "estimate/active_profile.hpp"

#include <fmt/format.h>

namespace levee::estimate {

Result<void> ActiveProfile::set(std::string_view name, const ModelRegistry& registry) {
  if (const auto good = check_model_id(name); !good) {
    return good;
  }
  if (!registry.profile(name)) {
    return fail(ErrorCode::not_found, fmt::format("no profile \"{}\" is registered", name),
                "register it first, or the default profiles");
  }
  name_ = name;
  return {};
}

ActiveProfile::Found ActiveProfile::find(const ModelRegistry& registry) const {
  if (!name_) {
    return {.profile = {},
            .warning = "no memory profile is active, so nothing can be estimated; select one"};
  }
  auto profile = registry.profile(*name_);
  if (!profile) {
    return {.profile = {},
            .warning = fmt::format("the active profile \"{}\" is no longer registered, so nothing "
                                   "can be estimated; select another one",
                                   *name_)};
  }
  return {.profile = std::move(profile), .warning = {}};
}

}  // namespace levee::estimate
