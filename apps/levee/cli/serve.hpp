// What `levee serve` and `levee demo` share: running the daemon until it is told to end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/surroundings.hpp"

namespace levee::cli {

struct ServeOptions {
  std::optional<std::string> config;
  std::optional<std::string> listen;
  std::optional<std::string> socket;
  std::optional<std::string> state_dir;
  std::optional<std::string> record;
  std::vector<std::string> pairs;  ///< "key=value"
};

/// Runs the daemon until SIGTERM or Ctrl-C; the exit code.
[[nodiscard]] int serve(const ServeOptions& options, const Surroundings& surroundings);

}  // namespace levee::cli
