// What balloons do when the driver refuses, breaks, or works another way.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "levee/balloon.hpp"
#include "unit/balloon/simulated_driver.hpp"

namespace levee::test {
namespace {

using testing::HasSubstr;

Error failed(const Result<Bytes>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? Error{} : result.error();
}

struct Way {
  std::string name;
  std::string keys;      ///< Of the GPU.
  std::string function;  ///< That allocates.
  Bytes context;         ///< What holding takes besides.
  int tries;             ///< Of it before the first chunk.

  friend void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }
};

class EveryWay : public testing::TestWithParam<Way> {
 protected:
  SimulatedDriver sim{std::string(kTenGib) + GetParam().keys};

  /// Nothing but chunks of `size` and the context, as far as all involved know.
  void expect_held(const Balloon& balloon, Bytes size) {
    const auto status = balloon.status();
    ASSERT_TRUE(status.has_value()) << status.error().message;
    EXPECT_EQ(status->allocated, size);
    EXPECT_EQ(status->held, size == Bytes{} ? Bytes{} : size + GetParam().context);
    EXPECT_EQ(sim.used(), status->held);
    EXPECT_EQ(sim.used_by_chunks(), size);
    EXPECT_EQ(status->free_memory, gib(10) - status->held);
    EXPECT_EQ(status->total_memory, gib(11));
  }
};

TEST_P(EveryWay, HoldsGrowsShrinksAndGivesBack) {
  Balloon balloon = sim.balloon({.mb = 4000});
  EXPECT_EQ(balloon.inflate(), mib(4000));
  expect_held(balloon, mib(4000));
  EXPECT_EQ(balloon.allocate_additional("1GB"), mib(5024));
  expect_held(balloon, mib(5024));
  EXPECT_EQ(balloon.allocate_to_target("3GB"), mib(3072));
  expect_held(balloon, mib(3072));
  EXPECT_EQ(balloon.deflate(), mib(3072));
  expect_held(balloon, Bytes{});
}

TEST_P(EveryWay, AllOfWhatIsFreeIsWhatTheContextLeaves) {
  Balloon balloon = sim.balloon({.fraction = 1.0});
  EXPECT_EQ(balloon.inflate(), gib(10) - GetParam().context);
  EXPECT_EQ(sim.free(), Bytes{});
  EXPECT_EQ(balloon.allocate_memory("100%"), gib(10) - GetParam().context);
}

TEST_P(EveryWay, AFailureAtAnyAllocationUndoesTheWholeGrowth) {
  for (int good = 0; good < 10; ++good) {
    Balloon balloon = sim.balloon({.mb = 1000});
    const int spared = GetParam().tries + good;
    sim.machine.fault(fmt::format("gpu 0 return 2 from {}{}", GetParam().function,
                                  spared > 0 ? fmt::format(" after {} calls", spared) : ""));
    const Error error = failed(balloon.inflate());
    EXPECT_EQ(error.code, ErrorCode::resource_exhausted) << good;
    EXPECT_THAT(error.message, HasSubstr("CUDA out of memory")) << good;
    sim.machine.fault("gpu 0 clear");
    expect_held(balloon, Bytes{});
    ASSERT_EQ(balloon.inflate(), mib(1000)) << "nothing is left behind";

    sim.machine.fault(fmt::format("gpu 0 return 2 from {}{}", GetParam().function,
                                  good > 0 ? fmt::format(" after {} calls", good) : ""));
    EXPECT_EQ(failed(balloon.allocate_additional(1000)).code, ErrorCode::resource_exhausted);
    expect_held(balloon, mib(1000));
    EXPECT_EQ(failed(balloon.resize({.mb = 2000})).code, ErrorCode::resource_exhausted);
    expect_held(balloon, mib(1000));
    sim.machine.fault("gpu 0 clear");
  }
}

TEST_P(EveryWay, AnErrorOfTheDriverUndoesTheGrowthToo) {
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  sim.machine.fault(fmt::format("gpu 0 return 999 from {} after 4 calls", GetParam().function));
  const Error error = failed(balloon.allocate_additional(1000));
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_THAT(error.message, HasSubstr(GetParam().function.substr(0, 10)));
  EXPECT_THAT(error.message, HasSubstr("CUDA error 999 (unknown error)"));
  expect_held(balloon, mib(1000));
}

TEST_P(EveryWay, FragmentedMemoryIsHeldInSmallerChunks) {
  sim.machine.set("gpu 0 max-allocation 30MiB");
  Balloon balloon = sim.balloon({.mb = 1000});
  EXPECT_EQ(balloon.inflate(), mib(1000));
  expect_held(balloon, mib(1000));
  EXPECT_EQ(balloon.status()->num_chunks, 39U) << "100, 50 and 26 MB: 38 of these, and 12 MB";
  EXPECT_EQ(balloon.allocate_to_target(990), mib(990));
  expect_held(balloon, mib(990));
}

TEST_P(EveryWay, ANeighbourWhoTakesTheRestMeanwhileStopsTheGrowth) {
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  balloon.set_progress([&](Bytes held, Bytes) {
    if (held == mib(1500)) {
      sim.machine.set("gpu 0 foreign pid=42 mem=8GiB");
    }
    return true;
  });
  const Error error = failed(balloon.allocate_to_target(5000));
  EXPECT_EQ(error.code, ErrorCode::resource_exhausted);
  EXPECT_EQ(balloon.allocated(), mib(1000));
  EXPECT_EQ(sim.used(), gib(8) + mib(1000) + GetParam().context);
}

TEST_P(EveryWay, WhatTheDriverWillNotTakeBackIsStillCounted) {
  Balloon balloon = sim.balloon({.mb = 500});
  ASSERT_TRUE(balloon.inflate());
  sim.machine.fault("driver return 999 from cuMemRelease for 2 calls");
  sim.machine.fault("driver return 999 from cuMemFree_v2 for 2 calls");
  EXPECT_EQ(balloon.deflate(), mib(500));
  EXPECT_FALSE(balloon.status()->is_inflated);
  EXPECT_EQ(balloon.status()->held, mib(200) + GetParam().context);
  EXPECT_EQ(sim.used_by_chunks(), mib(200));
  EXPECT_EQ(balloon.inflate(), mib(500)) << "and used again";
  expect_held(balloon, mib(500));
  balloon.deflate();
  expect_held(balloon, Bytes{});
}

INSTANTIATE_TEST_SUITE_P(Methods, EveryWay,
                         testing::Values(Way{"Unmapped", "", "cuMemCreate", Bytes{}, 1},
                                         Way{"UnmappedInAContext", " vmm-needs-context=on",
                                             "cuMemCreate", kContext, 2},
                                         Way{"Plain", " vmm=off", "cuMemAlloc_v2", kContext, 0}),
                         [](const auto& way) { return way.param.name; });

TEST(Shrinking, SplitsAChunkWithoutAGapWhereThereIsRoom) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  EXPECT_EQ(balloon.allocate_to_target(950), mib(950));
  EXPECT_EQ(sim.used(), mib(950));
  EXPECT_EQ(balloon.status()->num_chunks, 10U);
  EXPECT_EQ(balloon.allocate_to_target(630), mib(630));
  EXPECT_EQ(sim.used(), mib(630));
  EXPECT_EQ(balloon.allocate_to_target(Bytes{1}), Bytes{1});
  EXPECT_EQ(sim.used(), mib(2));
}

