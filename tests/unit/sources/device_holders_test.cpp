#include "sources/device_holders.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <thread>

#include "sources/file.hpp"
#include "support/child.hpp"
#include "support/patience.hpp"
#include "support/temp_dir.hpp"
#include "tree.hpp"

namespace levee::sources {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const GpuFiles kNvidia{.own = {"/dev/nvidia0"}, .shared = {"/dev/nvidia-uvm"}};

DeviceHolders found_in(const Root& root, const GpuFiles& files) {
  UserNames users(root);
  auto found = find_device_holders(root, files, users);
  EXPECT_TRUE(found) << found.error().message;
  return found.value_or(DeviceHolders{});
}

const DeviceHolder* holder(const DeviceHolders& found, pid_t pid) {
  const auto it = std::ranges::find_if(
      found.holders, [pid](const DeviceHolder& one) { return one.identity.id.pid == pid; });
  return it == found.holders.end() ? nullptr : &*it;
}

GpuIdentity gpu_of(GpuVendor vendor, std::optional<int> minor) {
  GpuIdentity gpu;
  gpu.vendor = vendor;
  gpu.minor = minor;
  return gpu;
}

TEST(GpuFiles, AreKnownByVendorAndMinor) {
  const Root amd(LEVEE_FIXTURES "/drm/rx7900xtx");
  EXPECT_EQ(gpu_files(amd, gpu_of(GpuVendor::nvidia, 3)),
            (GpuFiles{.own = {"/dev/nvidia3"}, .shared = {"/dev/nvidia-uvm"}}));
  const GpuFiles files = gpu_files(amd, gpu_of(GpuVendor::amd, 1));
  EXPECT_THAT(files.own, ElementsAre("/dev/dri/card1", "/dev/dri/renderD128"));
  EXPECT_THAT(files.shared, ElementsAre("/dev/kfd"));
  const Root intel(LEVEE_FIXTURES "/drm/arc-a770-xe");
  EXPECT_EQ(gpu_files(intel, gpu_of(GpuVendor::intel, 1)),
            (GpuFiles{.own = {"/dev/dri/card1", "/dev/dri/renderD129"}, .shared = {}}));
}

TEST(GpuFiles, AreUnknownWithoutAMinor) {
  for (const GpuVendor vendor : {GpuVendor::nvidia, GpuVendor::amd, GpuVendor::intel}) {
    EXPECT_EQ(gpu_files(Root("/nowhere"), gpu_of(vendor, std::nullopt)), GpuFiles{});
  }
}

TEST(DeviceHolders, AreThoseWithTheDeviceOpenOrMapped) {
  const Tree tree;
  tree.put({.pid = 10, .comm = "trainer"});
  tree.link("/proc/10/fd/3", "/dev/nvidia0");
  tree.link("/proc/10/fd/4", "/dev/nvidia0");
  tree.link("/proc/10/fd/5", "/dev/nvidia-uvm");
  tree.put({.pid = 20});
  tree.link("/proc/20/fd/3", "/dev/null");
  tree.write("/proc/20/maps", "1-2 rw-s 0 0:5 1 /dev/nvidia0\n");
  tree.put({.pid = 30});
  tree.link("/proc/30/fd/3", "/dev/nvidia-uvm");
  tree.put({.pid = 40});
  tree.link("/proc/40/fd/3", "/dev/nvidia1");
  tree.link("/proc/40/fd/4", "/dev/nvidia0 (deleted)");
  const DeviceHolders found = found_in(tree.root(), kNvidia);
  ASSERT_THAT(found.holders, SizeIs(3));
  EXPECT_EQ(found.holders[0].identity.comm, "trainer");
  EXPECT_THAT(found.holders[0].own, ElementsAre("/dev/nvidia0"));
  EXPECT_THAT(found.holders[0].shared, ElementsAre("/dev/nvidia-uvm"));
  EXPECT_TRUE(found.holders[0].open);
  EXPECT_EQ(found.holders[1].identity.id.pid, 20);
  EXPECT_FALSE(found.holders[1].open);
  EXPECT_THAT(found.holders[2].own, IsEmpty());
  EXPECT_EQ(found.hidden, 0U);
  EXPECT_FALSE(found.whole_machine);
}

TEST(DeviceHolders, IncludeDeadProcessesWhoseThreadsHoldOn) {
  const Tree tree;
  tree.put({.pid = 10, .comm = "stuck", .state = 'Z'});
  tree.link("/proc/10/task/12/fd/3", "/dev/nvidia0");
  tree.put({.pid = 9, .comm = "launcher"});
  tree.put({.pid = 20, .comm = "dead", .parent = 9, .state = 'Z'});
  tree.put({.pid = 21, .comm = "orphan", .parent = 8, .state = 'Z'});
  tree.link("/proc/self/ns/pid", "pid:[4026531836]");
  const DeviceHolders found = found_in(tree.root(), kNvidia);
  ASSERT_THAT(found.holders, SizeIs(1));
  EXPECT_EQ(found.holders[0].identity.id.pid, 10);
  EXPECT_TRUE(found.holders[0].half_dead);
  ASSERT_THAT(found.zombies, SizeIs(2));
  EXPECT_EQ(found.zombies[0].pid, 20);
  EXPECT_EQ(found.zombies[0].parent, 9);
  EXPECT_EQ(found.zombies[0].parent_comm, "launcher");
  EXPECT_EQ(found.zombies[1].parent_comm, "");
  EXPECT_TRUE(found.whole_machine);
}

TEST(DeviceHolders, AreNobodyAmongKernelThreadsAndTheVanished) {
  const Tree tree;
  tree.put({.pid = 2, .kernel_thread = true});
  tree.link("/proc/2/fd/3", "/dev/nvidia0");
  tree.write("/proc/3/stat", "nonsense");
  tree.link("/proc/3/fd/3", "/dev/nvidia0");
  tree.write("/proc/4/statm", "5 5\n");
  const DeviceHolders found = found_in(tree.root(), kNvidia);
  EXPECT_THAT(found.holders, IsEmpty());
  EXPECT_EQ(found.hidden, 0U);
}

TEST(DeviceHolders, CannotBeSearchedWithoutProc) {
  const Tree tree;
  UserNames users(tree.root());
  const auto found = find_device_holders(tree.root(), kNvidia, users);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::not_found);
}

