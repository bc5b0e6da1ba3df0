// The environment as a layer of settings (contract G9, F-41). Pure: takes the environment as an
// argument. Thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/compat.hpp"
#include "config/config.hpp"
#include "config/settings.hpp"
#include "levee/result.hpp"

namespace levee::config {

using Environment = std::map<std::string, std::string>;

struct EnvironmentLayer {
  Layer layer;
  std::vector<std::string> notes;  ///< LEVEE_* variables nobody reads, compatibility names in use.
};

/// LEVEE_<KEY> and LEVEE_SOCKET. An empty variable counts as not set. A LEVEE_* name that matches
/// nothing is only noted: other tools' environment must not stop the daemon.
[[nodiscard]] Result<EnvironmentLayer> read_environment(const Environment& environment);

/// True when LEVEE_COMPAT asks for the compatibility names.
[[nodiscard]] bool compat_enabled(const Environment& environment);

/// Adds one compatibility name to `into`, if it is set; a canonical LEVEE_* name of the same key
/// wins. `in_force` are the settings without it.
[[nodiscard]] Result<void> add_compat_name(const CompatName& compat, const Environment& environment,
                                           const Config& in_force, EnvironmentLayer& into);

}  // namespace levee::config
