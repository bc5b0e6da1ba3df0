#include "sinks/child.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "core/exec.hpp"

namespace levee::sinks {
namespace {

/// How often the end, the deadline and the stop request are looked at while nothing wakes us.
constexpr std::chrono::milliseconds kSlice{50};

/// What the child gets, and what it does not. Owns the two spawn objects.
class SpawnPlan {
 public:
  explicit SpawnPlan(int input) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);

    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }

  [[nodiscard]] int spawn(pid_t& pid, char* const* argv, char* const* environment) const {
    return ::posix_spawnp(&pid, argv[0], &actions_, &attributes_, argv, environment);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// The daemon shields itself from the kernel's OOM killer; its hook must not inherit that, or it
/// would be spared while jobs are killed. Raising the score is always allowed.
void unshield(pid_t pid) {
  int ours = 0;
  std::ifstream("/proc/self/oom_score_adj") >> ours;
  if (ours < 0) {
    std::ofstream(fmt::format("/proc/{}/oom_score_adj", pid)) << 0;
  }
}

Error start_failure(const std::string& program, int error) {
  Error failure = exec_error(program, error);
  if (failure.code == ErrorCode::not_found) {
    failure.hint = "hook.command needs a program that is in PATH, or its full path";
  }
  return failure;
}

}  // namespace

Result<Child> Child::start(const std::vector<std::string>& argv,
                           const std::vector<std::string>& environment) {
  if (argv.empty() || argv.front().empty()) {
    return fail(ErrorCode::invalid_argument, "no program is named", "set hook.command");
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return std::unexpected(start_failure(argv.front(), errno));
  }
  // Only our end: the flag of the other would be the program's own.
  ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
  pid_t pid = -1;
  const int failure =
      SpawnPlan(ends[0]).spawn(pid, exec_pointers(argv).data(), exec_pointers(environment).data());
  ::close(ends[0]);
  if (failure != 0) {
    ::close(ends[1]);
    return std::unexpected(start_failure(argv.front(), failure));
  }
  unshield(pid);
  return Child(pid, static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)), ends[1]);
}

Child::Child(pid_t pid, int pidfd, int input) : pid_(pid), pidfd_(pidfd), input_(input) {}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::exchange(other.pidfd_, -1)),
      input_(std::exchange(other.input_, -1)) {}

Child::~Child() {
  if (pid_ > 0) {
    terminate(std::chrono::milliseconds{0});
  }
  close_input();
  if (pidfd_ >= 0) {
    ::close(pidfd_);
  }
}

std::optional<int> Child::finish(std::string_view input, Clock::time_point deadline,
                                 const std::stop_token& stop) {
  while (!input.empty() && !has_ended()) {
    if (Clock::now() >= deadline || stop.stop_requested()) {
      return std::nullopt;
    }
    std::array<pollfd, 2> fds{pollfd{.fd = input_, .events = POLLOUT, .revents = 0},
                              pollfd{.fd = pidfd_, .events = POLLIN, .revents = 0}};
    ::poll(fds.data(), fds.size(), static_cast<int>(kSlice.count()));
    if (fds[0].revents != 0) {
      feed(input);
    }
  }
  close_input();
  if (!wait_until(deadline, stop)) {
    return std::nullopt;
  }
  return reap();
}

void Child::terminate(std::chrono::milliseconds grace) {
  close_input();
  // The group exists for as long as its leader is not reaped, so its number is still ours.
  ::kill(-pid_, SIGTERM);
  (void)wait_until(Clock::now() + grace, {});
  ::kill(-pid_, SIGKILL);
  // A task that sleeps in the kernel for ever cannot be waited for; it becomes init's.
  if (wait_until(Clock::now() + std::chrono::seconds{5}, {})) {
    reap();
  }
  pid_ = -1;
}

bool Child::has_ended() const {
  siginfo_t info{};
  const int failed = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
  // ECHILD: whoever embeds us ignores SIGCHLD, and the kernel has reaped it.
  return failed != 0 || info.si_pid == pid_;
}

bool Child::wait_until(Clock::time_point deadline, const std::stop_token& stop) {
  while (!has_ended()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0 || stop.stop_requested()) {
      return false;
    }
    pollfd ended{.fd = pidfd_, .events = POLLIN, .revents = 0};
    ::poll(&ended, 1, static_cast<int>(std::min(left, kSlice).count()));
  }
  return true;
}

/// Writes what fits. SIGPIPE is blocked in the threads of sinks.
void Child::feed(std::string_view& input) {
  const ssize_t written = ::write(input_, input.data(), input.size());
  if (written >= 0) {
    input.remove_prefix(static_cast<std::size_t>(written));
  } else if (errno != EAGAIN && errno != EINTR) {
    input = {};  // It closed its input: it does not want to know.
  }
}

void Child::close_input() {
  if (input_ >= 0) {
    ::close(std::exchange(input_, -1));
  }
}

int Child::reap() {
  int status = -1;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return status;
}

}  // namespace levee::sinks
