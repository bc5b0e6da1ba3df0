// The sources against the machine they run on, compared with independent readings.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>

#include "sources/cgroup.hpp"
#include "sources/fast_counters.hpp"
#include "sources/file.hpp"
#include "sources/host.hpp"
#include "sources/processes.hpp"
#include "tree.hpp"

namespace levee::sources {
namespace {

using std::chrono::seconds;

MonoTime at(int s) { return MonoTime{} + seconds(1000 + s); }

/// A forked child that does `work`, says so, and waits to be killed.
class Child {
 public:
  explicit Child(const std::function<void()>& work) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    pid_ = ::fork();
    if (pid_ == 0) {
      work();
      static_cast<void>(!::write(writer.get(), "x", 1));
      while (true) {
        ::pause();
      }
    }
    writer = Fd{};
    pollfd poll{.fd = reader.get(), .events = POLLIN, .revents = 0};
    char ready = 0;
    is_ready_ = ::poll(&poll, 1, 60'000) == 1 && ::read(reader.get(), &ready, 1) == 1;
  }
  ~Child() { end(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void end() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
      pid_ = 0;
    }
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool is_ready() const { return is_ready_; }

 private:
  pid_t pid_ = 0;
  bool is_ready_ = false;
};

constexpr std::size_t kAllocated = std::size_t{64} * 1024 * 1024;

/// Fills fresh memory page by page.
void allocate() {
  void* const memory = ::mmap(nullptr, kAllocated, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  static_cast<void>(memory);
}

const ProcessReading* find(const ProcessScan& scan, pid_t pid) {
  const auto found = std::ranges::find_if(
      scan.processes, [pid](const auto& p) { return p.identity->id.pid == pid; });
  return found == scan.processes.end() ? nullptr : &*found;
}

ProcessSource real_processes() { return {Root{}, {}, std::make_shared<UserNames>(Root{})}; }

TEST(RealHost, AgreesWithTheSystemCall) {
  struct sysinfo info{};
  ASSERT_EQ(::sysinfo(&info), 0);
  std::vector<SourceTrouble> troubles;
  const auto host = HostSource(Root{}).read(troubles);
  ASSERT_TRUE(host) << host.error().message;
  EXPECT_EQ(host->mem_total.count, info.totalram * info.mem_unit);
  EXPECT_EQ(host->swap_total->count, info.totalswap * info.mem_unit);
  EXPECT_NEAR(to_gb(*host->mem_free), to_gb(Bytes{info.freeram * info.mem_unit}), 0.5);
  EXPECT_GE(host->mem_available.count, host->mem_free->count / 2);
  EXPECT_LE(host->available, host->total);
  EXPECT_EQ(host->cores, static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN)));
  EXPECT_TRUE(host->load1);
}

TEST(RealHost, LooksTheSameThroughTheFastCounters) {
  std::vector<SourceTrouble> troubles;
  auto counters = FastCounters::open(Root{});
  ASSERT_TRUE(counters);
  const auto host = HostSource(Root{}).read(troubles);
  const auto look = counters->look();
  ASSERT_TRUE(host && look);
  EXPECT_EQ(look->total, host->total);
  EXPECT_NEAR(to_gb(look->available), to_gb(host->available), 0.5);
}

TEST(RealProcesses, ShowAChildThatAllocatesAndItsEnd) {
  auto source = real_processes();
  ASSERT_TRUE(source.scan(Thoroughness::routine, at(0)));
  Child child(allocate);
  ASSERT_TRUE(child.is_ready());
  const auto scan = source.scan(Thoroughness::routine, at(1));
  ASSERT_TRUE(scan);
  const ProcessReading* seen = find(*scan, child.pid());
  ASSERT_TRUE(seen);
  EXPECT_GE(seen->rss.count, kAllocated);
  EXPECT_LT(seen->rss.count, kAllocated + gib(4).count);
  EXPECT_EQ(seen->identity->parent, ::getpid());
  EXPECT_EQ(seen->identity->uid, ::getuid());
  EXPECT_EQ(seen->identity->comm, "test_sources");
  EXPECT_NE(seen->identity->command.find("test_sources"), std::string::npos);
  EXPECT_EQ(seen->identity->id.boot, read_boot_id(Root{}));
  EXPECT_EQ(seen->growth_per_second, static_cast<double>(seen->rss.count));

  const auto pss = read_pss(Root{}, seen->identity->id);
  ASSERT_TRUE(pss) << pss.error().message;
  EXPECT_GE(pss->count, kAllocated);
  EXPECT_LE(*pss, seen->rss + mib(1));

  const ProcessId id = seen->identity->id;
  const pid_t pid = child.pid();
  child.end();
  const auto after = source.scan(Thoroughness::routine, at(2));
  ASSERT_TRUE(after);
  EXPECT_FALSE(find(*after, pid));
  EXPECT_EQ(read_pss(Root{}, id).error().code, ErrorCode::not_found);
}

TEST(RealProcesses, FollowAGrowingChildAtEveryScan) {
  auto source = real_processes();
  Child child(allocate);
  ASSERT_TRUE(child.is_ready());
  for (int s = 0; s < 5; ++s) {
    const auto scan = source.scan(Thoroughness::routine, at(s));
    ASSERT_TRUE(scan);
    const ProcessReading* seen = find(*scan, child.pid());
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->read_at, at(s));
  }
}

TEST(RealProcesses, CountKernelThreadsWithoutListingThem) {
  if (!Root{}.read("/proc/2/stat") || !Root{}.read("/proc/2/cmdline")->empty()) {
    GTEST_SKIP() << "no kernel threads are visible here";
  }
  auto source = real_processes();
  const auto scan = source.scan(Thoroughness::thorough, at(0));
  ASSERT_TRUE(scan);
  EXPECT_GT(scan->seen, scan->processes.size());
  EXPECT_FALSE(find(*scan, 2));
}

TEST(RealCgroup, AgreesWithTheMountsOfThisMachine) {
  const auto places = CgroupSource(Root{}).places();
  ASSERT_TRUE(places) << places.error().message;
  if (places->empty()) {
    GTEST_SKIP() << "no memory cgroup is mounted here";
  }
  for (const CgroupPlace& place : *places) {
    struct statfs fs{};
    EXPECT_EQ(::statfs(place.directory.c_str(), &fs), 0) << place.directory;
    constexpr auto kCgroupV1 = 0x27e0eb;
    constexpr auto kCgroupV2 = 0x63677270;
    EXPECT_EQ(fs.f_type, place.version == CgroupVersion::v1 ? kCgroupV1 : kCgroupV2);
  }
}

/// A cgroup v1 directory of this test, with a child inside.
TEST(RealCgroup, ReadsTheCeilingOfAChildInALimitedCgroup) {
  const std::string mount = "/sys/fs/cgroup/memory";
  const std::string path = fmt::format("/levee_test_{}", ::getpid());
  const std::string directory = mount + path;
  std::error_code error;
  if (!Root{}.read(mount + "/memory.limit_in_bytes") ||
      !std::filesystem::create_directory(directory, error)) {
    GTEST_SKIP() << "no cgroup v1 memory controller that may be written to: " << error.message();
  }
  std::ofstream(directory + "/memory.limit_in_bytes") << mib(256).count;
  {
    const Child child([&] {
      std::ofstream(directory + "/cgroup.procs") << ::getpid();
      allocate();
    });
    ASSERT_TRUE(child.is_ready());
    const auto cgroup = Root{}.read(fmt::format("/proc/{}/cgroup", child.pid()));
    const auto mountinfo = Root{}.read("/proc/self/mountinfo", mib(8).count);
    ASSERT_TRUE(cgroup && mountinfo);
    EXPECT_EQ(parse_cgroup(*cgroup).v1_memory, path);

    // A tree whose own process is the child, over the machine's real cgroup files.
    const Tree tree;
    tree.write("/proc/self/cgroup", *cgroup);
    tree.write("/proc/self/mountinfo", *mountinfo);
    tree.write("/proc/meminfo", *Root{}.read("/proc/meminfo"));
    tree.link("/sys", "/sys");
    std::vector<SourceTrouble> troubles;
    const auto ceilings = CgroupSource(tree.root()).read(troubles);
    EXPECT_TRUE(troubles.empty());
    ASSERT_FALSE(ceilings.empty());
    EXPECT_EQ(ceilings[0].path, path);
    EXPECT_EQ(ceilings[0].limit, mib(256));
    EXPECT_GE(ceilings[0].used.count, kAllocated);
    EXPECT_LE(ceilings[0].headroom(), mib(192));
    EXPECT_GE(ceilings[0].headroom(), mib(128));

    auto counters = FastCounters::open(tree.root());
    ASSERT_TRUE(counters);
    const auto look = counters->look();
    ASSERT_TRUE(look);
    EXPECT_LE(look->total, mib(256));
    EXPECT_LE(look->available, mib(192));
  }
  // The kernel empties the cgroup a moment after its last process died.
  const auto deadline = std::chrono::steady_clock::now() + seconds(10);
  while (::rmdir(directory.c_str()) != 0 && std::chrono::steady_clock::now() < deadline) {
    ::sched_yield();
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
}

}  // namespace
}  // namespace levee::sources
