#include "gpus/helper_process.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>
#include <utility>

namespace levee::gpus {
namespace {

/// What the helper gets: `line` as its standard input and output, default signals, nothing else.
class SpawnPlan {
 public:
  explicit SpawnPlan(int line) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, line, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, line, STDOUT_FILENO);
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

/// posix_spawn does not write to them.
std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  std::ranges::transform(texts, std::back_inserter(pointers),
                         [](const std::string& text) { return const_cast<char*>(text.c_str()); });
  return pointers;
}

/// `more`, and what this process has of other names.
std::vector<char*> environment_with(const std::vector<std::string>& more) {
  std::vector<char*> variables = pointers_to(more);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    if (std::ranges::none_of(more, [&](const auto& each) { return each.starts_with(name); })) {
      variables.push_back(*variable);
    }
  }
  variables.push_back(nullptr);
  return variables;
}

}  // namespace

Result<HelperProcess> HelperProcess::start(const std::vector<std::string>& argv,
                                           const std::vector<std::string>& more) {
  std::array<int, 2> ends{};
  // A socket, because writing to one whose other end is gone raises no signal when asked so.
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return std::unexpected(sources::file_error("cannot make a line to the GPU helper", errno));
  }
  sources::Fd ours(ends[0]);
  const sources::Fd theirs(ends[1]);

  std::vector<char*> pointers = pointers_to(argv);
  pointers.push_back(nullptr);
  pid_t pid = -1;
  const SpawnPlan plan(theirs.get());
  if (const int error = plan.spawn(pid, pointers.data(), environment_with(more).data());
      error != 0) {
    return std::unexpected(
        sources::file_error(fmt::format("cannot run the GPU helper \"{}\"", argv.front()), error));
  }
  return HelperProcess(pid, std::move(ours));
}

void HelperProcess::send(std::string_view text) const {
  [[maybe_unused]] const ssize_t sent =
      ::send(line_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

std::optional<std::size_t> HelperProcess::receive(std::string& text, std::size_t most) const {
  const std::size_t before = text.size();
  text.resize(before + most);
  const ssize_t count = ::recv(line_.get(), text.data() + before, most, MSG_DONTWAIT);
  const int error = errno;
  text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  if (count > 0) {
    return static_cast<std::size_t>(count);
  }
  return count < 0 && (error == EAGAIN || error == EINTR) ? std::optional<std::size_t>(0)
                                                          : std::nullopt;
}

bool HelperProcess::wait(std::chrono::nanoseconds patience) const {
  pollfd readable{.fd = line_.get(), .events = POLLIN, .revents = 0};
  const auto whole = std::chrono::floor<std::chrono::seconds>(patience);
  const timespec limit{.tv_sec = whole.count(), .tv_nsec = (patience - whole).count()};
  return ::ppoll(&readable, 1, &limit, nullptr) > 0;
}

pid_t HelperProcess::end() && {
  // The group exists for as long as its leader is not reaped, so its number is still ours.
  ::kill(-pid_, SIGKILL);
  line_ = sources::Fd{};
  return pid_;
}

std::optional<int> reap(pid_t pid, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const sources::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended != 0) {
      return ended == pid ? status : 0;  // ECHILD: whoever embeds us ignores SIGCHLD.
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return std::nullopt;
    }
    // Kernels before 5.3 have no pidfd: ask again now and then.
    pollfd readable{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    ::poll(&readable, 1, pidfd ? static_cast<int>(left.count()) : 1);
  }
}

std::string describe_end(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    const char* const name = ::sigdescr_np(signal);
    return fmt::format("was killed by signal {} ({})", signal, name != nullptr ? name : "unknown");
  }
  return fmt::format("exited with code {}", WEXITSTATUS(wait_status));
}

}  // namespace levee::gpus
