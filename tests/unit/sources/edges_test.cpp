// Root, UserNames, PsiTrigger and SelfUse: the thin edges.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pwd.h>

#include <chrono>
#include <thread>

#include "sources/file.hpp"
#include "sources/psi_trigger.hpp"
#include "sources/self.hpp"
#include "sources/users.hpp"
#include "tree.hpp"

namespace levee::sources {
namespace {

TEST(RootPath, PutsEverythingBelowIt) {
  EXPECT_EQ(Root("/tmp/x").at("/proc/stat"), "/tmp/x/proc/stat");
  EXPECT_EQ(Root().at("/proc/stat"), "/proc/stat");
  EXPECT_TRUE(Root().is_real());
  EXPECT_FALSE(Root("/tmp").is_real());
}

TEST(RootRead, ReadsUpToTheLimit) {
  const Tree tree;
  tree.write("/proc/x", std::string(100000, 'a'));
  EXPECT_EQ(tree.root().read("/proc/x")->size(), 65536U);
  EXPECT_EQ(tree.root().read("/proc/x", 200000)->size(), 100000U);
  EXPECT_EQ(tree.root().read("/proc/x", 0)->size(), 0U);
  tree.write("/proc/empty", "");
  EXPECT_EQ(*tree.root().read("/proc/empty"), "");
}

TEST(RootRead, TellsWhyNot) {
  const Tree tree;
  tree.write("/proc/5/stat", "x");
  const auto missing = tree.root().read("/proc/none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_NE(missing.error().message.find("/proc/none"), std::string::npos);
  EXPECT_EQ(tree.root().read("/proc/5").error().code, ErrorCode::unavailable);
}

TEST(FileError, KnowsTheUsualReasons) {
  EXPECT_EQ(file_error("x", ENOENT).code, ErrorCode::not_found);
  EXPECT_EQ(file_error("x", ESRCH).code, ErrorCode::not_found);
  EXPECT_EQ(file_error("x", ENODEV).code, ErrorCode::not_found);
  EXPECT_EQ(file_error("x", EACCES).code, ErrorCode::permission_denied);
  EXPECT_EQ(file_error("x", EPERM).code, ErrorCode::permission_denied);
  EXPECT_EQ(file_error("x", EMFILE).code, ErrorCode::resource_exhausted);
  EXPECT_EQ(file_error("x", EIO).code, ErrorCode::unavailable);
  EXPECT_FALSE(file_error("x", EACCES).hint.empty());
}

TEST(UserNames, ComeFromThePasswdBelowTheRoot) {
  const Tree tree;
  tree.write("/etc/passwd", "marie:x:1000:1000::/:/bin/sh\n");
  UserNames names(tree.root());
  EXPECT_EQ(names.name(1000), "marie");
  EXPECT_EQ(names.name(0), "0");
  EXPECT_EQ(names.name(4294967295U), "4294967295");
}

TEST(UserNames, AreNumbersWithoutAPasswd) {
  const Tree tree;
  UserNames names(tree.root());
  EXPECT_EQ(names.name(0), "0");
}

TEST(UserNames, AgreeWithTheSystem) {
  const passwd* me = ::getpwuid(::geteuid());
  if (me == nullptr) {
    GTEST_SKIP() << "this user has no name";
  }
  const std::string expected = me->pw_name;
  UserNames names{Root{}};
  EXPECT_EQ(names.name(::geteuid()), expected);
}

TEST(UserNames, NeverBlockOnAStranger) {
  // Many unknown users from many threads, and an end while questions are still open.
  for (int round = 0; round < 3; ++round) {
    UserNames names{Root{}};
    std::vector<std::jthread> askers;
    for (uid_t thread = 0; thread < 4; ++thread) {
      askers.emplace_back([&names, thread] {
        for (uid_t uid = 3000000000U; uid < 3000000050U; ++uid) {
          EXPECT_EQ(names.name(uid + thread), std::to_string(uid + thread));
        }
      });
    }
  }
}

TEST(PsiTrigger, IsArmedOnTheRealMachine) {
  if (!Root{}.read("/proc/pressure/memory")) {
    GTEST_SKIP() << "this kernel has no pressure-stall information";
  }
  auto trigger = PsiTrigger::arm(Root{}, std::chrono::milliseconds(150), std::chrono::seconds(1));
  if (!trigger && trigger.error().code == ErrorCode::permission_denied) {
    GTEST_SKIP() << trigger.error().message;
  }
  ASSERT_TRUE(trigger) << trigger.error().message;
  EXPECT_TRUE(trigger->window() == std::chrono::seconds(1) ||
              trigger->window() == std::chrono::seconds(2));
  pollfd poll{.fd = trigger->fd(), .events = POLLPRI, .revents = 0};
  EXPECT_GE(::poll(&poll, 1, 0), 0);
  EXPECT_EQ(poll.revents & (POLLERR | POLLNVAL), 0);
  const int fd = trigger->fd();
  PsiTrigger moved = std::move(*trigger);
  EXPECT_EQ(moved.fd(), fd);
}

TEST(PsiTrigger, WidensAWindowThatNeedsPrivilege) {
  if (!Root{}.read("/proc/pressure/memory")) {
    GTEST_SKIP() << "this kernel has no pressure-stall information";
  }
  auto trigger = PsiTrigger::arm(Root{}, std::chrono::milliseconds(100), std::chrono::seconds(3));
  if (!trigger && trigger.error().code == ErrorCode::permission_denied) {
    GTEST_SKIP() << trigger.error().message;
  }
  ASSERT_TRUE(trigger) << trigger.error().message;
  EXPECT_TRUE(trigger->window() == std::chrono::seconds(3) ||
              trigger->window() == std::chrono::seconds(4));
}

TEST(PsiTrigger, RefusesWhatTheKernelCannotDo) {
  using std::chrono::seconds;
  const Tree tree;
  tree.write("/proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
  EXPECT_EQ(PsiTrigger::arm(tree.root(), seconds(1), seconds(2)).error().code,
            ErrorCode::unavailable);
  EXPECT_EQ(PsiTrigger::arm(Root{}, seconds(0), seconds(2)).error().code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(PsiTrigger::arm(Root{}, seconds(3), seconds(2)).error().code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(PsiTrigger::arm(Root{}, seconds(1), seconds(11)).error().code,
            ErrorCode::invalid_argument);
}

TEST(SelfUse, CountsThisProcess) {
  const SelfUse self = read_self();
  EXPECT_GT(self.rss, mib(1));
  EXPECT_GE(self.cpu_seconds, 0.0);
  ASSERT_TRUE(self.threads);
  const int before = *self.threads;
  std::jthread waiting([](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(read_self().threads, before + 1);
}

}  // namespace
}  // namespace levee::sources
