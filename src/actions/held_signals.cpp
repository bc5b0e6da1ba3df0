#include "actions/held_signals.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace levee::actions {

sigset_t signals_for_jobs() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal :
       {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH}) {
    sigaddset(&set, signal);
  }
  return set;
}

Result<std::unique_ptr<HeldSignals>> HeldSignals::hold() {
  sigset_t set = signals_for_jobs();
  sigaddset(&set, SIGCHLD);
  std::unique_ptr<HeldSignals> held(new HeldSignals);
  // The mask first: what comes between the two calls waits for the descriptor.
  ::sigprocmask(SIG_BLOCK, &set, &held->before_);
  held->fd_ = sources::Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!held->fd_) {
    return std::unexpected(sources::file_error("cannot listen to signals", errno));
  }
  return held;
}

HeldSignals::~HeldSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

std::vector<HeldSignals::Signal> HeldSignals::take() {
  std::vector<Signal> taken;
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == sizeof info) {
    taken.push_back({.number = static_cast<int>(info.ssi_signo),
                     .from_kernel = info.ssi_code > 0,  // SI_USER and its like are 0 or below
                     .sender = static_cast<pid_t>(info.ssi_pid)});
  }
  return taken;
}

void HeldSignals::stop(int stop_signal) {
  const struct sigaction usual{};
  struct sigaction before{};
  ::sigaction(stop_signal, &usual, &before);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, stop_signal);
  ::kill(::getpid(), stop_signal);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);  // here we stand until SIGCONT
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::sigaction(stop_signal, &before, nullptr);
}

}  // namespace levee::actions
