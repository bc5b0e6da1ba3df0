// What an owner in the balloon's own process gets of it, whatever its neighbours do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "unit/balloon/simulated_driver.hpp"

namespace levee::test {
namespace {

using testing::HasSubstr;

template <class T>
Error failed(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? Error{} : result.error();
}

TEST(Take, HandsWholeChunksOverWithoutFreeingThem) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 4000});
  ASSERT_TRUE(balloon.inflate());
  const Bytes free = sim.free();
  const auto taken = balloon.take(mib(1000));
  ASSERT_TRUE(taken.has_value()) << taken.error().message;
  EXPECT_EQ(taken->size(), mib(1000));
  EXPECT_NE(taken->address(), 0U);
  EXPECT_EQ(reinterpret_cast<std::uint64_t>(taken->data()), taken->address());
  EXPECT_EQ(sim.free(), free);
  EXPECT_EQ(balloon.allocated(), mib(3000));
  EXPECT_EQ(balloon.status()->num_chunks, 30U);
}

TEST(Take, GivesWhatWasTakenBackWhenItGoes) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  {
    const auto taken = balloon.take(mib(600));
    ASSERT_TRUE(taken.has_value());
    EXPECT_EQ(sim.used(), mib(1000));
  }
  EXPECT_EQ(sim.used(), mib(400));
  EXPECT_EQ(balloon.deflate(), mib(400));
  EXPECT_EQ(sim.used(), Bytes{});
}

TEST(Take, WhatWasTakenOutlivesTheBalloon) {
  SimulatedDriver sim;
  std::optional<TakenMemory> kept;
  {
    Balloon balloon = sim.balloon({.mb = 500});
    ASSERT_TRUE(balloon.inflate());
    auto taken = balloon.take(mib(500));
    ASSERT_TRUE(taken.has_value());
    kept = std::move(*taken);
    EXPECT_EQ(balloon.allocated(), Bytes{});
  }
  EXPECT_EQ(sim.used(), mib(500));
  kept.reset();
  EXPECT_EQ(sim.used(), Bytes{});
}

TEST(Take, GivesExactlyWhatIsAskedForInTheDriversBlocks) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  const auto taken = balloon.take(Bytes{mib(150).count - 1});
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->size(), mib(150));
  EXPECT_EQ(balloon.allocated(), mib(850));
  EXPECT_EQ(balloon.status()->num_chunks, 9U) << "one of them is taken by half";
  EXPECT_EQ(sim.used(), mib(1000));
}

TEST(Take, GivesTheRestOfAChunkToTheNextWithoutAGap) {
  SimulatedDriver sim("gpu 0 mem=2GiB reserved=1GiB");
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  auto first = std::optional(balloon.take(mib(130)));
  auto second = std::optional(balloon.take(mib(30)));
  auto third = std::optional(balloon.take(mib(40)));
  ASSERT_TRUE(first->has_value() && second->has_value() && third->has_value());
  EXPECT_EQ(balloon.allocated(), mib(800));
  EXPECT_EQ(balloon.status()->num_chunks, 8U);
  EXPECT_EQ(sim.used(), mib(1000));
  first.reset();
  EXPECT_EQ(sim.used(), mib(900)) << "the second chunk is in use by the others";
  second.reset();
  EXPECT_EQ(sim.used(), mib(900));
  third.reset();
  EXPECT_EQ(sim.used(), mib(800));
}

TEST(Take, AChunkTakenInPartIsCountedByItsRest) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 200});
  ASSERT_TRUE(balloon.inflate());
  auto taken = std::optional(balloon.take(mib(130)));
  ASSERT_TRUE(taken->has_value());
  EXPECT_EQ(balloon.allocated(), mib(70));
  EXPECT_EQ(balloon.allocate_to_target("50MB"), mib(50));
  EXPECT_EQ(failed(balloon.take(mib(60))).code, ErrorCode::resource_exhausted);
  EXPECT_EQ(balloon.allocate_to_target("150MB"), mib(150));
  EXPECT_EQ(sim.used(), mib(300));
  EXPECT_EQ(balloon.deflate(), mib(150));
  EXPECT_EQ(sim.used(), mib(200)) << "until what was taken of it goes";
  taken.reset();
  EXPECT_EQ(sim.used(), Bytes{});
}

