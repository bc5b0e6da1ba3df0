// Reading the configuration file. Thread-safe.
#pragma once

#include <filesystem>
#include <string>

#include "levee/result.hpp"

namespace levee::config {

/// The bytes of `file`, at most one more than the largest document that parse_toml accepts. Refuses
/// directories, sockets and pipes (whose other end could keep a reload waiting for ever).
[[nodiscard]] Result<std::string> read_settings_file(const std::filesystem::path& file);

}  // namespace levee::config
