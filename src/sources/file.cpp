#include "sources/file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace levee::sources {

Fd::~Fd() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

RawRead read_start(int fd, std::span<char> buffer) noexcept {
  while (true) {
    const ssize_t count = ::pread(fd, buffer.data(), buffer.size(), 0);
    if (count >= 0) {
      return std::string_view(buffer.data(), static_cast<std::size_t>(count));
    }
    if (errno != EINTR) {
      return std::unexpected(errno);
    }
  }
}

RawRead read_start_at(int directory, const char* path, std::span<char> buffer) noexcept {
  const Fd file(::openat(directory, path, O_RDONLY | O_CLOEXEC));
  return file ? read_start(file.get(), buffer) : RawRead(std::unexpected(errno));
}

bool is_gone(int error) noexcept {
  // ENODEV: a file kept open in a cgroup that was removed.
  return error == ENOENT || error == ESRCH || error == ENODEV;
}

Error file_error(std::string_view doing, int error) {
  std::string message = fmt::format("{}: {}", doing, std::generic_category().message(error));
  if (is_gone(error)) {
    return {ErrorCode::not_found, std::move(message), {}};
  }
  if (error == EACCES || error == EPERM) {
    return {ErrorCode::permission_denied, std::move(message),
            "run Levee as root, or as a user who may read this file"};
  }
  if (error == EMFILE || error == ENFILE) {
    return {ErrorCode::resource_exhausted, std::move(message),
            "raise the limit of open files (ulimit -n, LimitNOFILE=)"};
  }
  return {ErrorCode::unavailable, std::move(message), {}};
}

}  // namespace levee::sources