TEST(Shrinking, SplitsAChunkOnAFullGpuToo) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 10240});
  ASSERT_TRUE(balloon.inflate());
  ASSERT_EQ(sim.free(), Bytes{});
  EXPECT_EQ(balloon.allocate_to_target(10230), mib(10230));
  EXPECT_EQ(sim.free(), mib(10));
  EXPECT_EQ(balloon.allocated(), mib(10230));
}

TEST(Shrinking, SaysWhatANeighbourTookWhileAChunkWasSplit) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 10240});
  ASSERT_TRUE(balloon.inflate());
  sim.machine.fault("gpu 0 return 2 from cuMemCreate");
  const Error error = failed(balloon.allocate_to_target(10230));
  EXPECT_EQ(error.code, ErrorCode::resource_exhausted);
  EXPECT_THAT(error.message, HasSubstr("while a chunk was split"));
  EXPECT_EQ(balloon.allocated(), sim.used()) << "what is left is told as it is";
  EXPECT_EQ(sim.used(), mib(10200));
}

TEST(Shrinking, WholeChunksNeedNoAllocation) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  sim.machine.fault("gpu 0 return 2 from cuMemCreate");
  EXPECT_EQ(balloon.allocate_to_target(300), mib(300));
  EXPECT_EQ(sim.used(), mib(300));
}

