// Many processes on one machine: races for the last bytes, and deaths at any moment.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "abi/cuda.hpp"
#include "abi/nvml.hpp"
#include "levee/bytes.hpp"
#include "simgpu/machine/memory.hpp"
#include "simgpu/machine/processes.hpp"
#include "support/child.hpp"
#include "support/patience.hpp"
#include "support/simulated_machine.hpp"

namespace levee::test {
namespace {

using namespace std::chrono_literals;
using Answer = cuda::Result;

constexpr std::uint64_t kBlock = 2 * kMiB;

/// libcuda, loaded here and used in forked children, each of which initialises it for itself.
class SharedCuda {
 public:
  explicit SharedCuda(const std::string& scenario)
      : machine(scenario),
        environment_(machine.environment()),
        library_(machine.libraries() / "libcuda.so.1"),
        init_(library_.get<cuda::fn::Init>("cuInit")),
        create_(library_.get<cuda::fn::MemCreate>("cuMemCreate")),
        release_(library_.get<cuda::fn::MemRelease>("cuMemRelease")),
        retain_(library_.get<cuda::fn::DevicePrimaryCtxRetain>("cuDevicePrimaryCtxRetain")) {}

  [[nodiscard]] bool init() const { return init_(0) == Answer::success; }

  Answer create(std::uint64_t bytes, cuda::AllocationHandle& handle) const {
    cuda::AllocationProp prop{};
    prop.type = cuda::AllocationType::pinned;
    prop.location = {cuda::LocationType::device, 0};
    return create_(&handle, bytes, &prop, 0);
  }

  void release(cuda::AllocationHandle handle) const { static_cast<void>(release_(handle)); }

  void enter() const {
    cuda::Context context = nullptr;
    static_cast<void>(retain_(&context, 0));
  }

  SimulatedMachine machine;

