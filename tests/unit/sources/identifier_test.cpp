#include "sources/identifier.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <ctime>

#include "sources/process_walk.hpp"
#include "sources/processes.hpp"
#include "support/child.hpp"
#include "support/temp_dir.hpp"
#include "tree.hpp"

namespace levee::sources {
namespace {

using std::chrono::seconds;
using testing::DoubleEq;
using testing::DoubleNear;
using testing::Optional;

MonoTime at(int s) { return MonoTime{} + seconds(1000 + s); }

class IdentifierTree : public testing::Test {
 protected:
  IdentifierTree() {
    tree.write("/etc/passwd", "marie:x:1000:1000::/:/bin/sh\n");
    tree.write("/proc/sys/kernel/random/boot_id", "4b1c6b66-7e01-4b52-9f0a-1c9d2a7f0e11\n");
  }
  Identifier identifier(Identifier::Options options = {}) const {
    return {tree.root(), std::move(options), std::make_shared<UserNames>(tree.root())};
  }
  Identifier of_the_machine(Identifier::Options options = {}) const {
    tree.link("/proc/self/ns/pid", "pid:[4026531836]");
    return identifier(std::move(options));
  }
  Identifier in_a_container(Identifier::Options options = {}) const {
    tree.link("/proc/self/ns/pid", "pid:[4026532301]");
    return identifier(std::move(options));
  }
  Tree tree;
};

const auto kTicks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));

TEST_F(IdentifierTree, TellsWhoAPidIsAndWhatItUses) {
  tree.put({.pid = 50, .pages = 100, .start = 77, .comm = "python3", .parent = 9});
  auto who = of_the_machine();
  const auto found = who.find(50, at(0));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->identity->id, (ProcessId{read_boot_id(tree.root()), 50, 77}));
  EXPECT_EQ(found->identity->user, "marie");
  EXPECT_EQ(found->identity->command, "worker --fast");
  EXPECT_EQ(found->rss.count, 100 * page_size());
  EXPECT_FALSE(found->cpu_percent);
}

TEST_F(IdentifierTree, TellsTheCpuUseSinceItWasAskedBefore) {
  tree.put({.pid = 50, .cpu_ticks = 1000});
  auto who = of_the_machine();
  EXPECT_FALSE(who.find(50, at(0))->cpu_percent);
  tree.put({.pid = 50, .cpu_ticks = 1000 + 5 * kTicks});
  EXPECT_THAT(who.find(50, at(2))->cpu_percent, Optional(DoubleEq(250.0)));
  EXPECT_THAT(who.find(50, at(2))->cpu_percent, Optional(DoubleEq(250.0)));  // on another GPU
  EXPECT_THAT(who.find(50, at(4))->cpu_percent, Optional(DoubleEq(0.0)));
}

TEST_F(IdentifierTree, KnowsNobodyWhereThereIsNoProcess) {
  tree.put({.pid = 2, .kernel_thread = true});
  tree.write("/proc/3/stat", "3 (broken");
  auto who = of_the_machine();
  for (const pid_t pid : {2, 3, 4, 0, -1}) {
    EXPECT_FALSE(who.find(pid, at(0))) << pid;
  }
  Tree empty;
  EXPECT_FALSE(
      Identifier(empty.root(), {}, std::make_shared<UserNames>(empty.root())).find(1, at(0)));
}

TEST_F(IdentifierTree, DoesNotMistakeASuccessor) {
  tree.put({.pid = 50, .start = 77, .comm = "first", .cpu_ticks = 100 * kTicks});
  auto who = of_the_machine();
  EXPECT_EQ(who.find(50, at(0))->identity->comm, "first");
  tree.put({.pid = 50, .start = 78, .comm = "second", .cpu_ticks = 200 * kTicks});
  const auto found = who.find(50, at(1));
  EXPECT_EQ(found->identity->comm, "second");
  EXPECT_EQ(found->identity->id.start_ticks, 78U);
  EXPECT_FALSE(found->cpu_percent);  // the first one's use is not its own
}

TEST_F(IdentifierTree, ReadsAnIdentityAgainAfterAMinuteOrWithAnotherName) {
  tree.put({.pid = 50, .comm = "sh"});
  auto who = of_the_machine();
  const auto first = who.find(50, at(0))->identity;
  EXPECT_EQ(who.find(50, at(59))->identity, first);
  tree.write("/proc/50/cmdline", std::string("renamed\0", 8));
  EXPECT_EQ(who.find(50, at(60))->identity->command, "renamed");
  tree.put({.pid = 50, .comm = "python3"});
  EXPECT_EQ(who.find(50, at(61))->identity->comm, "python3");
}

TEST_F(IdentifierTree, RemembersOnlySoManyTheLastAskedFor) {
  for (const pid_t pid : {50, 51, 52}) {
    tree.put({.pid = pid});
  }
  auto who = of_the_machine({.most = 2});
  const auto first = who.find(50, at(0))->identity;
  static_cast<void>(who.find(51, at(1)));
  EXPECT_EQ(who.find(50, at(2))->identity, first);
  static_cast<void>(who.find(52, at(3)));           // 51 has to go
  EXPECT_EQ(who.find(50, at(4))->identity, first);  // 50 is still known
  EXPECT_FALSE(who.find(51, at(5))->cpu_percent);   // and 51 is met anew
}

