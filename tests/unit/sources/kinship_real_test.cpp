// Kinship against real processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <chrono>

#include "sources/kinship.hpp"
#include "sources/process_walk.hpp"
#include "sources/processes.hpp"
#include "support/child.hpp"
#include "support/patience.hpp"

namespace levee::sources {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using test::Child;
using test::eventually;
using testing::Optional;

class KinshipReal : public testing::Test {
 protected:
  static ProcessId id(pid_t pid) {
    const auto stat = read_pid_stat(open_proc(Root{}).get(), pid);
    return {read_boot_id(Root{}), pid, stat ? stat->start_ticks : 0};
  }
  std::optional<std::string> account_of(pid_t pid) { return kinship.account_of(id(pid), now); }
  void refresh() {
    now += 1s;
    ASSERT_TRUE(kinship.refresh(now));
  }
  /// The child runs `sleep` with LEVEE_LEASE=`tag`, and says the pid that does.
  static std::string run_tagged(const char* tag) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::setenv("LEVEE_LEASE", tag, 1);
      ::execlp("sleep", "sleep", "60", nullptr);
      ::_exit(127);
    }
    // fork and exec take a moment, and the environment is there last.
    const auto proc = open_proc(Root{});
    static_cast<void>(eventually([&] {
      const auto files = ProcessFiles::open(proc.get(), pid);
      const auto stat = files ? files->stat() : std::unexpected(files.error());
      return stat && stat->comm == "sleep" &&
             files->variable(kLeaseVariable).value_or(std::nullopt) == tag;
    }));
    return std::to_string(pid);
  }

  Kinship kinship{Root{}};
  MonoTime now = MonoTime{} + 1000s;
};

/// Makes a child that has a child, and says both pids. The grandchild does not die with the others:
/// end it.
std::string with_grandchild() {
  const pid_t between = ::fork();
  if (between == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      ::alarm(60);  // should the test fail to
      for (;;) {
        ::pause();
      }
    }
    for (;;) {
      ::pause();
    }
  }
  std::string said;
  const auto proc = open_proc(Root{});
  static_cast<void>(eventually([&] {
    for (const ListedProcess& listed : list_processes(proc.get()).value()) {
      const auto stat = read_pid_stat(proc.get(), listed.pid);
      if (stat && stat->parent == between) {
        said = std::to_string(between) + " " + std::to_string(listed.pid);
      }
    }
    return !said.empty();
  }));
  return said;
}

pid_t grandchild_of(const Child& owner) {
  return std::stoi(owner.said().substr(owner.said().find(' ') + 1));
}

TEST_F(KinshipReal, AReparentedGrandchildStaysKin) {
  const Child owner(with_grandchild);
  const pid_t between = std::stoi(owner.said());
  const pid_t grandchild = grandchild_of(owner);
  kinship.set_accounts({{.account = "a", .owner = id(owner.pid()), .uid = ::getuid()}});
  refresh();
  EXPECT_THAT(account_of(grandchild), Optional("a"s));
  ::kill(between, SIGKILL);
  EXPECT_TRUE(eventually([&] {
    const auto stat = read_pid_stat(open_proc(Root{}).get(), grandchild);
    return stat && stat->parent != between;
  }));
  refresh();
  EXPECT_THAT(account_of(grandchild), Optional("a"s));
  // One that is reparented before anybody looked has no family.
  Kinship late{Root{}};
  late.set_accounts({{.account = "a", .owner = id(owner.pid()), .uid = ::getuid()}});
  ASSERT_TRUE(late.refresh(now));
  EXPECT_EQ(late.account_of(id(grandchild), now), std::nullopt);
  ::kill(grandchild, SIGKILL);
}

TEST_F(KinshipReal, FindsTheTagOfAProcess) {
  const std::string tag = "tagged-" + std::to_string(::getpid());  // No other test's.
  const Child parent([&] { return run_tagged(tag.c_str()); });
  const pid_t tagged = std::stoi(parent.said());
  kinship.set_accounts({{.account = tag, .owner = {}, .uid = ::getuid()},
                        {.account = "other", .owner = {}, .uid = ::getuid()}});
  refresh();
  EXPECT_THAT(account_of(tagged), Optional(tag));
  EXPECT_EQ(account_of(parent.pid()), std::nullopt);
  EXPECT_GT(kinship.host_use().at(tag).rss, Bytes{});
  EXPECT_EQ(kinship.host_use().at(tag).processes, 1U);
  ::kill(tagged, SIGKILL);
}

TEST_F(KinshipReal, IgnoresTheTagOfAnotherUser) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  constexpr uid_t kStranger = 65534;
  const Child parent([] { return run_tagged("roots"); }, kStranger);
  const pid_t tagged = std::stoi(parent.said());
  kinship.set_accounts({{.account = "roots", .owner = {}, .uid = 0}});
  refresh();
  EXPECT_EQ(account_of(tagged), std::nullopt);
  kinship.set_accounts({{.account = "roots", .owner = {}, .uid = kStranger}});
  EXPECT_THAT(account_of(tagged), Optional("roots"s));
}

TEST_F(KinshipReal, SumsWhatAFamilyUses) {
  constexpr std::size_t kSize = std::size_t{32} << 20U;
  const Child owner([] {
    void* const memory =
        ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::fill_n(static_cast<char*>(memory), kSize, 'x');
    return with_grandchild();
  });
  kinship.set_accounts({{.account = "a", .owner = id(owner.pid()), .uid = ::getuid()}});
  refresh();
  const HostUse use = kinship.host_use().at("a");
  EXPECT_EQ(use.processes, 3U);
  EXPECT_GT(use.rss, Bytes{kSize});
  ::kill(grandchild_of(owner), SIGKILL);
}

}  // namespace
}  // namespace levee::sources
