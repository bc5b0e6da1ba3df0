#include "gpus/drm_clients.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "support/child.hpp"
#include "support/temp_dir.hpp"
#include "support/values.hpp"

namespace levee::gpus {
namespace {

using namespace std::chrono_literals;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

MonoTime mono(std::chrono::milliseconds since) { return test::at(since).mono; }

class HolderTree : public testing::Test {
 protected:
  void start(pid_t pid) const {
    std::filesystem::create_directories(dir / fmt::format("proc/{}/fd", pid));
  }
  void open(pid_t pid, int fd, std::string_view target) const {
    start(pid);
    std::filesystem::create_symlink(target, dir / fmt::format("proc/{}/fd/{}", pid, fd));
  }
  void close(pid_t pid, int fd) const {
    std::filesystem::remove(dir / fmt::format("proc/{}/fd/{}", pid, fd));
  }
  void tell(pid_t pid, int fd, std::string_view text) const {
    dir.write(fmt::format("proc/{}/fdinfo/{}", pid, fd), text);
  }
  void end(pid_t pid) const { std::filesystem::remove_all(dir / fmt::format("proc/{}", pid)); }

  static std::vector<pid_t> pids(const DrmHolders::View& view) {
    std::vector<pid_t> all;
    for (const DrmHolder& holder : view.holders) {
      all.push_back(holder.pid);
    }
    return all;
  }

