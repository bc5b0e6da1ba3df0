// What stands by the processes that hold memory: they are started, followed, replaced and ended.
#include "engine/balloon_post.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/balloon_keeper.hpp"
#include "engine/ledger_sample.hpp"
#include "sources/cgroup.hpp"
#include "sources/processes.hpp"
#include "support/patience.hpp"
#include "support/simulated_machine.hpp"

namespace levee::test {
namespace {

using namespace std::chrono_literals;
using api::Holding;
using api::HoldingState;
using engine::BalloonKeeper;
using engine::BalloonOrder;
using engine::BalloonPost;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kFirst = "GPU-aaaa0000-0000-0000-0000-000000000001";
constexpr const char* kSecond = "GPU-aaaa0000-0000-0000-0000-000000000002";

/// 10 GiB to give on each of two GPUs.
class Post : public testing::Test {
 protected:
  Post() : environment_(machine.environment()) {
    settings.holder = {LEVEE_GPU_HOLDER};
    settings.growth = kPatience;
    settings.pause = 5ms;
    settings.most_pause = 20ms;
  }

  static BalloonOrder order(Bytes bytes, std::vector<std::string> gpus = {kFirst}) {
    BalloonOrder made;
    made.lease.id = "b";
    made.lease.ticket = 1;
    made.lease.demand.kind = ledger::LeaseKind::balloon;
    for (std::string& gpu : gpus) {
      made.lease.shares.push_back({std::move(gpu), bytes});
    }
    return made;
  }

  /// One that gives way to this process.
  static BalloonOrder following_order(Bytes bytes) {
    const sources::Root root;
    BalloonOrder made = order(bytes);
    const auto self = engine::find_process(root, sources::read_boot_id(root), ::getpid());
    made.lease.demand.step = gib(1);
    made.account = {"b", self->id, ::getuid()};
    return made;
  }

  [[nodiscard]] std::unique_ptr<BalloonPost> start(const BalloonOrder& order) const {
    return std::make_unique<BalloonPost>(settings, order, order.lease.shares.front());
  }

  static Holding await(const BalloonPost& post, const std::function<bool(const Holding&)>& is_so) {
    EXPECT_TRUE(eventually([&] { return is_so(post.holding()); })) << post.holding().trouble;
    return post.holding();
  }
  static Holding await(const BalloonPost& post, HoldingState state) {
    return await(post, [state](const Holding& now) { return now.state == state; });
  }

  [[nodiscard]] static Result<Bytes> pass_on(BalloonPost& post, const Amount& amount) {
    std::promise<Result<Bytes>> answered;
    post.pass_on(amount, [&](Result<Bytes> answer) { answered.set_value(std::move(answer)); });
    return answered.get_future().get();
  }

  [[nodiscard]] Bytes used(std::int32_t gpu = 0) { return Bytes{machine.account(gpu).used}; }

  SimulatedMachine machine{"gpu 0 uuid=" + std::string(kFirst) +
                           " mem=11GiB reserved=1GiB ctx=512MiB\ngpu 1 uuid=" + kSecond +
                           " mem=11GiB reserved=1GiB ctx=512MiB"};
  BalloonPost::Settings settings;