 private:
  ScopedEnvironment environment_;
  DriverLibrary library_;
  cuda::fn::Init& init_;
  cuda::fn::MemCreate& create_;
  cuda::fn::MemRelease& release_;
  cuda::fn::DevicePrimaryCtxRetain& retain_;
};

/// Takes blocks until there are none, and says how many bytes it got.
std::string take_all(const SharedCuda& cuda, std::uint64_t piece) {
  std::uint64_t held = 0;
  cuda::AllocationHandle handle = 0;
  if (!cuda.init()) {
    return "no driver";
  }
  while (cuda.create(piece, handle) == Answer::success) {
    held += piece;
  }
  return std::to_string(held);
}

TEST(SimulatedProcesses, ARaceForTheLastBytesNeverExceedsTheCapacity) {
  SharedCuda cuda("gpu 0 mem=1025MiB reserved=1MiB");
  std::vector<std::unique_ptr<Child>> racers(8);
  for (auto& racer : racers) {
    racer = std::make_unique<Child>([&] { return take_all(cuda, 3 * kBlock); });
  }
  std::uint64_t sum = 0;
  for (const auto& racer : racers) {
    sum += std::stoull(racer->said());
  }
  const simgpu::Account account = cuda.machine.account(0);
  EXPECT_EQ(account.used, sum);
  EXPECT_LT(account.free, 3 * kBlock) << "nothing that fits is refused";
  EXPECT_EQ(account.total, account.reserved + account.used + account.free);
}

TEST(SimulatedProcesses, RacingProgramsGetExactlyWhatThereIs) {
  SimulatedMachine machine("gpu 0 mem=11GiB reserved=1GiB ctx=256MiB");
  const ScopedEnvironment environment(machine.environment());
  // Each wants 1 GiB and a context: eight of the twelve can have it.
  const std::string command = std::string(LEVEE_SIMGPU) +
                              "/simhog --mem 1GiB --step 64MiB --race 12 --hold 0.5 > " +
                              (machine.path().parent_path() / "said").string();
  std::atomic<bool> is_over = false;
  std::uint64_t most = 0;
  {
    const std::jthread watch([&] {
      while (!is_over) {
        most = std::max(most, machine.account(0).used);
      }
    });
    EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 3) << "some found too little";
    is_over = true;
  }
  EXPECT_LE(most, 10 * kGiB);
  EXPECT_GT(most, 8 * kGiB);
  EXPECT_EQ(machine.account(0).used, 0U) << "all of them are gone";
}

TEST(SimulatedProcesses, EachDeathReturnsExactlyItsBytes) {
  SharedCuda cuda("gpu 0 mem=81GiB reserved=1GiB ctx=512MiB");
  const auto hold = [&](std::uint64_t blocks) {
    return std::make_unique<Child>([&cuda, blocks] {
      cuda::AllocationHandle handle = 0;
      const bool is_held = cuda.init() && cuda.create(blocks * kBlock, handle) == Answer::success;
      cuda.enter();
      return std::string(is_held ? "held" : "not held");
    });
  };
  const auto first = hold(5);
  const auto second = hold(7);
  const std::uint64_t each = 512 * kMiB;
  EXPECT_EQ(cuda.machine.account(0).used, 12 * kBlock + 2 * each);
  first->end();
  EXPECT_EQ(cuda.machine.account(0).used, 7 * kBlock + each);
  second->end();
  EXPECT_EQ(cuda.machine.account(0).used, 0U);
}

TEST(SimulatedProcesses, AZombieHoldsNothing) {
  SharedCuda cuda("gpu 0");
  const pid_t child = ::fork();
  if (child == 0) {
    cuda::AllocationHandle handle = 0;
    static_cast<void>(cuda.init() && cuda.create(kBlock, handle) == Answer::success);
    ::kill(::getpid(), SIGKILL);
  }
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_TRUE(cuda.machine.dump()["gpus"][0]["processes"].empty());
  ::waitpid(child, nullptr, 0);
}

TEST(SimulatedProcesses, APidThatIsUsedAgainIsNotMistaken) {
  SharedCuda cuda("gpu 0");
  const Child child([&] { return take_all(cuda, 1024 * kBlock); });
  ASSERT_GT(cuda.machine.account(0).used, 0U);
  {
    simgpu::Session session(cuda.machine.segment());
    session.machine().process.at(0).start_ticks -= 1;  // As if an earlier process had taken it.
  }
  EXPECT_TRUE(cuda.machine.dump()["gpus"][0]["processes"].empty());
  EXPECT_EQ(cuda.machine.account(0).used, 0U);
}

TEST(SimulatedProcesses, AProcessOfAnotherPidNamespaceIsLeftAlone) {
  SharedCuda cuda("gpu 0");
  {
    simgpu::Session session(cuda.machine.segment());
    simgpu::Process& process = session.machine().process.at(0);
    process.pid = 4'000'000;
    process.pid_namespace = 1;
    process.holding.at(0).vmm_bytes = kBlock;
    process.holding.at(0).instance = simgpu::kNoInstanceId;
    process.is_used = 1;
    session.machine().processes = 1;
  }
  EXPECT_EQ(cuda.machine.dump()["gpus"][0]["processes"].size(), 1U);
}

TEST(SimulatedProcesses, TheSlotsOfTheDeadAreUsedAgain) {
  SharedCuda cuda("gpu 0");
  for (std::size_t i = 0; i < simgpu::kMaxProcesses + 20; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      cuda::AllocationHandle handle = 0;
      const bool is_held = cuda.init() && cuda.create(kBlock, handle) == Answer::success;
      ::kill(::getpid(), is_held ? SIGKILL : SIGTERM);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(WTERMSIG(status), SIGKILL) << "no slot for child " << i;
  }
  EXPECT_EQ(cuda.machine.account(0).used, 0U);
}

/// A child that takes and gives memory as fast as it can until it is killed.
pid_t start_churning(const SharedCuda& cuda, unsigned seed) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::minstd_rand random(seed);
    cuda::AllocationHandle handle = 0;
    if (!cuda.init()) {
      ::_exit(1);
    }
    // What it holds goes up and down, and back to nothing when the machine is full: it must never
    // come to a standstill.
    std::vector<cuda::AllocationHandle> held;
    for (;;) {
      if (cuda.create((1 + random() % 64) * kBlock, handle) == Answer::success) {
        held.push_back(handle);
      } else {
        std::ranges::for_each(held, [&](cuda::AllocationHandle each) { cuda.release(each); });
        held.clear();
      }
      if (!held.empty() && random() % 2 == 0) {
        cuda.release(held.back());
        held.pop_back();
      }
    }
  }
  return child;
}

/// Kills at random moments, then sees that only the survivor's memory is counted.
class Slaughter {
 public:
  static constexpr std::uint64_t kSurvivorsBytes = 10 * kBlock;

  Slaughter()
      : survivor_([this] {
          cuda::AllocationHandle handle = 0;
          const bool is_held =
              cuda_.init() && cuda_.create(kSurvivorsBytes, handle) == Answer::success;
          return std::string(is_held ? "held" : "not held");
        }) {}

