#include "actions/job_process.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "core/exec.hpp"

namespace levee::actions {
namespace {

using Clock = std::chrono::steady_clock;

/// Who signals all processes of a cgroup is done with it after a millisecond or two.
constexpr std::chrono::milliseconds kGroupPatience{50};
/// How often the end is looked for where no descriptor tells it.
constexpr std::chrono::milliseconds kSlice{50};
/// What the waiting process says when it has all that it needs.
constexpr char kReady = 'R';

/// What go() sends: this, and then `texts` NUL-terminated texts of the environment.
struct Orders {
  std::uint64_t bytes = 0;
  std::uint64_t texts = 0;
};

// --- the waiting process. Only async-signal-safe calls: the starter may turn out to have threads.

/// False when the other end closed first, or failed.
bool receive(int line, std::span<char> wanted) {
  while (!wanted.empty()) {
    const ssize_t count = ::recv(line, wanted.data(), wanted.size(), 0);
    if (count <= 0 && (count == 0 || errno != EINTR)) {
      return false;
    }
    wanted = wanted.subspan(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  return true;
}

/// As a shell leaves them: our handlers are not for the command, and SIGPIPE, which Levee ignores,
/// must end it. But what nohup or a script's `&` ignores stays so.
void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    const bool may_be_ignored = signal == SIGHUP || signal == SIGINT || signal == SIGQUIT;
    struct sigaction action{};
    if (may_be_ignored && ::sigaction(signal, nullptr, &action) == 0 &&
        action.sa_handler == SIG_IGN) {
      continue;
    }
    const struct sigaction usual{};
    ::sigaction(signal, &usual, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void fail_with(int line, int error) {
  ::send(line, &error, sizeof error, MSG_NOSIGNAL);
  ::_exit(127);
}

/// Waits for the orders and becomes the command. Memory for the environment comes from mmap.
[[noreturn]] void wait_and_run(int line, char* const* argv) {
  ::prctl(PR_SET_NAME, "levee-waiting");
  Orders orders;
  if (!receive(line, {reinterpret_cast<char*>(&orders), sizeof orders})) {
    ::_exit(0);
  }
  const std::size_t pointers = (orders.texts + 1) * sizeof(char*);
  void* const memory = ::mmap(nullptr, pointers + orders.bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    fail_with(line, ENOMEM);
  }
  char** const environment = static_cast<char**>(memory);
  char* text = static_cast<char*>(memory) + pointers;
  if (!receive(line, {text, orders.bytes})) {
    ::_exit(0);
  }
  for (std::size_t i = 0; i < orders.texts; ++i) {
    environment[i] = text;
    text += std::strlen(text) + 1;
  }
  ::send(line, &kReady, 1, MSG_NOSIGNAL);
  environ = environment;
  ::execvp(argv[0], argv);
  fail_with(line, errno);
}

// --- the starter

Result<void> check(const std::vector<std::string>& argv) {
  if (argv.empty() || argv.front().empty()) {
    return fail(ErrorCode::invalid_argument, "no command is named", "name the program to run");
  }
  const auto has_nul = [](const std::string& text) { return text.find('\0') != text.npos; };
  if (const auto bad = std::ranges::find_if(argv, has_nul); bad != argv.end()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("argument {} of the command holds a NUL byte", bad - argv.begin()),
                "programs cannot receive one; leave it out");
  }
  return {};
}

Result<void> check(const EnvironmentChanges& changes) {
  for (const auto& [name, value] : changes) {
    if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != name.npos) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("\"{}\" cannot be the name of an environment variable", name),
                  "want at least one character, and neither '=' nor a NUL byte");
    }
    if (value && value->find('\0') != value->npos) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("the value of environment variable {} holds a NUL byte", name),
                  "leave it out");
    }
  }
  return {};
}

/// Our environment with `changes`, in the form that Orders announce.
std::string orders_for(const EnvironmentChanges& changes) {
  Orders orders;
  std::string texts;
  const auto add = [&](std::string_view text) {
    texts.append(text).push_back('\0');
    ++orders.texts;
  };
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!changes.contains(std::string(text.substr(0, text.find('='))))) {
      add(text);
    }
  }
  for (const auto& [name, value] : changes) {
    if (value) {
      add(name + "=" + *value);
    }
  }
  orders.bytes = texts.size();
  return std::string(reinterpret_cast<const char*>(&orders), sizeof orders) + texts;
}

