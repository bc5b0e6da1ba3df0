#include "actions/protect.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>

namespace levee::actions {
namespace {

/// Protection concerns the whole process for good: each test has one of its own. 0: all was well.
int in_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int current_score() {
  int score = -9999;
  std::ifstream("/proc/self/oom_score_adj") >> score;
  return score;
}

void become_nobody() {
  static_cast<void>(::setresgid(65534, 65534, 65534));
  static_cast<void>(::setresuid(65534, 65534, 65534));
  // Changing the user makes a process undumpable, its own /proc files root's.
  ::prctl(PR_SET_DUMPABLE, 1);
}

TEST(ProtectSelf, RaisesTheScoreForAnybody) {
  EXPECT_EQ(in_child([] {
              const auto report = protect_self(false, 321);
              return report.oom_score.in_force && current_score() == 321 ? 0 : 1;
            }),
            0);
}

TEST(ProtectSelf, TellsWhyTheScoreIsNotLowered) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to begin with";
  }
  EXPECT_EQ(in_child([] {
              become_nobody();
              const int before = current_score();
              const auto report = protect_self(false, -900);
              const bool told = !report.oom_score.in_force && !report.oom_score.hint.empty() &&
                                report.oom_score.detail.find("-900") != std::string::npos;
              return told && current_score() == before ? 0 : 1;
            }),
            0);
}

TEST(ProtectSelf, RefusesAScoreOutOfRange) {
  for (const int score : {-1001, 1001, 2'000'000'000}) {
    const auto report = protect_self(false, score);
    EXPECT_FALSE(report.oom_score.in_force);
    EXPECT_NE(report.oom_score.hint.find("-1000"), std::string::npos);
  }
}

TEST(ProtectSelf, LeavesMemoryAloneUnlessWanted) {
  const auto report = protect_self(false, current_score());
  EXPECT_FALSE(report.memory_lock.in_force);
  EXPECT_FALSE(report.memory_lock.detail.empty());
  EXPECT_TRUE(report.oom_score.in_force);
}

TEST(ProtectSelf, LocksMemoryWhereItMay) {
  EXPECT_EQ(
      in_child([] {
        const bool may = probe_protection().memory_lock.in_force;
        const auto report = protect_self(true, current_score());
        return report.memory_lock.in_force == may && report.memory_lock.hint.empty() == may ? 0 : 1;
      }),
      0);
}

TEST(ProtectSelf, DoesNotLockUnderALimitThatLaterAllocationsWouldHit) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to begin with";
  }
  EXPECT_EQ(in_child([] {
              const rlimit generous{512UL << 20U, 512UL << 20U};
              ::setrlimit(RLIMIT_MEMLOCK, &generous);
              become_nobody();
              const auto report = protect_self(true, current_score());
              if (report.memory_lock.in_force || report.memory_lock.hint.empty()) {
                return 1;
              }
              void* const more = ::mmap(nullptr, 1UL << 30U, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
              return more == MAP_FAILED ? 2 : 0;
            }),
            0);
}

TEST(ProtectSelf, LocksWithoutPrivilegeWhenTheLimitIsLifted) {
  const rlimit lifted{RLIM_INFINITY, RLIM_INFINITY};
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to begin with";
  }
  EXPECT_EQ(in_child([&] {
              if (::setrlimit(RLIMIT_MEMLOCK, &lifted) != 0) {
                return 0;
              }
              become_nobody();
              return protect_self(true, current_score()).memory_lock.in_force ? 0 : 1;
            }),
            0);
}

TEST(ProbeProtection, ChangesNothingAndExplainsRefusals) {
  const int before = current_score();
  const auto report = probe_protection();
  EXPECT_EQ(current_score(), before);
  for (const Protection& protection : {report.memory_lock, report.oom_score}) {
    EXPECT_FALSE(protection.detail.empty());
    EXPECT_EQ(protection.in_force, protection.hint.empty());
  }
}

}  // namespace
}  // namespace levee::actions
