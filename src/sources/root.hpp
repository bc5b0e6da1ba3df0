// Root: where a source finds /proc, /sys and /etc. The real machine is Root{"/"}; tests and replays
// hand in a tree of files. Stateless apart from the path; thread-safe.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "levee/result.hpp"

namespace levee::sources {

class Root {
 public:
  explicit Root(std::filesystem::path path = "/") : path_(std::move(path)) {}

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] bool is_real() const { return path_ == "/"; }

  /// `absolute` ("/proc/meminfo") below this root.
  [[nodiscard]] std::string at(std::string_view absolute) const;

  /// The content of a file, at most `limit` bytes (further bytes are left out). not_found when the
  /// file or its process is gone (ENOENT, ESRCH), permission_denied, else unavailable.
  [[nodiscard]] Result<std::string> read(std::string_view absolute,
                                         std::size_t limit = std::size_t{64} * 1024) const;

 private:
  std::filesystem::path path_;
};

}  // namespace levee::sources