TEST_F(IdentifierTree, TrustsOnlyUsersOfGpusInsideAContainer) {
  const std::pair<const char*, bool> maps[] = {
      {"1-2 r-xp 0 8:1 1 /usr/lib/x86_64-linux-gnu/libcuda.so.550.54\n", true},
      {"1-2 r-xp 0 8:1 1 /usr/lib/libnvidia-ml.so.1 (deleted)\n", true},
      {"1-2 rw-s 0 0:5 1 /dev/nvidia0\n", true},
      {"1-2 rw-s 0 0:5 1 /dev/shm/sim\n", true},
      {"1-2 rw-s 0 0:5 1 /dev/shm/sim2\n", false},
      {"1-2 r-xp 0 8:1 1 /usr/lib/libc.so.6\n", false},
      {"1-2 rw-p 0 0:0 0 [anon:libcuda]\n", false},
      {"", false}};
  auto who = in_a_container({.simulated_gpus = "/dev/shm/sim"});
  EXPECT_FALSE(who.trusts_all());
  pid_t pid = 100;
  for (const auto& [text, is_user] : maps) {
    tree.put({.pid = ++pid});
    tree.write(fmt::format("/proc/{}/maps", pid), text);
    EXPECT_EQ(who.find(pid, at(0)).has_value(), is_user) << text;
  }
  const std::pair<const char*, bool> targets[] = {
      {"/dev/nvidia3", true}, {"/dev/nvidiactl", true}, {"/dev/dri/renderD128", true},
      {"/dev/kfd", true},     {"/dev/kfd2", false},     {"/home/dev/nvidia0", false},
      {"pipe:[7]", false}};
  for (const auto& [target, is_user] : targets) {
    tree.put({.pid = ++pid});
    tree.link(fmt::format("/proc/{}/fd/3", pid), target);
    EXPECT_EQ(who.find(pid, at(0)).has_value(), is_user) << target;
  }
}

TEST_F(IdentifierTree, LooksAtADoubtfulProcessAgainAfterAWhile) {
  tree.put({.pid = 50});
  auto who = in_a_container();
  EXPECT_FALSE(who.find(50, at(0)));
  tree.write("/proc/50/maps", "1-2 r-xp 0 8:1 1 /usr/lib/libcuda.so.1\n");
  EXPECT_FALSE(who.find(50, at(9)));
  EXPECT_TRUE(who.find(50, at(10)));
  tree.remove("/proc/50/maps");
  EXPECT_TRUE(who.find(50, at(60)));  // believed for life
  tree.put({.pid = 50, .start = 2000});
  EXPECT_FALSE(who.find(50, at(61)));  // but not the next one
}

TEST_F(IdentifierTree, TrustsNobodyUnknownWhereItCannotTellTheNamespace) {
  tree.put({.pid = 50});
  EXPECT_FALSE(identifier().find(50, at(0)));
}

TEST(RealIdentifier, FollowsAChildThatWorks) {
  const test::Child child([] {
    const std::clock_t end = std::clock() + CLOCKS_PER_SEC / 5;
    while (std::clock() < end) {
    }
    return "worked";
  });
  ASSERT_EQ(child.said(), "worked");
  Identifier who(Root{}, {}, std::make_shared<UserNames>(Root{}));
  const auto found = who.find(child.pid(), at(0));
  if (!who.trusts_all()) {
    EXPECT_FALSE(found);
    GTEST_SKIP() << "not in the initial pid namespace";
  }
  ASSERT_TRUE(found);
  EXPECT_EQ(found->identity->parent, ::getpid());
  EXPECT_EQ(found->identity->comm, "test_sources");
  EXPECT_GT(found->rss.count, 0U);
  EXPECT_THAT(who.find(child.pid(), at(1))->cpu_percent, Optional(DoubleNear(0.0, 5.0)));
}

TEST(RealIdentifier, TellsUsersOfGpusByWhatTheyHave) {
  const test::TempDir dir;
  const std::string library = (dir / "libcuda.so.1").string();
  const std::string segment = (dir / "segment").string();
  test::put(library, "x");
  test::put(segment, "x");
  const auto mapping = [](const std::string& path) {
    return [path] {
      const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      void* const memory = ::mmap(nullptr, 1, PROT_READ, MAP_SHARED, file.get(), 0);
      return memory == MAP_FAILED ? std::string("cannot map") : std::string("ready");
    };
  };
  const test::Child user(mapping(library));
  const test::Child simulated(mapping(segment));
  ASSERT_EQ(user.said(), "ready");
  ASSERT_EQ(simulated.said(), "ready");
  const Fd proc = open_proc(Root{});
  EXPECT_TRUE(looks_like_gpu_user(proc.get(), user.pid(), ""));
  EXPECT_TRUE(looks_like_gpu_user(proc.get(), simulated.pid(), segment));
  EXPECT_FALSE(looks_like_gpu_user(proc.get(), simulated.pid(), ""));
}

}  // namespace
}  // namespace levee::sources
