// The balloon of one GPU: each documented example, and each way to ask for the wrong thing.
#include "levee/balloon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "unit/balloon/simulated_driver.hpp"

namespace levee::test {
namespace {

using testing::HasSubstr;

/// The balloon, the driver and the machine agree that `allocated` is held in `chunks`.
void expect_held(SimulatedDriver& sim, const Balloon& balloon, Bytes allocated, std::size_t chunks,
                 Bytes context = {}) {
  const auto status = balloon.status();
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(status->gpu_id, 0);
  EXPECT_EQ(status->is_inflated, allocated > Bytes{});
  EXPECT_EQ(status->allocated, allocated);
  EXPECT_EQ(balloon.allocated(), allocated);
  EXPECT_EQ(status->num_chunks, chunks);
  const Bytes blocks{(allocated.count + mib(2).count - 1) / mib(2).count * mib(2).count};
  EXPECT_EQ(status->held, blocks + context);
  EXPECT_EQ(status->held, sim.used());
  EXPECT_EQ(status->free_memory, sim.free());
  EXPECT_EQ(status->free_memory, gib(10) - status->held);
  EXPECT_EQ(status->total_memory, gib(11));
}

Error failed(const Result<Bytes>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? Error{} : result.error();
}

TEST(Balloon, HoldsMegabytesUntilItIsDeflated) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 4000});
  expect_held(sim, balloon, Bytes{}, 0);
  EXPECT_EQ(balloon.inflate(), mib(4000));
  expect_held(sim, balloon, mib(4000), 40);
  EXPECT_EQ(balloon.status()->allocated_mb(), 4000U);
  EXPECT_EQ(balloon.status()->free_memory_mb(), 10240U - 4000U);
  EXPECT_EQ(balloon.status()->total_memory_mb(), 11264U);
  EXPECT_EQ(balloon.deflate(), mib(4000));
  expect_held(sim, balloon, Bytes{}, 0);
  EXPECT_EQ(balloon.deflate(), Bytes{});
}

TEST(Balloon, HoldsAFractionOfWhatIsFree) {
  SimulatedDriver sim("gpu 0 mem=11GiB reserved=1GiB\nat 0s gpu 0 foreign pid=42 mem=2GiB");
  Balloon balloon = sim.balloon({.fraction = 0.8});
  EXPECT_EQ(balloon.inflate(), mib(6552)) << "80 % of 8192 MB, in blocks of 2 MB";
  EXPECT_EQ(sim.free(), mib(8192 - 6552));
}

TEST(Balloon, TakesEveryFormOfAnAmount) {
  SimulatedDriver sim;
  const std::vector<std::pair<Reserve, Bytes>> cases{
      {{.mb = 2000}, mib(2000)},      {{.mb = "2GB"}, mib(2048)},
      {{.mb = "2.5GB"}, mib(2560)},   {{.mb = "2048MB"}, mib(2048)},
      {{.mb = "50%"}, mib(5120)},     {{.mb = 0.5}, mib(5120)},
      {{.mb = "1000"}, mib(1000)},    {{.mb = Bytes{1}}, Bytes{1}},
      {{.fraction = 0.5}, mib(5120)}, {{.fraction = "75%"}, mib(7680)},
      {{.fraction = 1}, mib(10240)},  {{.fraction = 1.0}, mib(10240)},
  };
  for (const auto& [reserve, bytes] : cases) {
    Balloon balloon = sim.balloon(reserve);
    EXPECT_EQ(balloon.inflate(), bytes);
  }
  EXPECT_EQ(sim.used(), Bytes{});
}

TEST(Balloon, GivesItsMemoryBackWithItsScope) {
  SimulatedDriver sim;
  {
    const auto held = reserve_gpu_memory(0, {.fraction = 0.7}, sim.options());
    ASSERT_TRUE(held.has_value());
    EXPECT_EQ(sim.used(), mib(7168));
  }
  EXPECT_EQ(sim.used(), Bytes{});
  EXPECT_FALSE(reserve_gpu_memory(0, {.mb = 50000}, sim.options()).has_value());
  Balloon first = sim.balloon({.mb = 100});
  ASSERT_TRUE(first.inflate());
  Balloon second = std::move(first);
  EXPECT_EQ(sim.used(), mib(100)) << "moving neither frees nor allocates";
  second = sim.balloon({.mb = 200});
  EXPECT_EQ(sim.used(), Bytes{});
}