TEST(Take, TheWholeBalloonPieceByPieceOnAFullGpu) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = "10GB"});
  ASSERT_TRUE(balloon.inflate());
  ASSERT_EQ(sim.free(), Bytes{});
  std::vector<TakenMemory> all;
  while (balloon.allocated() > Bytes{}) {
    auto taken = balloon.take(std::min(mib(700), balloon.allocated()));
    ASSERT_TRUE(taken.has_value()) << taken.error().message;
    EXPECT_EQ(sim.free(), Bytes{});
    all.push_back(std::move(*taken));
  }
  EXPECT_EQ(all.size(), 15U);
}

TEST(Take, RefusesMoreThanIsHeldAndNothing) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  EXPECT_EQ(failed(balloon.take(mib(1))).code, ErrorCode::resource_exhausted) << "deflated";
  ASSERT_TRUE(balloon.inflate());
  const Error error = failed(balloon.take(Bytes{mib(1000).count + 1}));
  EXPECT_EQ(error.code, ErrorCode::resource_exhausted);
  EXPECT_THAT(error.message, HasSubstr("holds 1000 MB"));
  EXPECT_EQ(failed(balloon.take(Bytes{})).code, ErrorCode::invalid_argument);
  EXPECT_EQ(balloon.allocated(), mib(1000));
}

TEST(Take, LeavesTheBalloonAsItWasWhenTheDriverRefuses) {
  for (const char* const function : {"cuMemAddressReserve", "cuMemMap", "cuMemSetAccess"}) {
    SimulatedDriver sim;
    Balloon balloon = sim.balloon({.mb = 1000});
    ASSERT_TRUE(balloon.inflate());
    const bool is_second = std::string_view(function) == "cuMemMap";
    sim.machine.fault(std::string("driver return 999 from ") + function +
                      (is_second ? " after 2 calls" : ""));
    const Error error = failed(balloon.take(mib(500)));
    EXPECT_EQ(error.code, ErrorCode::unavailable) << function;
    EXPECT_THAT(error.message, HasSubstr(function));
    EXPECT_EQ(balloon.allocated(), mib(1000));
    sim.machine.fault("driver clear");
    EXPECT_TRUE(balloon.take(mib(500)).has_value()) << function;
    EXPECT_EQ(sim.used(), mib(500)) << "taken, and given back";
  }
}

TEST(Take, IsRefusedWhereMemoryIsPlain) {
  SimulatedDriver sim("gpu 0 mem=11GiB reserved=1GiB ctx=512MiB vmm=off");
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  const Error error = failed(balloon.take(mib(500)));
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_THAT(error.hint, HasSubstr("yield_to_owner"));
  EXPECT_EQ(balloon.allocated(), mib(1000));
}

TEST(YieldToOwner, GivesUpSoMuchAndNoMoreThanIsThere) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  EXPECT_EQ(balloon.yield_to_owner(mib(100)), Bytes{}) << "deflated";
  ASSERT_TRUE(balloon.inflate());
  EXPECT_EQ(balloon.yield_to_owner(mib(300)), mib(300));
  EXPECT_EQ(sim.used(), mib(700));
  EXPECT_EQ(balloon.yield_to_owner(mib(5000)), mib(700));
  EXPECT_EQ(sim.used(), Bytes{});
}

/// Takes whatever it sees free, as fast as it can; what that was when it ends.
class Thief {
 public:
  explicit Thief(const SimulatedDriver& sim)
      : thread_([this, other = sim.balloon({.mb = 1})](const std::stop_token& stop) mutable {
          while (!stop.stop_requested()) {
            const auto status = other.status();
            if (status && status->free_memory.value_or(Bytes{}) > Bytes{}) {
              static_cast<void>(other.allocate_additional("100%"));
              stolen_ = other.allocated().count;
            }
          }
        }) {}

  [[nodiscard]] Bytes stolen() const { return Bytes{stolen_}; }

 private:
  std::atomic<std::uint64_t> stolen_{0};
  std::jthread thread_;
};

TEST(Take, AlwaysWinsAgainstANeighbourThatTakesEveryByteItSees) {
  for (int run = 0; run < 20; ++run) {
    SimulatedDriver sim;
    Balloon balloon = sim.balloon({.mb = "8GB"});
    ASSERT_TRUE(balloon.inflate());
    const Thief thief(sim);
    while (sim.free() > Bytes{}) {
      std::this_thread::yield();
    }
    std::vector<TakenMemory> all;
    for (int i = 0; i < 8; ++i) {
      auto taken = balloon.take(gib(1));
      ASSERT_TRUE(taken.has_value()) << taken.error().message;
      all.push_back(std::move(*taken));
    }
    EXPECT_LE(thief.stolen(), gib(2)) << "never a byte of the balloon";
  }
}

}  // namespace
}  // namespace levee::test