 private:
  ScopedEnvironment environment_;
};

TEST_F(Post, HoldsWhatIsPromisedUntilItEnds) {
  auto post = start(order(gib(2)));
  const Holding held = await(*post, HoldingState::held);
  EXPECT_EQ(held.lease, "b");
  EXPECT_EQ(held.promised, gib(2));
  EXPECT_EQ(held.held, used());
  EXPECT_GE(held.held, gib(2));
  EXPECT_TRUE(held.trouble.empty()) << held.trouble;
  post.reset();
  EXPECT_EQ(used(), Bytes{});
}

TEST_F(Post, FollowsThePromiseUpAndDown) {
  const auto post = start(order(gib(1)));
  await(*post, HoldingState::held);
  for (const Bytes size : {gib(4), gib(2), Bytes{}}) {
    post->promise(size);
    await(*post, HoldingState::held);
    EXPECT_TRUE(eventually([&] { return size == Bytes{} ? used() == size : used() >= size; }));
    EXPECT_LE(used(), size + mib(512));
  }
}

TEST_F(Post, ReplacesAHolderThatDies) {
  const auto post = start(order(gib(2)));
  const pid_t first = await(*post, HoldingState::held).pid.value_or(0);
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  const Holding again = await(*post, [first](const Holding& now) {
    return now.state == HoldingState::held && now.pid != first;
  });
  EXPECT_EQ(again.held, used());
}

TEST_F(Post, SaysWhatIsMissingAndTriesAgain) {
  const auto neighbour = start(order(gib(8)));
  await(*neighbour, HoldingState::held);
  const auto post = start(order(gib(4)));
  const Holding failed = await(*post, HoldingState::failed);
  EXPECT_THAT(failed.trouble, HasSubstr("out of memory"));
  neighbour->promise(gib(1));
  await(*post, HoldingState::held);
}

TEST_F(Post, PassesOnAShareOfItsPromiseAndNoMoreThanThat) {
  const auto post = start(order(gib(4)));
  await(*post, HoldingState::held);
  EXPECT_EQ(pass_on(*post, *Amount::parse("25%")), gib(1));
  EXPECT_LE(used(), gib(3) + mib(512));
  EXPECT_EQ(post->holding().passed_on, gib(1));
  EXPECT_EQ(pass_on(*post, Amount::of(gib(9))), gib(3));
  await(*post, [](const Holding& now) { return now.held == Bytes{}; });
  EXPECT_EQ(used(), Bytes{}) << "its context neither";
}

TEST_F(Post, WhoWaitsForTheOwnersShareHearsOfItsEnd) {
  machine.fault("driver slow cuInit 200ms");
  auto post = start(order(gib(4)));
  std::promise<Result<Bytes>> answered;
  post->pass_on(Amount::of(gib(1)),
                [&](Result<Bytes> answer) { answered.set_value(std::move(answer)); });
  post.reset();
  const auto answer = answered.get_future().get();
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error().message, HasSubstr("over"));
}

TEST_F(Post, TellsWhatItsOwnerUsedBeforeOnce) {
  std::promise<ledger::DeviceShare> told;
  settings.began = [&](const std::string& lease, const ledger::DeviceShare& used_before) {
    EXPECT_EQ(lease, "b");
    told.set_value(used_before);  // throws the second time
  };
  const auto post = start(following_order(gib(4)));
  EXPECT_EQ(told.get_future().get(), (ledger::DeviceShare{kFirst, Bytes{}}));
  const Holding held = await(*post, HoldingState::held);
  EXPECT_EQ(held.passed_on, gib(1)) << "the step";
  EXPECT_EQ(pass_on(*post, Amount::of(gib(2))), gib(2));
  EXPECT_EQ(post->holding().passed_on, gib(2));
}

TEST_F(Post, ReplacesAFollowerThatHangsInTheDriver) {
  settings.check = 20ms;
  settings.answer = 200ms;
  const auto post = start(following_order(gib(4)));
  const pid_t first = await(*post, HoldingState::held).pid.value_or(0);
  machine.fault("gpu 0 hang nvmlDeviceGetComputeRunningProcesses_v3");
  const Holding failed = await(*post, HoldingState::failed);
  EXPECT_THAT(failed.trouble, HasSubstr("does not answer"));
  machine.fault("gpu 0 clear");
  const Holding again = await(*post, [](const Holding& now) {
    return now.state == HoldingState::held && now.passed_on == gib(1);
  });
  EXPECT_NE(again.pid, first);
}

TEST_F(Post, KeeperHoldsOnEveryGpuAndLetsGoWhatIsOver) {
  BalloonKeeper keeper(settings);
  keeper.keep({order(gib(2), {kFirst, kSecond})});
  const auto all_held = [&] {
    const auto holdings = keeper.holdings();
    return holdings.size() == 2 && std::ranges::all_of(holdings, [](const Holding& each) {
             return each.state == HoldingState::held;
           });
  };
  ASSERT_TRUE(eventually(all_held));
  EXPECT_GE(used(0), gib(2));
  EXPECT_GE(used(1), gib(2));
  keeper.keep({});
  EXPECT_THAT(keeper.holdings(), IsEmpty());
  EXPECT_TRUE(eventually([&] { return used(0) == Bytes{} && used(1) == Bytes{}; }));
}

TEST_F(Post, KeeperTakesAnotherLeaseOfTheSameNameForAnother) {
  BalloonKeeper keeper(settings);
  BalloonOrder one = order(gib(2));
  keeper.keep({one});
  const auto held_by = [&]() -> std::optional<pid_t> {
    const auto holdings = keeper.holdings();
    return holdings.size() == 1 && holdings[0].state == HoldingState::held ? holdings[0].pid
                                                                           : std::nullopt;
  };
  ASSERT_TRUE(eventually([&] { return held_by().has_value(); }));
  const auto first = held_by();
  keeper.keep({one});
  EXPECT_EQ(held_by(), first);
  one.lease.ticket = 2;
  keeper.keep({one});
  ASSERT_TRUE(eventually([&] { return held_by().has_value(); }));
  EXPECT_NE(held_by(), first);
}

TEST_F(Post, KeeperPassesOnOnEveryGpuAndAnswersOnce) {
  BalloonKeeper keeper(settings);
  BalloonOrder both = order(gib(2), {kFirst, kSecond});
  both.lease.shares[1].bytes = gib(4);
  keeper.keep({both});
  std::promise<Result<Bytes>> answered;
  const auto answer = [&](Result<Bytes> got) { answered.set_value(std::move(got)); };
  keeper.port().pass_on("b", *Amount::parse("50%"), answer);
  EXPECT_EQ(answered.get_future().get(), gib(1)) << "the least of the two";
  ASSERT_TRUE(eventually([&] { return keeper.holdings()[1].passed_on == gib(2); }));
  bool is_unknown = false;
  keeper.port().pass_on("c", Amount::of(gib(1)), [&](const Result<Bytes>& got) {
    is_unknown = !got && got.error().code == ErrorCode::not_found;
  });
  EXPECT_TRUE(is_unknown);
}

TEST_F(Post, KeeperThatIsStoppedHoldsNothingMore) {
  BalloonKeeper keeper(settings);
  keeper.keep({order(gib(2))});
  keeper.stop();
  keeper.stop();
  EXPECT_EQ(used(), Bytes{});
  keeper.keep({order(gib(2))});
  EXPECT_THAT(keeper.holdings(), IsEmpty());
}

}  // namespace
}  // namespace levee::test
