// The documented names of earlier tools' settings, read only with LEVEE_COMPAT=1 (contract F-41).
// One table maps each to its key. Pure; thread-safe.
#pragma once

#include <span>
#include <string_view>

#include "config/config.hpp"
#include "config/value.hpp"

namespace levee::config {

struct CompatName {
  std::string_view name;     ///< The environment variable.
  std::string_view key;      ///< The key it sets.
  std::string_view meaning;  ///< What it counts and what becomes of it.
  /// The key's value for the variable's number, given the settings in force without it; null: the
  /// variable's text is the value.
  Value (*convert)(double number, const Config& config);
};

[[nodiscard]] std::span<const CompatName> compat_names();

}  // namespace levee::config
