// A job at a terminal: a real pseudo-terminal, with a session leader that does what a shell does.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <algorithm>
#include <csignal>

#include "unit/actions/stand_in.hpp"

namespace levee::actions {
namespace {

using test::contents;
using test::eventually;

/// A shell at a terminal, with one job in the foreground. It tells its news in a file: a line
/// "pid N", "stopped", "exit N" or "signal N".
class Terminal {
 public:
  Terminal(std::string news, const std::vector<std::string>& argv) : news_(std::move(news)) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    std::array<int, 2> orders{};
    EXPECT_EQ(::pipe2(orders.data(), O_CLOEXEC), 0);
    shell_ = ::forkpty(&keyboard_, nullptr, nullptr, nullptr);
    if (shell_ == 0) {
      ::close(orders[1]);
      live(orders[0], argv);
    }
    ::close(orders[0]);
    orders_ = orders[1];
    EXPECT_TRUE(eventually([&] { return contents(news_).find('\n') != std::string::npos; }));
    const std::string news_so_far = contents(news_);
    EXPECT_TRUE(news_so_far.starts_with("pid ")) << news_so_far;
    std::from_chars(news_so_far.data() + 4, news_so_far.data() + news_so_far.size(), starter_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    ::kill(-starter_, SIGKILL);
    ::close(orders_);
    ::close(keyboard_);
    ::kill(shell_, SIGKILL);
    ::waitpid(shell_, nullptr, 0);
    while (::waitpid(-starter_, nullptr, 0) > 0) {
    }
  }

  [[nodiscard]] pid_t starter() const { return starter_; }
  void type(char key) const { EXPECT_EQ(::write(keyboard_, &key, 1), 1); }
  void foreground() const { EXPECT_EQ(::write(orders_, "f", 1), 1); }
  [[nodiscard]] bool tells(const std::string& line) const {
    return eventually([&] { return contents(news_).find(line + "\n") != std::string::npos; });
  }
  [[nodiscard]] std::string news() const { return contents(news_); }
  [[nodiscard]] int keyboard() const { return keyboard_; }

 private:
  void tell(const std::string& line) const {
    const int fd = ::open(news_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    static_cast<void>(!::write(fd, line.data(), line.size()));
    ::close(fd);
  }

  [[noreturn]] void live(int orders, const std::vector<std::string>& argv) const {
    ::signal(SIGTTOU, SIG_IGN);
    const pid_t job = ::fork();
    if (job == 0) {
      ::setpgid(0, 0);
      ::tcsetpgrp(STDIN_FILENO, ::getpid());
      ::signal(SIGTTOU, SIG_DFL);
      ::_exit(stand_in_for(argv));
    }
    ::setpgid(job, job);
    tell(fmt::format("pid {}\n", job));
    while (true) {
      int status = 0;
      if (::waitpid(job, &status, WUNTRACED) != job) {
        ::_exit(0);
      }
      if (!WIFSTOPPED(status)) {
        tell(WIFEXITED(status) ? fmt::format("exit {}\n", WEXITSTATUS(status))
                               : fmt::format("signal {}\n", WTERMSIG(status)));
        char order = 0;
        static_cast<void>(!::read(orders, &order, 1));
        ::_exit(0);
      }
      ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
      tell("stopped\n");
      char order = 0;
      if (::read(orders, &order, 1) != 1) {
        ::_exit(0);
      }
      ::tcsetpgrp(STDIN_FILENO, job);
      ::kill(-job, SIGCONT);
    }
  }

  std::string news_;
  int keyboard_ = -1;
  int orders_ = -1;
  pid_t shell_ = -1;
  pid_t starter_ = 0;
};

constexpr char kCtrlC = 3;
constexpr char kCtrlBackslash = 28;
constexpr char kCtrlZ = 26;

class JobTerminalTest : public testing::Test {
 protected:
  [[nodiscard]] std::string file(const std::string& name) const { return dir / name; }
  [[nodiscard]] std::string notes() const { return contents(file("notes")); }
  [[nodiscard]] bool notes_become(const std::string& text) const {
    return eventually([&] { return notes() == text; });
  }
  static char state_of(pid_t pid) {
    const auto stat = stat_of(pid);
    return stat ? stat->state : '?';
  }
  /// The job's pid, while it is called `comm`.
  static pid_t job_of(const Terminal& terminal, std::string_view comm) {
    pid_t job = 0;
    EXPECT_TRUE(eventually([&] {
      for (const pid_t child : children_of(terminal.starter())) {
        const auto stat = stat_of(child);
        job = stat && stat->comm == comm ? child : job;
      }
      return job != 0;
    }));
    return job;
  }

