// LogFile: a file of lines that is rotated by size: main.log, main.log.1 (newer), main.log.2, …
//
// A line is written whole or not at all, so that a full disk leaves no torn line behind. A file
// that was deleted, moved (logrotate) or could not be written is opened anew at the next line. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "levee/result.hpp"

namespace levee::sinks {

class LogFile {
 public:
  struct Limits {
    std::uint64_t bytes = 10ULL * 1024 * 1024;  ///< A file larger than this is rotated.
    int old_files = 3;                          ///< Kept beside the current one.
  };

  /// Opens or creates `path`, with its directory.
  [[nodiscard]] static Result<LogFile> open(std::filesystem::path path, Limits limits);

  /// Appends `line` and a newline.
  [[nodiscard]] Result<void> append(std::string_view line);

  LogFile(LogFile&& other) noexcept;
  LogFile& operator=(LogFile&&) = delete;
  ~LogFile();

 private:
  LogFile(std::filesystem::path path, Limits limits);
  [[nodiscard]] Result<void> reopen();
  [[nodiscard]] Result<void> rotate();
  [[nodiscard]] bool is_in_place() const;
  void close();

  const std::filesystem::path path_;
  const Limits limits_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace levee::sinks