  /// Kills `count` children that run at the same time.
  void kill_at_random(int count) {
    const std::vector<pid_t> children = start(count);
    for (const pid_t child : children) {
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % 600));
      ::kill(child, SIGKILL);
    }
    reap(children);
  }

  /// Lets one of two children after the other die with the lock in its hands, `count` in all.
  void die_inside_the_lock(int count) {
    for (int i = 0; i < count; i += 2) {
      const std::vector<pid_t> children = start(2);
      for (int died = 0; died < 2; ++died) {
        cuda_.machine.fault("driver die-inside-lock " + std::to_string(1 + random_() % 20));
        int status = 0;
        const pid_t dead = ::waitpid(-::getpgrp(), &status, 0);
        EXPECT_TRUE(dead == children[0] || dead == children[1]);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        ++killed_;
      }
      check();
    }
  }

  [[nodiscard]] int killed() const { return killed_; }

 private:
  std::vector<pid_t> start(int count) {
    std::vector<pid_t> children;
    for (int i = 0; i < count; ++i) {
      children.push_back(start_churning(cuda_, static_cast<unsigned>(random_())));
    }
    return children;
  }

  void reap(const std::vector<pid_t>& children) {
    for (const pid_t child : children) {
      int status = 0;
      ::waitpid(child, &status, 0);
      EXPECT_TRUE(WIFSIGNALED(status));
      ++killed_;
    }
    check();
  }

  void check() {
    const simgpu::Account account = cuda_.machine.account(0);
    ASSERT_EQ(account.used, kSurvivorsBytes);
    ASSERT_EQ(account.total, account.reserved + account.used + account.free);
  }

  SharedCuda cuda_{"gpu 0 mem=80GiB"};
  Child survivor_;
  std::mt19937 random_{20240607};
  int killed_ = 0;
};

TEST(SimulatedProcesses, AThousandKillsLeaveTheAccountExact) {
  Slaughter slaughter;
  for (int i = 0; i < 100; ++i) {
    slaughter.kill_at_random(8);
  }
  slaughter.die_inside_the_lock(200);
  EXPECT_EQ(slaughter.killed(), 1000);
}

TEST(SimulatedProcesses, ACgroupsLimitBindsWhoIsBelowIt) {
  if (::geteuid() != 0 || !std::filesystem::is_directory("/sys/fs/cgroup")) {
    GTEST_SKIP() << "limits are set by root, and on a machine with cgroups";
  }
  SharedCuda cuda("gpu 0 profile=latest mem=80GiB");
  const DriverLibrary library(cuda.machine.libraries() / "libnvidia-ml.so.1");
  ASSERT_EQ(library.get<nvml::fn::Init>("nvmlInit_v2")(), nvml::Return::success);
  nvml::Device device = nullptr;
  ASSERT_EQ(
      library.get<nvml::fn::DeviceGetHandleByIndex>("nvmlDeviceGetHandleByIndex_v2")(0, &device),
      nvml::Return::success);
  const auto& set = library.get<nvml::fn::DeviceSetMemoryLimits>("nvmlDeviceSetMemoryLimits_v1");
  const auto& get = library.get<nvml::fn::DeviceGetMemoryLimits>("nvmlDeviceGetMemoryLimits_v1");
  nvml::GetMemoryLimits limits{"/sys/fs/cgroup", 0, 0, 0};
  EXPECT_EQ(get(device, &limits), nvml::Return::not_supported) << "nothing limits it yet";
  nvml::SetMemoryLimits wanted{"/sys/fs/cgroup/nobody-made-this", 0, kGiB};
  EXPECT_EQ(set(device, &wanted), nvml::Return::not_found);
  wanted = {"/sys/fs/cgroup", 2 * kGiB, kGiB};
  EXPECT_EQ(set(device, &wanted), nvml::Return::invalid_argument);
  wanted = {"/sys/fs/cgroup", 0, kGiB};
  ASSERT_EQ(set(device, &wanted), nvml::Return::success);
  {
    const Child child([&] { return take_all(cuda, 32 * kBlock); });
    EXPECT_EQ(child.said(), std::to_string(kGiB));
    limits.cgroup = "/sys/fs/cgroup/some/where";
    EXPECT_EQ(get(device, &limits), nvml::Return::success) << "inherited";
    EXPECT_EQ(limits.hard_bytes, kGiB);
    EXPECT_EQ(limits.used_bytes, kGiB);
  }
  wanted = {"/sys/fs/cgroup", 0, nvml::kNoMemoryLimit};
  EXPECT_EQ(set(device, &wanted), nvml::Return::success);
  EXPECT_EQ(get(device, &limits), nvml::Return::not_supported);
}

}  // namespace
}  // namespace levee::test