TEST(Context, ThatTheProgramHasAlreadyCostsNothingAndStays) {
  SimulatedDriver sim(std::string(kTenGib) + " vmm=off");
  const DriverLibrary cuda(sim.copy());
  const auto call = [&]<class Function>(const char* name, auto... arguments) {
    return cuda.get<Function>(name)(arguments...);
  };
  cuda::Context theirs = nullptr;
  ASSERT_EQ(call.operator()<cuda::fn::Init>("cuInit", 0U), cuda::Result::success);
  ASSERT_EQ(
      call.operator()<cuda::fn::DevicePrimaryCtxRetain>("cuDevicePrimaryCtxRetain", &theirs, 0),
      cuda::Result::success);
  Balloon balloon = sim.balloon({.mb = 100});
  ASSERT_TRUE(balloon.inflate());
  EXPECT_EQ(balloon.status()->held, mib(100));
  cuda::Context current = theirs;
  EXPECT_EQ(call.operator()<cuda::fn::CtxGetCurrent>("cuCtxGetCurrent", &current),
            cuda::Result::success);
  EXPECT_EQ(current, nullptr) << "the calling thread's context is its own affair";
  balloon.deflate();
  EXPECT_EQ(sim.used(), kContext);
}

TEST(Context, RefusedByExclusiveModeIsSaidSo) {
  SimulatedDriver sim(std::string(kTenGib) + " vmm=off compute-mode=exclusive");
  sim.machine.set("gpu 0 foreign pid=42 mem=1GiB");
  Balloon balloon = sim.balloon({.mb = 100});
  const Error error = failed(balloon.inflate());
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_THAT(error.message, HasSubstr("CUDA error 46"));
  EXPECT_THAT(error.hint, HasSubstr("nvidia-smi -c DEFAULT"));
  EXPECT_THAT(error.hint, HasSubstr("mps"));
}

TEST(Context, ThatDoesNotFitIsOutOfMemory) {
  SimulatedDriver sim("gpu 0 mem=2GiB reserved=1GiB ctx=2GiB vmm=off");
  Balloon balloon = sim.balloon({.mb = 100});
  EXPECT_THAT(failed(balloon.inflate()).message, HasSubstr("CUDA out of memory"));
  EXPECT_EQ(sim.used(), Bytes{});
}

TEST(LostGpu, IsSaidSoAndNothingIsForgotten) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 100});
  sim.machine.fault("gpu 0 lost");
  EXPECT_THAT(failed(balloon.inflate()).message, HasSubstr("CUDA error 999"));
  EXPECT_FALSE(balloon.status().has_value());
  EXPECT_EQ(balloon.status().error().code, ErrorCode::unavailable);
  sim.machine.fault("gpu 0 recover");
  EXPECT_EQ(balloon.inflate(), mib(100));
  sim.machine.fault("gpu 0 lost");
  EXPECT_EQ(failed(balloon.allocate_additional(100)).code, ErrorCode::unavailable);
  EXPECT_EQ(balloon.allocated(), mib(100));
  sim.machine.fault("gpu 0 recover");
  EXPECT_EQ(balloon.allocate_additional(100), mib(200));
}