  test::TempDir dir;
};

TEST_F(JobTerminalTest, CtrlCReachesTheCommandOnceAndItsExitCodeIsReported) {
  const Terminal terminal(file("news"), note_signals(file("notes")));
  ASSERT_TRUE(notes_become("ready\n"));
  terminal.type(kCtrlC);
  ASSERT_TRUE(notes_become("ready\nINT\n")) << notes();
  terminal.type(kCtrlBackslash);
  ASSERT_TRUE(notes_become("ready\nINT\nQUIT\n")) << notes();
  ::kill(terminal.starter(), SIGUSR2);
  EXPECT_TRUE(terminal.tells("exit 7")) << terminal.news();
  EXPECT_EQ(notes(), "ready\nINT\nQUIT\n");
}

TEST_F(JobTerminalTest, CtrlCEndsACommandThatDoesNotCare) {
  const Terminal terminal(file("news"), {"sleep", "60"});
  static_cast<void>(job_of(terminal, "sleep"));
  terminal.type(kCtrlC);
  EXPECT_TRUE(terminal.tells(fmt::format("signal {}", SIGINT))) << terminal.news();
}

TEST_F(JobTerminalTest, CtrlZStopsBothAndTheForegroundResumesBoth) {
  const Terminal terminal(file("news"),
                          shell("echo ready >> " + file("notes") + "; read line; exit 4"));
  ASSERT_TRUE(notes_become("ready\n"));
  const pid_t job = job_of(terminal, "sh");
  for (int round = 0; round < 2; ++round) {
    terminal.type(kCtrlZ);
    ASSERT_TRUE(eventually([&] {
      const std::string news = terminal.news();
      return std::ranges::count(news, '\n') == 2 + round;
    })) << terminal.news();
    ASSERT_TRUE(terminal.tells("stopped"));
    EXPECT_EQ(state_of(job), 'T');
    EXPECT_EQ(state_of(terminal.starter()), 'T');
    terminal.foreground();
    EXPECT_TRUE(eventually([&] { return state_of(job) == 'S'; }));
    EXPECT_TRUE(eventually([&] { return state_of(terminal.starter()) == 'S'; }));
  }
  terminal.type('\n');  // the command reads the terminal again
  EXPECT_TRUE(terminal.tells("exit 4")) << terminal.news();
}

TEST_F(JobTerminalTest, StoppingTheStarterAloneStopsTheCommandToo) {
  const Terminal terminal(file("news"), note_signals(file("notes")));
  ASSERT_TRUE(notes_become("ready\n"));
  const pid_t job = job_of(terminal, "sh");
  ::kill(terminal.starter(), SIGTSTP);
  ASSERT_TRUE(terminal.tells("stopped"));
  EXPECT_EQ(state_of(job), 'T');
  ::kill(terminal.starter(), SIGCONT);  // and alone again
  EXPECT_TRUE(eventually([&] { return state_of(job) == 'S'; }));
}

TEST_F(JobTerminalTest, WaitsOnWhenSomebodyFreezesTheCommandAlone) {
  const Terminal terminal(file("news"), note_signals(file("notes")));
  ASSERT_TRUE(notes_become("ready\n"));
  const pid_t job = job_of(terminal, "sh");
  ::kill(job, SIGSTOP);
  ASSERT_TRUE(eventually([&] { return state_of(job) == 'T'; }));
  ::kill(terminal.starter(), SIGUSR1);  // still awake: it passes on
  ::kill(job, SIGCONT);
  EXPECT_TRUE(notes_become("ready\nUSR1\n"));
  EXPECT_EQ(terminal.news().find("stopped"), std::string::npos);
}

TEST_F(JobTerminalTest, AResizedTerminalIsToldTheCommandOnce) {
  const Terminal terminal(
      file("news"), shell(fmt::format("trap 'echo WINCH >> {0}' WINCH; trap 'exit 7' USR2; "
                                      "echo ready >> {0}; while :; do sleep 60 & wait $!; done",
                                      file("notes"))));
  ASSERT_TRUE(notes_become("ready\n"));
  const winsize size{.ws_row = 50, .ws_col = 132, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(::ioctl(terminal.keyboard(), TIOCSWINSZ, &size), 0);
  ASSERT_TRUE(notes_become("ready\nWINCH\n")) << notes();
  ::kill(terminal.starter(), SIGUSR2);
  EXPECT_TRUE(terminal.tells("exit 7"));
  EXPECT_EQ(notes(), "ready\nWINCH\n");
}

}  // namespace
}  // namespace levee::actions