class RealHolders : public testing::Test {
 protected:
  RealHolders() { test::put(device, "x"); }
  test::TempDir dir;
  std::string device = (dir / "device").string();
  GpuFiles files{.own = {device}, .shared = {}};
};

TEST_F(RealHolders, AreFoundByDescriptorAndByMapping) {
  const test::Child opens(
      [&] { return ::open(device.c_str(), O_RDONLY | O_CLOEXEC) < 0 ? "cannot" : "ready"; });
  const test::Child maps([&] {
    const Fd file(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    void* const memory = ::mmap(nullptr, 1, PROT_READ, MAP_SHARED, file.get(), 0);
    return memory == MAP_FAILED ? "cannot" : "ready";
  });
  ASSERT_EQ(opens.said(), "ready");
  ASSERT_EQ(maps.said(), "ready");
  const DeviceHolders found = found_in(Root{}, files);
  ASSERT_THAT(found.holders, SizeIs(2));
  ASSERT_TRUE(holder(found, opens.pid()));
  EXPECT_TRUE(holder(found, opens.pid())->open);
  ASSERT_TRUE(holder(found, maps.pid()));
  EXPECT_FALSE(holder(found, maps.pid())->open);
}

TEST_F(RealHolders, AreFoundWhenOnlyTheirFirstThreadHasEnded) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::open(device.c_str(), O_RDONLY | O_CLOEXEC) >= 0) {
      std::thread([] { ::pause(); }).detach();
    }
    ::syscall(SYS_exit, 0);  // this thread only
  }
  EXPECT_TRUE(test::eventually([&] {
    const DeviceHolders found = found_in(Root{}, files);
    const DeviceHolder* const stuck = holder(found, child);
    return stuck != nullptr && stuck->half_dead && stuck->own == files.own;
  }));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST_F(RealHolders, SeeADeadChildAndItsParent) {
  const pid_t dead = ::fork();
  if (dead == 0) {
    ::_exit(0);
  }
  ASSERT_TRUE(test::eventually([&] {
    const DeviceHolders found = found_in(Root{}, files);
    return std::ranges::any_of(found.zombies, [&](const Zombie& zombie) {
      return zombie.pid == dead && zombie.parent == ::getpid() &&
             zombie.parent_comm == "test_sources";
    });
  }));
  ::waitpid(dead, nullptr, 0);
}

TEST_F(RealHolders, SayHowManyProcessesTheyMayNotLookAt) {
  constexpr uid_t kNobody = 65534;
  const test::Child child(
      [&] {
        const DeviceHolders found = found_in(Root{}, files);
        return std::string(found.hidden > 0 ? "some are hidden" : "all are seen");
      },
      ::geteuid() == 0 ? kNobody : 0);
  EXPECT_EQ(child.said(), "some are hidden");  // the first process is root's
}

}  // namespace
}  // namespace levee::sources
