#include "actions/protect.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <system_error>

namespace levee::actions {
namespace {

constexpr const char* kScoreFile = "/proc/self/oom_score_adj";
constexpr int kLowestScore = -1000;
constexpr int kHighestScore = 1000;
constexpr std::string_view kLockHint =
    "in the systemd unit: LimitMEMLOCK=infinity, or AmbientCapabilities=CAP_IPC_LOCK";
constexpr std::string_view kScoreHint =
    "in the systemd unit: OOMScoreAdjust=, or AmbientCapabilities=CAP_SYS_RESOURCE";

std::string text_of(int error) { return std::generic_category().message(error); }

Protection in_force(std::string detail) {
  return {.in_force = true, .detail = std::move(detail), .hint = {}};
}

Protection refused(std::string detail, std::string_view hint) {
  return {.in_force = false, .detail = std::move(detail), .hint = std::string(hint)};
}

/// Whether this thread has `capability` (a CAP_ number) in force.
bool has_capability(unsigned capability) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) {
    return false;
  }
  return (data.at(capability / 32).effective >> (capability % 32) & 1U) != 0;
}

/// Why locking all memory must not be tried; empty when it may. With a finite limit and no
/// CAP_IPC_LOCK, MCL_FUTURE would make every later allocation beyond the limit fail: worse than
/// no lock at all.
std::string lock_obstacle() {
  rlimit limit{};
  if (has_capability(CAP_IPC_LOCK)) {
    return {};
  }
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
    return "RLIMIT_MEMLOCK cannot be read: " + text_of(errno);
  }
  return limit.rlim_cur == RLIM_INFINITY
             ? std::string{}
             : fmt::format("RLIMIT_MEMLOCK allows only {} KiB and CAP_IPC_LOCK is missing",
                           limit.rlim_cur / 1024);
}

/// Whether memory beyond `limit` can still be had under the lock. Root of a user namespace shows
/// CAP_IPC_LOCK, but the kernel asks for the real one.
bool can_outgrow(rlim_t limit) {
  constexpr rlim_t kMoreThanAnybodyHas = rlim_t{1} << 40U;
  if (limit >= kMoreThanAnybodyHas) {
    return true;
  }
  const std::size_t size = limit + 4096;
  void* const probe =
      ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (probe == MAP_FAILED) {
    return false;
  }
  ::munmap(probe, size);
  return true;
}

Protection lock_all() {
  if (std::string obstacle = lock_obstacle(); !obstacle.empty()) {
    return refused(std::move(obstacle), kLockHint);
  }
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
    return refused("mlockall: " + text_of(errno), kLockHint);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && !can_outgrow(limit.rlim_cur)) {
    ::munlockall();
    return refused(fmt::format("CAP_IPC_LOCK does not lift RLIMIT_MEMLOCK ({} KiB) here",
                               limit.rlim_cur / 1024),
                   kLockHint);
  }
  return in_force("memory is locked as it is touched");
}

std::optional<int> read_score() {
  int score = 0;
  const int fd = ::open(kScoreFile, O_RDONLY | O_CLOEXEC);
  std::array<char, 16> text{};
  const ssize_t size = fd < 0 ? -1 : ::read(fd, text.data(), text.size());
  if (fd >= 0) {
    ::close(fd);
  }
  const bool read =
      size > 0 && std::from_chars(text.data(), text.data() + size, score).ec == std::errc{};
  return read ? std::optional(score) : std::nullopt;
}

/// 0, or the errno of the refusal.
int write_score(int score) {
  const std::string text = std::to_string(score);
  const int fd = ::open(kScoreFile, O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    return errno;
  }
  const int error = ::write(fd, text.data(), text.size()) < 0 ? errno : 0;
  ::close(fd);
  return error;
}

Protection adjust_score(int wanted) {
  if (wanted < kLowestScore || wanted > kHighestScore) {
    return refused(fmt::format("oom_score_adj {} is out of range", wanted),
                   "want -1000 (never killed) to 1000 (killed first)");
  }
  if (read_score() == wanted) {
    return in_force(fmt::format("oom_score_adj is {}", wanted));
  }
  if (const int error = write_score(wanted); error != 0) {
    return refused(fmt::format("oom_score_adj {}: {}", wanted, text_of(error)), kScoreHint);
  }
  return in_force(fmt::format("oom_score_adj is {}", wanted));
}

}  // namespace

ProtectionReport protect_self(bool lock_memory, int oom_score_adj) {
  return {.memory_lock =
              lock_memory ? lock_all() : refused("not wanted", "set protect.lock_memory to true"),
          .oom_score = adjust_score(oom_score_adj)};
}

ProtectionReport probe_protection() {
  ProtectionReport report;
  std::string obstacle = lock_obstacle();
  report.memory_lock =
      obstacle.empty() ? in_force("memory may be locked") : refused(std::move(obstacle), kLockHint);
  report.oom_score =
      has_capability(CAP_SYS_RESOURCE)
          ? in_force("oom_score_adj may be lowered")
          : refused("CAP_SYS_RESOURCE is missing: oom_score_adj may not be lowered", kScoreHint);
  return report;
}

}  // namespace levee::actions