TEST(Balloon, RefusesToInflateTwice) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  const Error error = failed(balloon.inflate());
  EXPECT_EQ(error.code, ErrorCode::already_exists);
  EXPECT_THAT(error.message, HasSubstr("already inflated"));
  EXPECT_THAT(error.hint, HasSubstr("deflate()"));
  expect_held(sim, balloon, mib(1000), 10);
}

TEST(Balloon, InflatesAndDeflatesOnceHoweverOftenItIsAsked) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 2000});
  EXPECT_EQ(balloon.deflate_if_inflated(), Bytes{});
  EXPECT_EQ(balloon.inflate_if_not_inflated(), mib(2000));
  EXPECT_EQ(balloon.inflate_if_not_inflated(), Bytes{});
  expect_held(sim, balloon, mib(2000), 20);
  EXPECT_EQ(balloon.deflate_if_inflated(), mib(2000));
  EXPECT_EQ(balloon.deflate_if_inflated(), Bytes{});
  expect_held(sim, balloon, Bytes{}, 0);
}

TEST(Balloon, SaysWhatItIsAskedWhatIsFreeAndWhatToDoWhenMemoryIsShort) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 50000});  // making it succeeds
  const Error error = failed(balloon.inflate());
  EXPECT_EQ(error.code, ErrorCode::resource_exhausted);
  EXPECT_THAT(error.message, HasSubstr("CUDA out of memory"));
  EXPECT_THAT(error.message, HasSubstr("50000 MB"));
  EXPECT_THAT(error.message, HasSubstr("10240 MB free of 11264 MB"));
  EXPECT_THAT(error.hint, HasSubstr("reserve_fraction"));
  expect_held(sim, balloon, Bytes{}, 0);
  // The documented way out.
  Balloon smaller = sim.balloon({.fraction = 0.5});
  EXPECT_EQ(smaller.inflate(), mib(5120));
}

TEST(Balloon, ChangesItsSizeInMegabytesOrAsAFraction) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 2000});
  ASSERT_TRUE(balloon.inflate());
  EXPECT_EQ(balloon.resize({.mb = 3000}), mib(3000));
  expect_held(sim, balloon, mib(3000), 30);
  EXPECT_EQ(balloon.resize({.mb = 1000}), mib(1000));
  expect_held(sim, balloon, mib(1000), 10);
  EXPECT_EQ(balloon.resize({.fraction = 0.5}), mib(5120));
  EXPECT_EQ(balloon.deflate(), mib(5120));
  EXPECT_EQ(balloon.inflate(), mib(5120)) << "the new size is the configured one";
}

TEST(Balloon, ResizeInflatesADeflatedOne) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 2000});
  EXPECT_EQ(balloon.resize({.mb = 500}), mib(500));
  expect_held(sim, balloon, mib(500), 5);
}

TEST(Balloon, KeepsItsSizeWhenTheNewOneDoesNotFit) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 2000});
  ASSERT_TRUE(balloon.inflate());
  const Error error = failed(balloon.resize({.mb = 20000}));
  EXPECT_EQ(error.code, ErrorCode::resource_exhausted);
  EXPECT_THAT(error.message, HasSubstr("18000 MB beside the 2000 MB held"));
  expect_held(sim, balloon, mib(2000), 20);
  balloon.deflate();
  EXPECT_EQ(balloon.inflate(), mib(2000)) << "the configured size is the old one";
}