TEST(UnifiedMemory, IsMeasuredByCuda) {
  for (const char* memory : {"not-supported", "zero-total"}) {
    SimulatedDriver sim(std::string(kTenGib) + " memory=" + memory);
    Balloon balloon = sim.balloon({.fraction = 0.5});
    EXPECT_EQ(balloon.status()->free_memory, std::nullopt) << "unknown, and not 0";
    EXPECT_EQ(balloon.inflate(), mib((10240 - 512) / 2));
    EXPECT_EQ(balloon.status()->free_memory, sim.free());
    EXPECT_EQ(balloon.status()->total_memory, gib(10));
    balloon.deflate();
    EXPECT_EQ(sim.used(), Bytes{});
  }
}

TEST(LateRelease, IsNotCountedAsFreeTooSoon) {
  SimulatedDriver sim(std::string(kTenGib) + " release-delay=5s");
  Balloon balloon = sim.balloon({.mb = 8000});
  ASSERT_TRUE(balloon.inflate());
  balloon.deflate();
  EXPECT_THAT(failed(balloon.inflate()).message, HasSubstr("CUDA out of memory"));
  sim.machine.advance(std::chrono::seconds{6});
  EXPECT_EQ(balloon.inflate(), mib(8000));
}

TEST(ForkedChild, HoldsNothingOfItsParents) {
  SimulatedDriver sim;
  Balloon balloon = sim.balloon({.mb = 1000});
  ASSERT_TRUE(balloon.inflate());
  const pid_t child = ::fork();
  if (child == 0) {
    balloon.deflate();
    const auto again = balloon.inflate();
    const bool is_refused =
        !again && again.error().message.find("CUDA error 3") != std::string::npos;
    ::_exit(is_refused ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(sim.used(), mib(1000));
}

TEST(NoDriver, IsAnErrorWithAHint) {
  const auto nowhere = balloon::Driver::open({.nvml = {"/nowhere/libnvidia-ml.so.1"}, .cuda = {}});
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().code, ErrorCode::not_found);
  const SimulatedDriver sim;
  const auto half =
      balloon::Driver::open({.nvml = {(sim.machine.libraries() / "libnvidia-ml.so.1").string()},
                             .cuda = {"/nowhere/libcuda.so.1"}});
  ASSERT_TRUE(half.has_value());
  BalloonOptions options;
  options.driver = *half;
  auto balloon = Balloon::make(0, {.mb = 1}, options);
  ASSERT_TRUE(balloon.has_value());
  EXPECT_TRUE(balloon->status().has_value()) << "who only looks needs no CUDA";
  const Error error = failed(balloon->inflate());
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_THAT(error.message, HasSubstr("/nowhere/libcuda.so.1"));
}

TEST(NoDriver, AnotherLibraryOfThatNameIsRefused) {
  const SimulatedDriver sim;
  const auto wrong = balloon::CudaLibrary::open({(sim.machine.libraries() / "libnvidia-ml.so.1")});
  ASSERT_FALSE(wrong.has_value());
  EXPECT_THAT(wrong.error().hint, HasSubstr("LD_LIBRARY_PATH"));
}

TEST(NoDriver, ARefusalAtInitialisationSaysWhy) {
  SimulatedDriver sim;
  sim.machine.fault("driver init 18");
  Balloon balloon = sim.balloon({.mb = 1});
  const Error error = failed(balloon.inflate());
  EXPECT_THAT(error.message, HasSubstr("cuInit: CUDA error 803"));
  EXPECT_THAT(error.hint, HasSubstr("upgraded"));
}

}  // namespace
}  // namespace levee::test
