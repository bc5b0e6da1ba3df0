// RecordingFile: the continuous recording of a daemon. It has two parts, `file` and the older
// `file`.1, each at most half of what is allowed: when one is full it takes the other's place. One
// owner thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "levee/bytes.hpp"
#include "levee/result.hpp"
#include "sources/file.hpp"

namespace levee::recorder {

class RecordingFile {
 public:
  /// Begins a new part; one that is there already, of an earlier run, becomes `file`.1.
  [[nodiscard]] static Result<RecordingFile> make(std::filesystem::path file);

  /// Whether the part is full: what comes next should begin another one.
  [[nodiscard]] bool is_full(Bytes most) const { return size_.count >= most.count / 2; }
  [[nodiscard]] Result<void> begin_part();
  [[nodiscard]] Result<void> write(std::string_view frame);

  [[nodiscard]] const std::filesystem::path& path() const { return file_; }

 private:
  explicit RecordingFile(std::filesystem::path file) : file_(std::move(file)) {}

  std::filesystem::path file_;
  sources::Fd fd_;
  Bytes size_;
};

}  // namespace levee::recorder
