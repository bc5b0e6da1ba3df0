#include "server/socket_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>

namespace levee::server {
namespace {

using sources::Fd;

namespace fs = std::filesystem;

constexpr std::size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr const char* kChooseAnother = "Choose another place with --socket or $LEVEE_SOCKET";

std::unexpected<Error> system_failure(int number, const std::string& doing) {
  const ErrorCode code = number == EACCES || number == EPERM || number == EROFS
                             ? ErrorCode::permission_denied
                             : ErrorCode::unavailable;
  return fail(code, fmt::format("{}: {}", doing, std::generic_category().message(number)),
              kChooseAnother);
}

Result<void> check_path(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos || path.back() == '/') {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is not the path of a socket file", path), kChooseAnother);
  }
  if (path.size() > kLongestPath) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the socket path is {} bytes long, the kernel takes at most {}: {}",
                            path.size(), kLongestPath, path),
                "Choose a shorter path with --socket or $LEVEE_SOCKET");
  }
  return {};
}

/// Makes what is missing of `directory`, 0755 whatever the umask: other users must get through.
Result<void> make_directories(const fs::path& directory) {
  if (directory.empty() || ::access(directory.c_str(), F_OK) == 0) {
    return {};
  }
  if (auto made = make_directories(directory.parent_path()); !made) {
    return made;
  }
  if (::mkdir(directory.c_str(), 0755) == 0) {
    if (::chmod(directory.c_str(), 0755) == 0) {
      return {};
    }
  } else if (errno == EEXIST) {
    return {};
  }
  return system_failure(errno, fmt::format("cannot make the directory {}", directory.native()));
}

std::unexpected<Error> held_by(const std::string& path, std::optional<pid_t> pid,
                               const sources::Root& root) {
  std::string holder = "another process";
  if (pid) {
    holder = fmt::format("pid {}", *pid);
    if (auto command = root.read(fmt::format("/proc/{}/comm", *pid))) {
      command->erase(command->find_last_not_of('\n') + 1);
      holder = fmt::format("{} (pid {})", *command, *pid);
    }
  }
  return fail(ErrorCode::already_exists, fmt::format("socket {} is held by {}", path, holder),
              "A daemon is already running there: use it, stop it, or start this one with another "
              "--socket");
}

std::optional<pid_t> pid_in_lock(int fd) {
  std::array<char, 16> text{};
  const auto size = ::pread(fd, text.data(), text.size(), 0);
  pid_t pid = 0;
  if (size <= 0 || std::from_chars(text.data(), text.data() + size, pid).ec != std::errc{} ||
      pid <= 0) {
    return std::nullopt;
  }
  return pid;
}

/// Held until the descriptor is closed. The file stays: removing it would let a third daemon lock
/// another file of the same name.
Result<Fd> take_lock(const std::string& path, const sources::Root& root) {
  const std::string name = path + ".lock";
  Fd fd{::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)};
  if (!fd) {
    return system_failure(errno, fmt::format("cannot open the lock file {}", name));
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK ? held_by(path, pid_in_lock(fd.get()), root)
                                : system_failure(errno, fmt::format("cannot lock {}", name));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return system_failure(errno, fmt::format("cannot write {}", name));
  }
  return fd;
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Fd unix_socket() { return Fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)}; }

/// Removes a socket nobody answers on; anything else in the way is an error.
Result<void> clear_the_way(const std::string& path, const sources::Root& root) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? Result<void>{}
                           : system_failure(errno, fmt::format("cannot look at {}", path));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(ErrorCode::already_exists, fmt::format("{} is there and is not a socket", path),
                "Move it away, or choose another place with --socket or $LEVEE_SOCKET");
  }
  const Fd probe = unix_socket();
  const sockaddr_un address = address_of(path);
  if (!probe) {
    return system_failure(errno, "cannot make a socket");
  }
  // EAGAIN: somebody listens, but its queue is full.
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN) {
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known =
        ::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
    return held_by(path, known ? std::optional{peer.pid} : std::nullopt, root);
  }
  if (errno != ECONNREFUSED) {
    return system_failure(errno, fmt::format("cannot tell who listens on {}", path));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return system_failure(errno, fmt::format("cannot remove the stale socket {}", path));
  }
  return {};
}

}  // namespace

Result<SocketFile> SocketFile::make(fs::path path, const sources::Root& root) {
  const std::string& name = path.native();
  if (auto good = check_path(name); !good) {
    return std::unexpected(std::move(good.error()));
  }
  if (auto made = make_directories(path.parent_path()); !made) {
    return std::unexpected(std::move(made.error()));
  }
  auto lock = take_lock(name, root);
  if (!lock) {
    return std::unexpected(std::move(lock.error()));
  }
  if (auto clear = clear_the_way(name, root); !clear) {
    return std::unexpected(std::move(clear.error()));
  }
  Fd listener = unix_socket();
  const sockaddr_un address = address_of(name);
  struct stat status{};
  // Nobody can connect before listen(), so the mode is right before it matters.
  if (!listener ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(name.c_str(), 0666) != 0 || ::lstat(name.c_str(), &status) != 0 ||
      ::listen(listener.get(), SOMAXCONN) != 0) {
    return system_failure(errno, fmt::format("cannot listen on {}", name));
  }
  return SocketFile{std::move(path), std::move(*lock), std::move(listener), status.st_dev,
                    status.st_ino};
}

SocketFile::~SocketFile() {
  // The open listener keeps its inode number from being used again, so equal means ours.
  struct stat status{};
  if (listener_ && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
      status.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

}  // namespace levee::server