TEST(Balloon, TheChunkSizeIsForWhatIsAllocatedLater) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 2000});
  ASSERT_TRUE(balloon.set_chunk_size(200));
  ASSERT_TRUE(balloon.inflate());
  expect_held(sim, balloon, mib(2000), 10);
  ASSERT_TRUE(balloon.set_chunk_size(500));
  expect_held(sim, balloon, mib(2000), 10);
  ASSERT_TRUE(balloon.allocate_additional(1000));
  expect_held(sim, balloon, mib(3000), 12);
  Balloon fast = sim.balloon({.mb = 5000}, 0, 500);
  ASSERT_TRUE(fast.inflate());
  EXPECT_EQ(fast.status()->num_chunks, 10U);
  fast.deflate();
  Balloon safe = sim.balloon({.mb = 5000}, 0, 50);
  ASSERT_TRUE(safe.inflate());
  EXPECT_EQ(safe.status()->num_chunks, 100U);
}

TEST(Balloon, TheLastChunkIsSmaller) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = "2GB"});
  ASSERT_TRUE(balloon.inflate());
  expect_held(sim, balloon, mib(2048), 21);
}

TEST(Balloon, ChunksAreAtLeastABlockOfTheDriver) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 10}, 0, 1);
  ASSERT_TRUE(balloon.inflate());
  expect_held(sim, balloon, mib(10), 5);
  Balloon odd = sim.balloon({.mb = "5MB"}, 0, 3);
  ASSERT_TRUE(odd.inflate());
  EXPECT_EQ(odd.status()->held, mib(6));
  EXPECT_EQ(odd.status()->allocated, mib(5));
  ASSERT_TRUE(odd.allocate_additional(1));
  EXPECT_EQ(odd.status()->held, mib(6)) << "the rest of the last block is used first";
}

TEST(Balloon, FollowsTheStepByStepExample) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  EXPECT_EQ(balloon.allocate_memory("2GB"), mib(2048)) << "the amount replaces the configured one";
  EXPECT_EQ(balloon.allocate_additional("1GB"), mib(3072));
  EXPECT_EQ(sim.used(), mib(3072));
  EXPECT_EQ(balloon.allocate_additional("50%"), mib(3072 + (10240 - 3072) / 2))
      << "half of the remaining free memory";
  EXPECT_EQ(balloon.allocate_to_target("5GB"), mib(5120));
  EXPECT_EQ(balloon.allocate_to_target("3GB"), mib(3072));
  EXPECT_EQ(sim.used(), mib(3072));
  EXPECT_EQ(balloon.allocate_to_target("80%"), mib(8192));
  EXPECT_EQ(balloon.deflate(), mib(8192));
  EXPECT_EQ(sim.used(), Bytes{});
}

TEST(Balloon, AllocatesRepeatedlyInEveryForm) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  EXPECT_EQ(balloon.allocate_memory(2000), mib(2000));
  EXPECT_EQ(balloon.allocate_memory("2GB"), mib(2048));
  EXPECT_EQ(balloon.allocate_memory("50%"), mib(5120));
  EXPECT_EQ(balloon.allocate_memory(0.7), mib(7168));
  EXPECT_EQ(sim.used(), mib(7168));
}

TEST(Balloon, ASmallerShareReducesItAndTheSameShareChangesNothing) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  EXPECT_EQ(balloon.allocate_memory("80%"), mib(8192));
  EXPECT_EQ(balloon.allocate_memory("80%"), mib(8192));
  EXPECT_EQ(balloon.allocate_to_target("50%"), mib(5120));
  EXPECT_EQ(balloon.allocate_to_target("50%"), mib(5120));
  EXPECT_EQ(sim.used(), mib(5120));
}

TEST(Balloon, ASmallShareOfNearlyNothingIsRefused) {
  SimulatedDriver sim("gpu 0 mem=1GiB reserved=1023MiB");
  Balloon balloon = sim.balloon({.fraction = 1.0});
  EXPECT_THAT(failed(balloon.inflate()).message, HasSubstr("CUDA out of memory"));
  EXPECT_EQ(sim.used(), Bytes{});
}

struct BadReserve {
  Reserve reserve;
  std::string complaint;
};

