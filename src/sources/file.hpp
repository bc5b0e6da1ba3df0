// Descriptors and bare reads into buffers of the caller: what the hot paths use instead of
// streams, so that a read costs its system calls and nothing else. Thread-safe.
#pragma once

#include <expected>
#include <span>
#include <string_view>
#include <utility>

#include "levee/result.hpp"

namespace levee::sources {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    const Fd old(std::move(*this));
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  ~Fd();

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// The text of a file, or the errno that kept it away.
using RawRead = std::expected<std::string_view, int>;

/// The first bytes of an open file, in one read: kernel files of up to a page come whole.
[[nodiscard]] RawRead read_start(int fd, std::span<char> buffer) noexcept;

/// Opens `path` below `directory` (or as it is, when absolute) and reads its first bytes.
[[nodiscard]] RawRead read_start_at(int directory, const char* path,
                                    std::span<char> buffer) noexcept;

/// True when `error` says that the file, or the process it tells of, is not there (any more).
[[nodiscard]] bool is_gone(int error) noexcept;

/// `error` of `doing` ("cannot read /proc/meminfo") as an Error with a hint.
[[nodiscard]] Error file_error(std::string_view doing, int error);

}  // namespace levee::sources