/// False when the process at the other end is gone.
bool send_all(int line, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::send(line, text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) {
      return false;
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  return true;
}

/// All that is said until the line is closed: by exec, or by the end of the process.
std::string read_all(int line) {
  std::string said;
  std::array<char, 64> buffer{};
  while (true) {
    const ssize_t count = ::recv(line, buffer.data(), buffer.size(), 0);
    if (count == 0 || (count < 0 && errno != EINTR)) {
      return said;
    }
    said.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
}

Seconds seconds(const timeval& time) {
  return Seconds(static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6);
}

JobEnd end_of(int status, const rusage& use) {
  JobEnd end;
  if (WIFSIGNALED(status)) {
    end.signal = WTERMSIG(status);
  }
  end.code = end.signal ? 128 + *end.signal : WEXITSTATUS(status);
  end.peak_rss = kib(static_cast<std::uint64_t>(use.ru_maxrss));
  end.user_time = seconds(use.ru_utime);
  end.system_time = seconds(use.ru_stime);
  return end;
}

bool is_from_keyboard(const HeldSignals::Signal& signal) {
  return signal.from_kernel && (signal.number == SIGINT || signal.number == SIGQUIT ||
                                signal.number == SIGTSTP || signal.number == SIGWINCH);
}

}  // namespace

Result<JobProcess> JobProcess::start(std::vector<std::string> argv) {
  if (auto checked = check(argv); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  const auto failed = [&](int error) {
    return fail(
        ErrorCode::resource_exhausted,
        fmt::format("cannot make a process for \"{}\": {}", argv.front(), ::strerror(error)),
        "see the limits of processes (ulimit -u, TasksMax=) and open files (ulimit -n)");
  };
  const struct sigaction usual{};
  ::sigaction(SIGCHLD, &usual, nullptr);
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return failed(errno);
  }
  sources::Fd ours(ends[0]);
  const sources::Fd theirs(ends[1]);
  const std::vector<char*> pointers = exec_pointers(argv);
  // A signal between the fork and reset_signals() would run a handler of ours in the child.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  const int error = errno;
  if (pid == 0) {
    ::close(ours.get());
    reset_signals();
    wait_and_run(theirs.get(), pointers.data());
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    return failed(error);
  }
  return JobProcess(pid, std::move(argv.front()), std::move(ours));
}

JobProcess::JobProcess(pid_t pid, std::string program, sources::Fd line)
    : pid_(pid),
      program_(std::move(program)),
      line_(std::move(line)),
      pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

JobProcess::JobProcess(JobProcess&& other) noexcept
    : pid_(other.pid_),
      program_(std::move(other.program_)),
      line_(std::move(other.line_)),
      pidfd_(std::move(other.pidfd_)),
      running_(other.running_),
      end_(other.end_),
      held_(std::move(other.held_)),
      witness_(std::move(other.witness_)) {}

JobProcess::~JobProcess() { abandon(); }

void JobProcess::abandon() {
  if (!line_) {
    return;
  }
  line_ = sources::Fd{};
  if (!end_) {
    ::kill(pid_, SIGKILL);  // it would end by itself, but not while it is stopped
    static_cast<void>(reap(true));
  }
}

Result<void> JobProcess::go(const EnvironmentChanges& changes) {
  if (auto checked = check(changes); !checked) {
    return checked;
  }
  if (running_ || (!line_ && !end_)) {
    return fail(ErrorCode::internal, fmt::format("\"{}\" was started before", program_));
  }
  if (end_) {
    return std::unexpected(ended_while_waiting());
  }
  // From here on our signals are the command's.
  auto held = HeldSignals::hold();
  if (!held) {
    return std::unexpected(std::move(held.error()));
  }
  auto witness = GroupWitness::start();
  if (auto handed_over = hand_over(changes); !handed_over) {
    return handed_over;
  }
  held_ = std::move(*held);
  witness_ = std::move(witness);
  running_ = true;
  return {};
}

Result<void> JobProcess::hand_over(const EnvironmentChanges& changes) {
  const sources::Fd line = std::move(line_);
  const std::string said =
      send_all(line.get(), orders_for(changes)) ? read_all(line.get()) : std::string{};
  if (said == std::string_view(&kReady, 1)) {
    return {};
  }
  if (auto reaped = reap(true); !reaped) {
    return std::unexpected(std::move(reaped.error()));
  }
  int error = 0;
  if (said.size() < sizeof error) {
    return std::unexpected(ended_while_waiting());
  }
  std::memcpy(&error, said.data() + said.size() - sizeof error, sizeof error);
  return std::unexpected(exec_error(program_, error));
}

Error JobProcess::ended_while_waiting() {
  const std::string how =
      end_->signal ? fmt::format("signal {} ({})", *end_->signal, ::strsignal(*end_->signal))
                   : fmt::format("exit code {}", end_->code);
  return {ErrorCode::unavailable,
          fmt::format("process {} ended by {} while it waited to run \"{}\"", pid_, how, program_),
          "the command was not run; somebody ended the process, or the machine ran out of memory"};
}

Result<JobEnd> JobProcess::wait() {
  while (true) {
    auto end = wait_for(std::chrono::hours{1});
    if (!end) {
      return std::unexpected(std::move(end.error()));
    }
    if (*end) {
      return **end;
    }
  }
}

Result<std::optional<JobEnd>> JobProcess::wait_for(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (true) {
    if (end_) {
      return end_;
    }
    pass_on_signals();
    auto reaped = reap(false);
    if (!reaped || *reaped || Clock::now() >= deadline) {
      return reaped;
    }
    sleep_until(deadline);
  }
}

/// Reaps the process if it has ended, and stops with it if it has stopped.
Result<std::optional<JobEnd>> JobProcess::reap(bool patiently) {
  const int options = patiently ? 0 : running_ ? WNOHANG | WUNTRACED : WNOHANG;
  int status = 0;
  rusage use{};
  pid_t reaped = 0;
  do {
    reaped = ::wait4(pid_, &status, options, &use);
  } while (reaped < 0 && errno == EINTR);
  if (reaped < 0) {
    return fail(ErrorCode::internal,
                fmt::format("process {} cannot be waited for: {}", pid_, ::strerror(errno)),
                "somebody else in this program waited for it");
  }
  if (reaped == pid_ && WIFSTOPPED(status)) {
    const int signal = WSTOPSIG(status);
    if (signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU) {
      held_->stop(signal);
    }
  } else if (reaped == pid_) {
    end_ = end_of(status, use);
    if (held_) {
      // The Ctrl-C that the job died of is not to end us once our signals are free again.
      static_cast<void>(held_->take());
    }
  }
  return end_;
}

void JobProcess::pass_on_signals() {
  if (!held_) {
    return;
  }
  for (const HeldSignals::Signal& signal : held_->take()) {
    if (wants(signal)) {
      ::kill(pid_, signal.number);  // not reaped yet, so the number is ours
    }
  }
  if (witness_) {
    witness_->collect();
  }
}

/// Whether the command needs `signal` from us: it has not got it otherwise.
bool JobProcess::wants(const HeldSignals::Signal& signal) const {
  if (signal.number == SIGCHLD || is_from_keyboard(signal) ||
      (!signal.from_kernel && signal.sender == pid_)) {
    return false;
  }
  // Twice does no harm, and must not wait: the command may be stopped.
  if (signal.number == SIGCONT) {
    return true;
  }
  const bool is_in_our_group = ::getpgid(pid_) == ::getpgrp();
  return !is_in_our_group || !witness_ || !witness_->saw(signal.number, kGroupPatience);
}

void JobProcess::sleep_until(Clock::time_point deadline) const {
  std::array<pollfd, 2> fds{pollfd{.fd = pidfd_.get(), .events = POLLIN, .revents = 0},
                            pollfd{.fd = held_ ? held_->fd() : -1, .events = POLLIN, .revents = 0}};
  auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  left = std::max(left, std::chrono::milliseconds{0});
  const bool nothing_tells = !pidfd_ && !held_;
  ::poll(fds.data(), fds.size(),
         static_cast<int>((nothing_tells ? std::min(left, kSlice) : left).count()));
}

int exit_code_of(const Error& error) noexcept {
  return error.code == ErrorCode::not_found ? 127 : 126;
}

void die_as_the_job_did(const JobEnd& end) {
  if (end.signal != SIGINT && end.signal != SIGQUIT) {
    return;
  }
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &none);
  const struct sigaction usual{};
  ::sigaction(*end.signal, &usual, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, *end.signal);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::kill(::getpid(), *end.signal);
}

}  // namespace levee::actions