TEST(Balloon, RefusesAmountsThatAreNone) {
  SimulatedDriver sim;
  const std::vector<BadReserve> cases{
      {{}, "neither"},
      {{.mb = 4000, .fraction = 0.5}, "both"},
      {{.mb = 0}, "zero"},
      {{.mb = -5}, "zero"},
      {{.mb = "0.5"}, "ambiguous"},
      {{.mb = "2 bananas"}, "bananas"},
      {{.mb = "-2GB"}, "negative"},
      {{.mb = ""}, "empty"},
      {{.mb = 1.5}, "fraction"},
      {{.mb = "200%"}, "percentage"},
      {{.fraction = 0.0}, "fraction"},
      {{.fraction = -0.1}, "fraction"},
      {{.fraction = 1.1}, "fraction"},
      {{.fraction = 2000}, "fraction"},
      {{.fraction = "2GB"}, "size"},
  };
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  for (const BadReserve& bad : cases) {
    const auto made = Balloon::make(0, bad.reserve, sim.options());
    ASSERT_FALSE(made.has_value()) << bad.complaint;
    EXPECT_EQ(made.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(made.error().message, HasSubstr(bad.complaint));
    EXPECT_FALSE(made.error().hint.empty());
    EXPECT_EQ(failed(balloon.resize(bad.reserve)).message, made.error().message);
    expect_held(sim, balloon, mib(1000), 10);
  }
  for (const MemorySpec& bad : std::vector<MemorySpec>{0, -1, "0.5", "2 bananas", 0.0, 1.01}) {
    EXPECT_EQ(failed(balloon.allocate_memory(bad)).code, ErrorCode::invalid_argument);
    EXPECT_EQ(failed(balloon.allocate_additional(bad)).code, ErrorCode::invalid_argument);
    EXPECT_EQ(failed(balloon.allocate_to_target(bad)).code, ErrorCode::invalid_argument);
    expect_held(sim, balloon, mib(1000), 10);
  }
}

TEST(Balloon, RefusesChunksOfNoSize) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 62U}) {
    EXPECT_FALSE(Balloon::make(0, {.mb = 1000}, sim.options(size)).has_value());
    const auto set = balloon.set_chunk_size(size);
    ASSERT_FALSE(set.has_value());
    EXPECT_EQ(set.error().code, ErrorCode::invalid_argument);
  }
  ASSERT_TRUE(balloon.inflate());
  expect_held(sim, balloon, mib(1000), 10);
}

TEST(Balloon, RefusesGpusThatAreNotThere) {
  SimulatedDriver sim;
  for (const GpuRef& gpu : std::vector<GpuRef>{1, -1, "GPU-00000000", "", "zero", "MIG-1"}) {
    const auto made = Balloon::make(gpu, {.mb = 100}, sim.options());
    ASSERT_FALSE(made.has_value()) << gpu.text();
    EXPECT_EQ(made.error().code, ErrorCode::not_found);
    EXPECT_THAT(made.error().hint, HasSubstr("accepted: 0 (GPU-"));
  }
}

TEST(Balloon, TellsItsGrowthAndMayBeStopped) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  std::vector<std::pair<Bytes, Bytes>> told;
  balloon.set_progress([&](Bytes held, Bytes wanted) {
    told.emplace_back(held, wanted);
    EXPECT_EQ(sim.used(), held);
    return told.size() < 3;
  });
  const Error error = failed(balloon.allocate_to_target(2000));
  EXPECT_EQ(error.code, ErrorCode::timed_out);
  EXPECT_THAT(told,
              testing::ElementsAre(std::pair(mib(1100), mib(2000)), std::pair(mib(1200), mib(2000)),
                                   std::pair(mib(1300), mib(2000))));
  expect_held(sim, balloon, mib(1000), 10);
}

TEST(Balloon, ThreadsTakeTurns) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 100});
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 1; n <= 20; ++n) {
          failures += balloon.allocate_additional(10) ? 0 : 1;
          failures += balloon.status() ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(balloon.allocated(), mib(800));
  EXPECT_EQ(sim.used(), mib(800));
}

}  // namespace
}  // namespace levee::test
