// Files that a user names: ordinary ones only, so that a pipe or a device never keeps anybody
// waiting. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "levee/result.hpp"
#include "sources/file.hpp"

namespace levee::sources {

struct RegularFile {
  Fd fd;
  std::uint64_t size = 0;  ///< At opening.
};

/// Opens `path` for reading; links are followed. Errors name the file: not_found also for a link to
/// nothing, permission_denied, invalid_argument for anything that is no ordinary file.
[[nodiscard]] Result<RegularFile> open_regular_file(const std::filesystem::path& path);

/// All of it; invalid_argument when that is more than `most` bytes.
[[nodiscard]] Result<std::string> read_regular_file(const std::filesystem::path& path,
                                                    std::size_t most);

}  // namespace levee::sources
