#include "engine/state_dir.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

namespace levee::engine {
namespace {

std::unexpected<Error> refuse(const std::filesystem::path& path, int error) {
  const auto message = fmt::format("state directory: {}: {}", path.string(), std::strerror(error));
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return fail(ErrorCode::permission_denied, message,
                  "give --state-dir a directory that this user may write to");
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ENAMETOOLONG:
    case ELOOP:
      return fail(ErrorCode::invalid_argument, message, "give --state-dir the path of a directory");
    default:
      return fail(ErrorCode::resource_exhausted, message, "free some space, or use --state-dir");
  }
}

/// Who wrote the lock file: "pid 812".
std::string holder(int fd) {
  std::array<char, 32> text{};
  const ssize_t length = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string pid;
  for (ssize_t i = 0; i < length && text.at(static_cast<std::size_t>(i)) >= '0' &&
                      text.at(static_cast<std::size_t>(i)) <= '9';
       ++i) {
    pid += text.at(static_cast<std::size_t>(i));
  }
  return pid.empty() ? std::string("another process") : "pid " + pid;
}

}  // namespace

Result<StateDirLock> StateDirLock::acquire(const std::filesystem::path& directory) {
  std::error_code made;
  if (directory.has_parent_path()) {
    std::filesystem::create_directories(directory.parent_path(), made);
  }
  if (::mkdir(directory.c_str(), 0750) != 0 && errno != EEXIST) {
    return refuse(directory, made ? made.value() : errno);
  }
  std::error_code looked;
  if (!std::filesystem::is_directory(directory, looked)) {
    return refuse(directory, ENOTDIR);
  }
  const auto file = directory / "levee.lock";
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) {
    return refuse(file, errno);
  }
  StateDirLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return refuse(file, errno);  // a file system without locks
    }
    return fail(ErrorCode::already_exists,
                fmt::format("state directory {} is in use by another levee daemon ({})",
                            directory.string(), holder(fd)),
                "ask that daemon with `levee status`, stop it, or use another --state-dir and "
                "--socket");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    // A full disk: the lock itself holds, only its text is missing.
    return lock;
  }
  return lock;
}

Result<void> make_private_directory(const std::filesystem::path& directory) {
  constexpr mode_t kOthers = 077;
  if (::mkdir(directory.c_str(), 0700) == 0) {
    return {};
  }
  const int error = errno;
  struct stat found{};
  const bool is_private = error == EEXIST && ::lstat(directory.c_str(), &found) == 0 &&
                          S_ISDIR(found.st_mode) && found.st_uid == ::geteuid() &&
                          (found.st_mode & kOthers) == 0;
  if (is_private) {
    return {};
  }
  return fail(ErrorCode::permission_denied,
              error == EEXIST
                  ? fmt::format("{} is there and is no directory of this user's own (mode 0700)",
                                directory.string())
                  : fmt::format("cannot make {}: {}", directory.string(), std::strerror(error)),
              "name a place that this user may write to with --socket (or $LEVEE_SOCKET) and "
              "--state-dir");
}

StateDirLock::StateDirLock(StateDirLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

StateDirLock& StateDirLock::operator=(StateDirLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

StateDirLock::~StateDirLock() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

}  // namespace levee::engine
