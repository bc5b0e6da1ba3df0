#include "policy/baton.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>

namespace levee {
namespace {

constexpr Baton kTwelve{.promised = gib(12), .step = gib(1)};

BatonSample sample(Bytes balloon, Bytes now, std::optional<Bytes> before = std::nullopt) {
  return {.balloon = balloon,
          .has_begun = true,
          .owner_now = now,
          .owner_before = before,
          .asked = {},
          .free = std::nullopt};
}

void expect(const BatonSample& from, BatonMove move, Bytes balloon) {
  const BatonStep step = pass_baton(kTwelve, from);
  EXPECT_EQ(step.move, move);
  EXPECT_EQ(step.balloon, balloon);
}

TEST(Baton, HoldsAllUntilTheOwnerHasBegun) {
  BatonSample waiting = sample(gib(12), Bytes{});
  waiting.has_begun = false;
  expect(waiting, BatonMove::hold, gib(12));
  waiting.balloon = gib(3);
  expect(waiting, BatonMove::take_back, gib(12));
  waiting.balloon = gib(13);
  expect(waiting, BatonMove::yield, gib(12));
}

TEST(Baton, LeavesOneStepFreeAheadOfTheOwner) {
  expect(sample(gib(12), Bytes{}), BatonMove::yield, gib(11));
  expect(sample(gib(11), Bytes{}), BatonMove::hold, gib(11));
}

TEST(Baton, FollowsTheOwnersGrowth) {
  expect(sample(gib(11), gib(1), Bytes{}), BatonMove::yield, gib(10));
  expect(sample(gib(11), mib(300), Bytes{}), BatonMove::yield, gib(11) - mib(300));
  expect(sample(gib(11), gib(5), gib(1)), BatonMove::yield, gib(6));
}

TEST(Baton, IsPassedWhenTheOwnerHasWhatWasPromised) {
  expect(sample(gib(1), gib(11), gib(10)), BatonMove::yield, Bytes{});
  expect(sample(Bytes{}, gib(11), gib(11)), BatonMove::hold, Bytes{});
  expect(sample(Bytes{}, gib(12), gib(11)), BatonMove::passed, Bytes{});
  expect(sample(gib(2), gib(15), gib(11)), BatonMove::passed, Bytes{});
}

TEST(Baton, TakesBackOnlyWhatTheOwnerLeavesTwice) {
  expect(sample(gib(3), gib(2), gib(8)), BatonMove::hold, gib(3));
  expect(sample(gib(3), gib(2), gib(2)), BatonMove::take_back, gib(9));
  expect(sample(gib(3), gib(2), gib(5)), BatonMove::take_back, gib(6));
  expect(sample(gib(3), gib(2), std::nullopt), BatonMove::hold, gib(3));
}

TEST(Baton, HoldsStillWhileTheOwnersUseIsUnknown) {
  BatonSample unknown = sample(gib(7), Bytes{}, gib(4));
  unknown.owner_now.reset();
  expect(unknown, BatonMove::hold, gib(7));
}

TEST(Baton, GivesWayByAsMuchAsTheOwnerAsksFor) {
  BatonSample asking = sample(gib(10), gib(1), gib(1));
  asking.asked = gib(5);
  expect(asking, BatonMove::yield, gib(6));
  asking.asked = gib(100);
  expect(asking, BatonMove::yield, Bytes{});
  asking.asked = mib(1);
  expect(asking, BatonMove::hold, gib(10));
}

TEST(Baton, MakesGoodWhatIsLostTwiceUpToItsSpare) {
  const Baton generous{.promised = gib(12), .step = gib(1), .spare = gib(2)};
  BatonSample robbed = sample(gib(10), gib(1), gib(1));
  robbed.free = Bytes{};
  EXPECT_EQ(pass_baton(generous, robbed), (BatonStep{BatonMove::hold, gib(10), gib(1)}))
      << "once may be an error of measurement";
  robbed.lost_before = gib(1);
  EXPECT_EQ(pass_baton(generous, robbed), (BatonStep{BatonMove::yield, gib(9), gib(1)}));
  robbed.balloon = gib(7);
  robbed.lost_before = gib(4);
  EXPECT_EQ(pass_baton(generous, robbed), (BatonStep{BatonMove::take_back, gib(8), gib(4)}))
      << "no more than the spare";
}

TEST(Baton, TakesBackWhatANeighbourReturns) {
  const Baton generous{.promised = gib(12), .step = gib(1), .spare = gib(2)};
  BatonSample returned = sample(gib(9), gib(1), gib(1));
  returned.free = gib(2);
  returned.lost_before = gib(1);
  EXPECT_EQ(pass_baton(generous, returned), (BatonStep{BatonMove::take_back, gib(10), Bytes{}}));
}

TEST(Baton, TellsWhatANeighbourTookAndWithoutASpareDoesNotMakeItGood) {
  BatonSample robbed = sample(gib(10), gib(1), gib(1));
  robbed.free = mib(200);
  EXPECT_EQ(pass_baton(kTwelve, robbed), (BatonStep{BatonMove::hold, gib(10), mib(824)}));
  robbed.free = gib(40);
  EXPECT_EQ(pass_baton(kTwelve, robbed).lost, Bytes{});
  robbed.free.reset();
  EXPECT_EQ(pass_baton(kTwelve, robbed).lost, Bytes{}) << "unknown is not lost";
}

TEST(Baton, AStepLargerThanThePromiseHoldsNothing) {
  const Baton small{.promised = mib(500), .step = gib(1)};
  EXPECT_EQ(pass_baton(small, sample(mib(500), Bytes{})),
            (BatonStep{BatonMove::yield, Bytes{}, Bytes{}}));
}

/// An owner that grows by at most a step between samples, now and then frees, and a GPU that is
/// full but for its place.
TEST(Baton, OnAFullGpuTheOwnerAlwaysFindsRoomAndNobodyMoreThanAStep) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    const Baton baton{.promised = mib(4000 + random() % 20000), .step = mib(100 + random() % 2000)};
    Bytes balloon = baton.promised;
    Bytes use;
    std::optional<Bytes> before;
    for (int tick = 0; tick < 300; ++tick) {
      BatonSample now = sample(balloon, use, before);
      now.free = baton.promised - use - balloon;
      const BatonStep step = pass_baton(baton, now);
      ASSERT_EQ(step.lost, Bytes{});
      ASSERT_LE(use + step.balloon, baton.promised) << "more than there is";
      balloon = step.balloon;
      const Bytes open = baton.promised - use - balloon;
      if (!before || use >= *before) {
        ASSERT_LE(open, baton.step) << "a neighbour finds more than one step";
      }
      before = use;
      const Bytes growth{random() % (baton.step.count + 1)};
      ASSERT_GE(open, std::min(growth, baton.promised - use)) << "the owner's allocation fails";
      if (random() % 6 == 0) {
        use -= Bytes{random() % (use.count + 1)};
      } else {
        use += std::min(growth, baton.promised - use);
      }
    }
  }
}

}  // namespace
}  // namespace levee
