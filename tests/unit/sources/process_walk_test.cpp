#include "sources/process_walk.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <string>
#include <utility>
#include <vector>

#include "support/child.hpp"
#include "support/temp_dir.hpp"
#include "tree.hpp"

namespace levee::sources {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

using Held = std::vector<std::pair<int, std::string>>;

Held held_by(const Root& root, pid_t pid) {
  Held held;
  const Fd proc = open_proc(root);
  EXPECT_TRUE(each_descriptor(proc.get(), pid, [&](int fd, std::string_view target) {
    held.emplace_back(fd, target);
    return true;
  }));
  return held;
}

std::vector<std::string> mapped_by(const Root& root, pid_t pid) {
  std::vector<std::string> mapped;
  const Fd proc = open_proc(root);
  EXPECT_TRUE(each_mapping(proc.get(), pid, [&](std::string_view path) {
    mapped.emplace_back(path);
    return true;
  }));
  return mapped;
}

TEST(MappedFile, IsThePathOfTheLine) {
  EXPECT_EQ(
      mapped_file("7f1c4e000000-7f1c4e021000 r-xp 00000000 08:01 131    /usr/lib/libcuda.so.1"),
      "/usr/lib/libcuda.so.1");
  EXPECT_EQ(mapped_file("1-2 rw-s 0 0:5 1 /dev/nvidia0"), "/dev/nvidia0");
  EXPECT_EQ(mapped_file("1-2 r--p 0 0:5 1 /tmp/a b/c (deleted)"), "/tmp/a b/c");
}

TEST(MappedFile, IsEmptyForMemoryWithoutAFile) {
  for (const char* line : {"", "1-2", "1-2 rw-p 0 00:00 0", "1-2 rw-p 0 00:00 0   ",
                           "1-2 rw-p 00000000 00:00 0    [heap]", "1-2 rw-p 0 00:00 0 [anon:a/b]",
                           "1-2 rw-s 0 00:0e 1 anon_inode:i915.gem/x"}) {
    EXPECT_EQ(mapped_file(line), "") << line;
  }
}

TEST(ProcessWalk, ListsProcessesByPidAndNothingElse) {
  const Tree tree;
  for (const char* name : {"30", "4", "self", "0", "-1", "7x", "99999999999", "meminfo"}) {
    tree.write(fmt::format("/proc/{}/stat", name), "");
  }
  const Fd proc = open_proc(tree.root());
  const auto listed = list_processes(proc.get());
  ASSERT_TRUE(listed);
  std::vector<pid_t> pids;
  for (const ListedProcess& process : *listed) {
    pids.push_back(process.pid);
    EXPECT_NE(process.inode, 0U);
  }
  EXPECT_THAT(pids, ElementsAre(4, 30));
}

TEST(ProcessWalk, CannotListWhatIsNotThere) {
  const Tree tree;
  const Fd proc = open_proc(tree.root());
  EXPECT_FALSE(proc);
  EXPECT_FALSE(list_processes(proc.get()));
  EXPECT_EQ(each_descriptor(proc.get(), 1, [](int, std::string_view) { return true; }).error(),
            EBADF);
}

TEST(ProcessWalk, TellsDescriptorsAndStopsWhenTold) {
  const Tree tree;
  tree.link("/proc/9/fd/3", "/dev/dri/renderD128");
  tree.link("/proc/9/fd/12", "socket:[77]");
  tree.write("/proc/9/fd/13", "not a link");
  EXPECT_THAT(held_by(tree.root(), 9), testing::UnorderedElementsAre(Pair(3, "/dev/dri/renderD128"),
                                                                     Pair(12, "socket:[77]")));
  int told = 0;
  const Fd proc = open_proc(tree.root());
  ASSERT_TRUE(each_descriptor(proc.get(), 9, [&](int, std::string_view) { return ++told < 1; }));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(each_descriptor(proc.get(), 10, [](int, std::string_view) { return true; }).error(),
            ENOENT);
}

TEST(ProcessWalk, TellsDescriptorsThroughAThread) {
  const Tree tree;
  tree.link("/proc/9/task/11/fd/3", "/dev/nvidia0");
  tree.write("/proc/9/task/9/stat", "");
  const Fd proc = open_proc(tree.root());
  EXPECT_THAT(list_other_threads(proc.get(), 9), ElementsAre(11));
  EXPECT_THAT(list_other_threads(proc.get(), 10), IsEmpty());
  Held held;
  ASSERT_TRUE(each_descriptor(proc.get(), 9, 11, [&](int fd, std::string_view target) {
    held.emplace_back(fd, target);
    return true;
  }));
  EXPECT_THAT(held, ElementsAre(Pair(3, "/dev/nvidia0")));
}

TEST(ProcessWalk, ReadsMapsOfAnyLength) {
  const Tree tree;
  std::string maps;
  for (int i = 0; i < 5000; ++i) {
    maps += fmt::format("{:012x}-{:012x} r--p 00000000 08:01 1  /lib/file_{}\n", i, i + 1, i);
  }
  tree.write("/proc/9/maps", maps + "1-2 rw-s 0 0:5 1 /dev/nvidia0");  // no line end
  const auto mapped = mapped_by(tree.root(), 9);
  ASSERT_EQ(mapped.size(), 5001U);
  EXPECT_EQ(mapped[4999], "/lib/file_4999");
  EXPECT_EQ(mapped[5000], "/dev/nvidia0");
}

TEST(ProcessWalk, KnowsTheInitialPidNamespace) {
  const Tree tree;
  EXPECT_FALSE(in_initial_pid_namespace(tree.root()));
  tree.link("/proc/self/ns/pid", "pid:[4026531836]");
  EXPECT_TRUE(in_initial_pid_namespace(tree.root()));
  for (const char* other : {"pid:[4026532301]", "pid:[", "pid:[]", "4026531836", "x"}) {
    tree.remove("/proc/self/ns/pid");
    tree.link("/proc/self/ns/pid", other);
    EXPECT_FALSE(in_initial_pid_namespace(tree.root())) << other;
  }
}

TEST(RealProcessWalk, SeesWhatAChildOpensAndMaps) {
  const test::TempDir dir;
  const std::string open_file = (dir / "opened").string();
  const std::string mapped_only = (dir / "mapped and closed").string();
  test::put(open_file, "x");
  test::put(mapped_only, "x");
  const test::Child child([&] {
    if (::open(open_file.c_str(), O_RDONLY | O_CLOEXEC) < 0) {
      return "cannot open";
    }
    const Fd file(::open(mapped_only.c_str(), O_RDONLY | O_CLOEXEC));
    void* const memory = ::mmap(nullptr, 1, PROT_READ, MAP_SHARED, file.get(), 0);
    return memory == MAP_FAILED ? "cannot map" : "ready";
  });
  ASSERT_EQ(child.said(), "ready");
  EXPECT_THAT(held_by(Root{}, child.pid()), Contains(Pair(testing::_, open_file)));
  EXPECT_THAT(mapped_by(Root{}, child.pid()), Contains(mapped_only));
}

}  // namespace
}  // namespace levee::sources
