#include "sinks/log_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace levee::sinks {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> refuse(std::string_view doing, const fs::path& path, int error) {
  const bool is_full = error == ENOSPC || error == EDQUOT;
  return fail(is_full ? ErrorCode::resource_exhausted : ErrorCode::permission_denied,
              fmt::format("cannot {} the log {}: {}", doing, path.string(),
                          std::error_code(error, std::system_category()).message()),
              is_full ? "free space on its disk"
                      : fmt::format("let the daemon's user write {}, or choose another state "
                                    "directory",
                                    path.parent_path().string()));
}

}  // namespace

LogFile::LogFile(fs::path path, Limits limits) : path_(std::move(path)), limits_(limits) {}

LogFile::LogFile(LogFile&& other) noexcept
    : path_(other.path_),
      limits_(other.limits_),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_) {}

LogFile::~LogFile() { close(); }

Result<LogFile> LogFile::open(fs::path path, Limits limits) {
  LogFile file(std::move(path), limits);
  if (auto opened = file.reopen(); !opened) {
    return std::unexpected(opened.error());
  }
  return file;
}

Result<void> LogFile::append(std::string_view line) {
  if (!is_in_place()) {
    if (auto opened = reopen(); !opened) {
      return opened;
    }
  }
  const std::string text = fmt::format("{}\n", line);
  // A log that cannot be rotated grows: too large is better than silent. The caller is told.
  Result<void> rotated;
  if (size_ > 0 && size_ + text.size() > limits_.bytes) {
    rotated = rotate();
    if (fd_ < 0) {
      return rotated;
    }
  }
  const ssize_t written = ::write(fd_, text.data(), text.size());
  if (written == static_cast<ssize_t>(text.size())) {
    size_ += text.size();
    return rotated;
  }
  const int error = written < 0 ? errno : ENOSPC;  // Only a full disk takes a part of a line.
  if (written > 0 && ::ftruncate(fd_, static_cast<off_t>(size_)) != 0) {
    size_ += static_cast<std::uint64_t>(written);
  }
  close();
  return refuse("write", path_, error);
}

Result<void> LogFile::reopen() {
  close();
  std::error_code failure;
  fs::create_directories(path_.parent_path(), failure);
  if (failure) {
    return refuse("create the directory of", path_, failure.value());
  }
  // O_NONBLOCK: a named pipe in its place must not hang the thread.
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);
  struct stat status{};
  if (fd_ < 0 || ::fstat(fd_, &status) != 0) {
    return refuse("open", path_, errno);
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  return {};
}

Result<void> LogFile::rotate() {
  const auto numbered = [&](int i) {
    return path_.string() + (i > 0 ? fmt::format(".{}", i) : "");
  };
  std::error_code failure;
  for (int i = limits_.old_files; i > 0; --i) {
    if (fs::exists(numbered(i - 1), failure)) {
      fs::rename(numbered(i - 1), numbered(i), failure);
      if (failure) {
        return refuse("rotate", path_, failure.value());
      }
    }
  }
  return reopen();
}

bool LogFile::is_in_place() const {
  struct stat here{};
  struct stat there{};
  return fd_ >= 0 && ::fstat(fd_, &here) == 0 && ::stat(path_.c_str(), &there) == 0 &&
         here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

void LogFile::close() {
  if (fd_ >= 0) {
    ::close(std::exchange(fd_, -1));
  }
}

}  // namespace levee::sinks
