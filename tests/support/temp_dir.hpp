// A directory of the test's own that vanishes with it, and files within.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

namespace levee::test {

/// The whole content of `file`; empty when it cannot be read.
inline std::string contents(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// Makes `file` with `text`, or replaces its content.
inline void put(const std::filesystem::path& file, std::string_view text) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
}

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "levee-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::system_error(errno, std::system_category(), name);
    }
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path_ / name;
  }

  /// Makes the file `name` (and its directories) with `text`, or replaces its content.
  void write(std::string_view name, std::string_view text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    put(path_ / name, text);
  }

  /// Writes over the beginning of the file in one system call, as a kernel file changes: whoever
  /// has it open never sees it empty.
  void overwrite(std::string_view name, std::string_view text) const {
    const int fd = ::open((path_ / name).c_str(), O_WRONLY | O_CLOEXEC);
    [[maybe_unused]] const ssize_t written = ::pwrite(fd, text.data(), text.size(), 0);
    ::close(fd);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace levee::test