  test::TempDir dir;
  sources::Root root{dir.path()};
};

TEST_F(HolderTree, FindsWhoHoldsADeviceAndWhich) {
  open(30, 4, "/dev/dri/renderD128");
  open(30, 9, "/dev/dri/card0");
  open(30, 5, "/dev/null");
  open(20, 3, "/dev/dri");
  open(20, 4, "/home/dev/dri/card0");
  start(10);
  DrmHolders holders(root);
  const auto view = holders.look(mono(0s));
  EXPECT_TRUE(view->complete());
  ASSERT_THAT(pids(*view), ElementsAre(30));
  std::map<int, std::string> nodes;
  for (const DrmHolder::Node& node : view->holders[0].nodes) {
    nodes[node.fd] = node.name;
  }
  EXPECT_EQ(nodes, (std::map<int, std::string>{{4, "renderD128"}, {9, "card0"}}));
}

TEST_F(HolderTree, SharesALookAmongDevicesThatAskTogether) {
  open(30, 4, "/dev/dri/renderD128");
  DrmHolders holders(root);
  const auto first = holders.look(mono(0s));
  open(31, 4, "/dev/dri/renderD128");
  EXPECT_EQ(holders.look(mono(499ms)), first);
  EXPECT_THAT(pids(*holders.look(mono(500ms))), ElementsAre(30, 31));
}

TEST_F(HolderTree, LooksAtANewProcessOftenAndThenSeldom) {
  start(9);
  DrmHolders holders(root);
  static_cast<void>(holders.look(mono(0s)));
  start(30);  // met at 1 s; looked at again at 2, 4, 8, 16 s
  static_cast<void>(holders.look(mono(1s)));
  for (const auto at : {2s, 3s, 4s}) {
    EXPECT_THAT(pids(*holders.look(mono(at))), IsEmpty());
  }
  open(30, 4, "/dev/dri/renderD128");
  for (const auto at : {5s, 6s, 7s}) {
    EXPECT_THAT(pids(*holders.look(mono(at))), IsEmpty()) << at.count();
  }
  EXPECT_THAT(pids(*holders.look(mono(8s))), ElementsAre(30));
}

TEST_F(HolderTree, LooksAtEveryOldProcessOnceAMinute) {
  for (pid_t pid = 100; pid < 400; ++pid) {
    start(pid);
  }
  DrmHolders holders(root);
  static_cast<void>(holders.look(mono(0s)));
  for (pid_t pid = 100; pid < 400; ++pid) {
    open(pid, 4, "/dev/dri/renderD128");
  }
  std::size_t before = 0;
  for (std::chrono::seconds at = 1s; at <= 60s; at += 1s) {
    const std::size_t found = holders.look(mono(at))->holders.size();
    EXPECT_LE(found - before, 10U) << at.count();  // a few at a time
    before = found;
  }
  EXPECT_EQ(before, 300U);
}

TEST_F(HolderTree, NoticesWithinTwoSecondsWhatAHolderOpensAndCloses) {
  open(30, 4, "/dev/dri/renderD128");
  DrmHolders holders(root);
  static_cast<void>(holders.look(mono(0s)));
  open(30, 5, "/dev/dri/renderD129");
  EXPECT_EQ(holders.look(mono(1s))->holders[0].nodes.size(), 1U);
  EXPECT_EQ(holders.look(mono(2s))->holders[0].nodes.size(), 2U);
  close(30, 4);
  close(30, 5);
  EXPECT_THAT(pids(*holders.look(mono(4s))), IsEmpty());
}

TEST_F(HolderTree, ForgetsWhoEndedAndDoesNotMistakeASuccessor) {
  open(30, 4, "/dev/dri/renderD128");
  DrmHolders holders(root);
  static_cast<void>(holders.look(mono(0s)));
  std::filesystem::rename(dir / "proc/30", dir / "gone");
  EXPECT_THAT(pids(*holders.look(mono(1s))), IsEmpty());
  std::filesystem::rename(dir / "gone", dir / "proc/30");
  EXPECT_THAT(pids(*holders.look(mono(2s))), ElementsAre(30));
  std::filesystem::rename(dir / "proc/30", dir / "gone");
  start(30);  // the number is used again, by a process without the device
  EXPECT_THAT(pids(*holders.look(mono(3s))), IsEmpty());
}

TEST_F(HolderTree, SaysWhenItCannotListProcesses) {
  DrmHolders holders(root);
  EXPECT_FALSE(holders.look(mono(0s))->complete());
  open(30, 4, "/dev/dri/renderD128");
  EXPECT_TRUE(holders.look(mono(1s))->complete());
}

TEST(RealDrmHolders, CountsWhatItMayNotLookAt) {
  constexpr uid_t kNobody = 65534;
  const test::Child child(
      [] {
        const auto view = DrmHolders(sources::Root{}).look(mono(0s));
        return fmt::format("{} {}", view->listed, view->hidden > 0 && !view->complete());
      },
      ::geteuid() == 0 ? kNobody : 0);
  EXPECT_EQ(child.said(), "true true");  // the first process is root's
}

TEST_F(HolderTree, CountsClientsWithoutAnIdOncePerProcess) {
  for (const int fd : {4, 5}) {
    open(30, fd, "/dev/dri/renderD128");
    tell(30, fd, "drm-driver:\tamdgpu\ndrm-memory-vram:\t3 MiB\n");
  }
  open(31, 4, "/dev/dri/renderD128");
  tell(31, 4, "drm-driver:\tamdgpu\ndrm-memory-vram:\t5 MiB\n");
  DrmClients clients(root, std::make_shared<DrmHolders>(root), "0000:03:00.0", {"renderD128"});
  const auto reading = clients.read(mono(0s));
  ASSERT_EQ(reading.processes.size(), 2U);
  EXPECT_EQ(reading.processes[0].regions.at("vram"), mib(3));
  EXPECT_EQ(reading.processes[1].regions.at("vram"), mib(5));
}

TEST_F(HolderTree, LeavesOutDescriptorsWhoseTextCannotBeRead) {
  open(30, 4, "/dev/dri/renderD128");  // no fdinfo: closed in between
  open(31, 4, "/dev/dri/renderD128");
  tell(31, 4, "pos:\t0\n");  // leads elsewhere by now
  DrmClients clients(root, std::make_shared<DrmHolders>(root), "0000:03:00.0", {"renderD128"});
  EXPECT_THAT(clients.read(mono(0s)).processes, IsEmpty());
}

TEST_F(HolderTree, NeverTellsMoreThanAllOfTheEngines) {
  DrmClients clients(root, std::make_shared<DrmHolders>(root), "0000:03:00.0", {"renderD128"});
  const auto tell_all = [&](std::uint64_t busy) {
    for (const pid_t pid : {30, 31}) {
      tell(pid, 4,
           fmt::format("drm-driver:\ti915\ndrm-client-id:\t{}\ndrm-engine-render:\t{} ns\n", pid,
                       busy));
    }
  };
  open(30, 4, "/dev/dri/renderD128");
  open(31, 4, "/dev/dri/renderD128");
  tell_all(0);
  EXPECT_FALSE(clients.read(mono(0s)).engines);
  tell_all(800'000'000);
  const auto reading = clients.read(mono(1s));
  ASSERT_TRUE(reading.engines);
  EXPECT_THAT(reading.engines->at("render"), DoubleEq(100.0));  // 80 % each
  EXPECT_THAT(reading.processes[0].engines.at("render"), DoubleEq(80.0));
}

EngineUse nanoseconds(std::uint64_t busy) {
  EngineUse use;
  use.busy_ns = busy;
  return use;
}

EngineUse cycles(std::uint64_t busy, std::uint64_t total) {
  EngineUse use;
  use.busy_cycles = busy;
  use.total_cycles = total;
  return use;
}

TEST(EnginePercent, IsTheShareOfTheTimeOrOfTheCycles) {
  EXPECT_THAT(engine_percent(nanoseconds(0), nanoseconds(500'000'000), 1s), Optional(50.0));
  EXPECT_THAT(engine_percent(cycles(10, 100), cycles(30, 200), 0s), Optional(20.0));
  EXPECT_THAT(engine_percent(nanoseconds(0), nanoseconds(9'000'000'000), 1s), Optional(100.0));
  EngineUse two = nanoseconds(500'000'000);
  two.capacity = 2;
  EXPECT_THAT(engine_percent(nanoseconds(0), two, 1s), Optional(25.0));
}

TEST(EnginePercent, IsZeroForACounterThatStepsBack) {
  EXPECT_THAT(engine_percent(nanoseconds(9), nanoseconds(5), 1s), Optional(0.0));
  EXPECT_THAT(engine_percent(cycles(9, 100), cycles(5, 200), 1s), Optional(0.0));
}

TEST(EnginePercent, IsUnknownWithoutTimeOrCounters) {
  EXPECT_FALSE(engine_percent(nanoseconds(0), nanoseconds(5), 0s));
  EXPECT_FALSE(engine_percent(cycles(0, 100), cycles(5, 100), 1s));
  EXPECT_FALSE(engine_percent(cycles(0, 100), cycles(5, 50), 1s));
  EXPECT_FALSE(engine_percent(nanoseconds(0), cycles(5, 100), 1s));
  EXPECT_FALSE(engine_percent({}, {}, 1s));
}

}  // namespace
}  // namespace levee::gpus
