// A holder that gives way to its owner, who is this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "balloon/holder.hpp"
#include "sources/process_files.hpp"
#include "sources/process_walk.hpp"
#include "sources/processes.hpp"
#include "support/patience.hpp"
#include "unit/balloon/simulated_driver.hpp"

namespace levee::test {
namespace {

using namespace std::chrono_literals;
using balloon::BatonState;
using balloon::Following;
using balloon::Holder;
using testing::HasSubstr;

constexpr std::string_view kUuid = "GPU-aaaa0000-0000-0000-0000-000000000001";

ProcessId id_of(pid_t pid) {
  const sources::Root root;
  const auto proc = sources::open_proc(root);
  const auto stat = sources::read_pid_stat(proc.get(), pid);
  return {sources::read_boot_id(root), pid, stat ? stat->start_ticks : 0};
}

/// 32 GiB to give, of which 12 are held.
class Follow : public testing::Test {
 protected:
  Follow()
      : sim("gpu 0 uuid=" + std::string(kUuid) + " mem=33GiB reserved=1GiB ctx=512MiB"),
        holder(start()) {}

  static Holder start() {
    Holder::Settings settings;
    settings.argv = {LEVEE_GPU_HOLDER};
    auto started = Holder::start(std::string(kUuid), settings);
    if (!started || !started->resize(gib(12), kPatience)) {
      throw std::runtime_error("no holder");
    }
    return std::move(*started);
  }

  static Following following(pid_t owner = ::getpid()) {
    Following how;
    how.account = {"job-" + std::to_string(::getpid()), id_of(owner), ::getuid()};
    how.baton = {.promised = gib(12), .step = gib(1), .spare = {}};
    return how;
  }

  /// Waits until the holder tells of this.
  const BatonState& await(const std::function<bool(const BatonState&)>& condition) {
    EXPECT_TRUE(eventually([&] { return holder.is_running() && condition(holder.baton()); }));
    return holder.baton();
  }
  void await_held(Bytes bytes) {
    await([&](const BatonState&) { return holder.held().requested == bytes; });
    EXPECT_EQ(holder.held().requested, bytes);
  }

