#include "actions/group_witness.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <span>
#include <utility>

#include "actions/held_signals.hpp"

namespace levee::actions {
namespace {

/// The life of the witness. Every signal is blocked; those that count are read and reported, until
/// the other end of the socket is closed.
[[noreturn]] void testify(int socket, const sigset_t& signals) {
  ::prctl(PR_SET_NAME, "levee-witness");
  // It must not keep open what others wait to see closed, such as the end of a pipe.
  ::dup2(socket, STDIN_FILENO);
  ::closefrom(STDIN_FILENO + 1);
  const int heard = ::signalfd(-1, &signals, SFD_CLOEXEC);
  std::array<pollfd, 2> fds{pollfd{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                            pollfd{.fd = heard, .events = POLLIN, .revents = 0}};
  while (heard >= 0) {
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) {
      break;
    }
    if (fds[0].revents != 0) {
      break;
    }
    signalfd_siginfo info{};
    if (fds[1].revents != 0 && ::read(heard, &info, sizeof info) == sizeof info) {
      const auto number = static_cast<unsigned char>(info.ssi_signo);
      if (::send(STDIN_FILENO, &number, 1, MSG_NOSIGNAL) != 1) {
        break;
      }
    }
  }
  ::_exit(0);
}

}  // namespace

std::unique_ptr<GroupWitness> GroupWitness::start() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return nullptr;
  }
  sources::Fd ours(ends[0]);
  const sources::Fd theirs(ends[1]);
  ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  const sigset_t signals = signals_for_jobs();
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) {
    testify(theirs.get(), signals);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  return pid < 0 ? nullptr : std::unique_ptr<GroupWitness>(new GroupWitness(pid, std::move(ours)));
}

GroupWitness::~GroupWitness() {
  ::kill(pid_, SIGKILL);  // ours until it is reaped, which is now
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool GroupWitness::saw(int signal, std::chrono::milliseconds patience) {
  const auto number = static_cast<std::size_t>(signal);
  if (number >= kSignals) {
    return false;
  }
  constexpr std::chrono::seconds kMemory{1};
  const auto began = std::chrono::steady_clock::now();
  const auto deadline = began + patience;
  for (collect(); seen_.at(number) + kMemory < began; collect()) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd report{.fd = reports_.get(), .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&report, 1, static_cast<int>(left.count())) <= 0 ||
        (report.revents & POLLIN) == 0) {
      return false;
    }
  }
  seen_.at(number) = {};
  return true;
}

void GroupWitness::collect() {
  std::array<unsigned char, 64> numbers{};
  ssize_t count = 0;
  while ((count = ::recv(reports_.get(), numbers.data(), numbers.size(), 0)) > 0) {
    for (const unsigned char number : std::span(numbers).first(static_cast<std::size_t>(count))) {
      if (number < kSignals) {
        seen_.at(number) = std::chrono::steady_clock::now();
      }
    }
  }
}

}  // namespace levee::actions
