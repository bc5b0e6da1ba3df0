// A forked child: runs something as another process, perhaps another user, and reports one line.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <utility>

namespace levee::test {

/// Runs `work` in a child; the child lives until this object goes, and dies with the test.
class Child {
 public:
  /// `uid` other than 0: the child gives up root for it first.
  explicit Child(const std::function<std::string()>& work, uid_t uid = 0) {
    std::array<int, 2> report{};
    if (::pipe(report.data()) != 0) {
      return;
    }
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(report[0]);
      const bool is_ready = uid == 0 || (::setgid(uid) == 0 && ::setuid(uid) == 0);
      const std::string line = (is_ready ? work() : "cannot become that user") + "\n";
      [[maybe_unused]] const ssize_t written = ::write(report[1], line.data(), line.size());
      for (;;) {
        ::pause();
      }
    }
    ::close(report[1]);
    char c = 0;
    while (::read(report[0], &c, 1) == 1 && c != '\n') {
      said_ += c;
    }
    ::close(report[0]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { end(); }

  void end() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
      pid_ = 0;
    }
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& said() const { return said_; }

 private:
  pid_t pid_ = 0;
  std::string said_;
};

}  // namespace levee::test