  SimulatedDriver sim;
  Holder holder;
};

TEST_F(Follow, GivesWayByAStepAndAsItsOwnerGrowsUntilAllIsPassed) {
  ASSERT_TRUE(holder.follow(following(), kPatience));
  EXPECT_TRUE(holder.baton().has_begun);
  EXPECT_EQ(holder.held().requested, gib(11)) << "at once";
  Balloon owner = sim.balloon({.mb = 512});
  ASSERT_TRUE(owner.inflate());
  await_held(gib(11) - mib(512));
  ASSERT_TRUE(owner.allocate_to_target("5GB"));
  await_held(gib(6));
  EXPECT_EQ(holder.baton().use, gib(5));
  EXPECT_EQ(holder.baton().passed_on, gib(6));
  EXPECT_EQ(holder.baton().lost, Bytes{});
  ASSERT_TRUE(owner.allocate_to_target("12GB"));
  await([](const BatonState& baton) { return baton.is_done; });
  EXPECT_EQ(holder.held().held, Bytes{});
  EXPECT_EQ(sim.used(), gib(12));
}

TEST_F(Follow, WhatItsOwnerUsedBeforeIsNoPartOfThePromise) {
  Balloon before = sim.balloon({.mb = "2GB"});
  ASSERT_TRUE(before.inflate());
  ASSERT_TRUE(holder.follow(following(), kPatience));
  EXPECT_EQ(holder.baton().baseline, gib(2));
  EXPECT_EQ(holder.held().requested, gib(11));
  ASSERT_TRUE(before.allocate_additional("1GB"));
  await_held(gib(10));
  EXPECT_EQ(holder.baton().use, gib(1));
}

TEST_F(Follow, AHolderAfterAnotherGoesOnWhereThatWas) {
  Balloon owner = sim.balloon({.mb = "4GB"});
  ASSERT_TRUE(owner.inflate());
  ASSERT_TRUE(holder.resize(Bytes{}, kPatience));
  Following how = following();
  how.baseline = Bytes{};
  ASSERT_TRUE(holder.follow(how, kPatience));
  await_held(gib(7));
}

TEST_F(Follow, HoldsAllWhileNobodyOfTheAccountIsThere) {
  Following nobody = following();
  nobody.account.owner.pid = 0;
  ASSERT_TRUE(holder.follow(nobody, kPatience));
  EXPECT_FALSE(holder.baton().has_begun);
  EXPECT_EQ(holder.held().requested, gib(12));
  Balloon stranger = sim.balloon({.mb = "1GB"});
  ASSERT_TRUE(stranger.inflate());
  ASSERT_TRUE(holder.status(kPatience));
  EXPECT_EQ(holder.held().requested, gib(12));
  EXPECT_EQ(holder.yield_to_owner(gib(2), kPatience), gib(2)) << "who asks has begun";
  EXPECT_EQ(holder.held().requested, gib(10));
}

TEST_F(Follow, OpensWhatItsOwnerAsksForUntilThatIsTaken) {
  ASSERT_TRUE(holder.follow(following(), kPatience));
  EXPECT_EQ(holder.yield_to_owner(gib(5), kPatience), gib(5));
  EXPECT_EQ(holder.held().requested, gib(7));
  EXPECT_EQ(sim.free(), gib(25));
  Balloon owner = sim.balloon({.mb = "5GB"});
  ASSERT_TRUE(owner.inflate());
  await([](const BatonState& baton) { return baton.use == gib(5); });
  await_held(gib(6));
  EXPECT_EQ(holder.yield_to_owner(gib(50), kPatience), gib(7)) << "all there is";
  EXPECT_EQ(holder.held().requested, Bytes{});
}

TEST_F(Follow, TellsWhatNeighboursTakeAndMakesGoodNoMoreThanItsSpare) {
  Following how = following();
  how.baton.spare = gib(1);
  sim.machine.set("gpu 0 foreign pid=42 mem=20GiB");  // The rest of the GPU.
  ASSERT_TRUE(holder.follow(how, kPatience));
  EXPECT_EQ(holder.baton().lost, Bytes{});
  sim.machine.set("gpu 0 foreign pid=43 mem=600MiB");
  await([](const BatonState& baton) { return baton.lost == mib(600); });
  await_held(gib(11) - mib(600));
  sim.machine.set("gpu 0 foreign pid=43 mem=1624MiB");
  await([](const BatonState& baton) { return baton.lost == mib(1624); });
  await_held(gib(10));
  sim.machine.set("gpu 0 foreign pid=43 gone");
  await([](const BatonState& baton) { return baton.lost == Bytes{}; });
  await_held(gib(11));
}

TEST_F(Follow, TakesBackWhatItsOwnerLeaves) {
  Balloon owner = sim.balloon({.mb = "5GB"});
  ASSERT_TRUE(owner.inflate());
  Following how = following();
  how.baseline = Bytes{};
  ASSERT_TRUE(holder.follow(how, kPatience));
  await_held(gib(6));
  ASSERT_TRUE(owner.allocate_to_target("1GB"));
  await([](const BatonState& baton) { return baton.use == gib(1); });
  EXPECT_EQ(holder.held().requested, gib(6)) << "not at once: it may want it again";
  await_held(gib(10));
}

TEST_F(Follow, HoldsStillWhereTheDriverDoesNotTellProcessesApart) {
  Balloon owner = sim.balloon({.mb = "1GB"});
  ASSERT_TRUE(owner.inflate());
  sim.machine.set("gpu 0 process-memory unknown");
  ASSERT_TRUE(holder.follow(following(), kPatience));
  EXPECT_EQ(holder.held().requested, gib(12));
  EXPECT_THAT(holder.baton().trouble, HasSubstr("does not tell how much each process uses"));
  sim.machine.set("gpu 0 process-memory known");
  await([](const BatonState& baton) { return baton.trouble.empty(); });
  await_held(gib(11));
}

TEST_F(Follow, AnotherPromiseMovesIt) {
  ASSERT_TRUE(holder.follow(following(), kPatience));
  ASSERT_TRUE(holder.resize(gib(8), kPatience));
  await_held(gib(7));
  ASSERT_TRUE(holder.resize(gib(10), kPatience));
  await_held(gib(9));
}

TEST_F(Follow, NobodyIsYieldedToBeforeItFollows) {
  const auto asked = holder.yield_to_owner(gib(1), kPatience);
  ASSERT_FALSE(asked.has_value());
  EXPECT_THAT(asked.error().message, HasSubstr("follows nobody"));
}

TEST_F(Follow, ALostGpuIsTroubleAndNothingMoves) {
  ASSERT_TRUE(holder.follow(following(), kPatience));
  sim.machine.fault("gpu 0 lost");
  await([](const BatonState& baton) { return !baton.trouble.empty(); });
  EXPECT_EQ(holder.held().requested, gib(11));
}

TEST_F(Follow, ChildrenOfTheOwnerAreTheOwner) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execlp(LEVEE_SIMGPU "/simhog", "simhog", "--mem", "2GiB", nullptr);
    ::_exit(1);
  }
  Following how = following();
  how.baseline = Bytes{};
  ASSERT_TRUE(holder.follow(how, kPatience));
  await([](const BatonState& baton) { return baton.use > mib(2048); });
  await_held(gib(11) - gib(2) - mib(512));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  await([](const BatonState& baton) { return baton.use == Bytes{}; });
}

}  // namespace
}  // namespace levee::test
