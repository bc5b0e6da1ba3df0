// Balloons on several GPUs, and which GPUs there are.
#include "levee/balloon_group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "unit/balloon/simulated_driver.hpp"

namespace levee::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// 10, 20 and 5 GiB to give.
constexpr std::string_view kThree =
    "gpu 0 mem=11GiB reserved=1GiB\n"
    "gpu 1 mem=21GiB reserved=1GiB\n"
    "gpu 2 mem=6GiB reserved=1GiB\n";

std::vector<Bytes> used(SimulatedDriver& sim) { return {sim.used(0), sim.used(1), sim.used(2)}; }

template <class T>
Error failed(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? Error{} : result.error();
}

TEST(BalloonGroup, HoldsTheSameOnEveryGpu) {
  SimulatedDriver sim(kThree);
  auto group = BalloonGroup::make({0, 1, 2}, {.mb = 2000}, sim.options());
  ASSERT_TRUE(group.has_value()) << group.error().message;
  EXPECT_EQ(group->inflate_all(), (std::vector{mib(2000), mib(2000), mib(2000)}));
  EXPECT_THAT(used(sim), ElementsAre(mib(2000), mib(2000), mib(2000)));
  const auto status = group->status();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->at(1).gpu_id, 1);
  EXPECT_EQ(status->at(1).allocated_mb(), 2000U);
  EXPECT_EQ(group->deflate_all(), mib(6000));
  EXPECT_EQ(group->deflate_all(), Bytes{});
  EXPECT_THAT(used(sim), ElementsAre(Bytes{}, Bytes{}, Bytes{}));
}

TEST(BalloonGroup, HoldsAnAmountOfItsOwnOnEachGpu) {
  SimulatedDriver sim(kThree);
  auto group = BalloonGroup::make({0, 1, 2}, {.mb = {4000, "2GB", 0.5}}, sim.options());
  ASSERT_TRUE(group.has_value()) << group.error().message;
  ASSERT_TRUE(group->inflate_all());
  EXPECT_THAT(used(sim), ElementsAre(mib(4000), mib(2048), mib(2560)));
  EXPECT_EQ(group->at(0).allocate_additional(100), mib(4100));
  EXPECT_EQ(group->deflate_all(), mib(4100 + 2048 + 2560));
}

TEST(BalloonGroup, FractionsAreOfEachGpusFreeMemory) {
  SimulatedDriver sim(kThree);
  const auto group = reserve_multi_gpu_memory({2, 0}, {.fraction = {0.2, 0.5}}, sim.options());
  ASSERT_TRUE(group.has_value()) << group.error().message;
  EXPECT_THAT(used(sim), ElementsAre(mib(5120), Bytes{}, mib(1024)));
}

TEST(BalloonGroup, InflatesAllOrNone) {
  SimulatedDriver sim(kThree);
  auto group = BalloonGroup::make({0, 1, 2}, {.mb = 6000}, sim.options());
  ASSERT_TRUE(group.has_value());
  const Error error = failed(group->inflate_all());
  EXPECT_EQ(error.code, ErrorCode::resource_exhausted);
  EXPECT_THAT(error.message, HasSubstr("GPU 2"));
  EXPECT_THAT(used(sim), ElementsAre(Bytes{}, Bytes{}, Bytes{}));
}

TEST(BalloonGroup, ARollBackLeavesWhatWasInflatedBefore) {
  SimulatedDriver sim(kThree);
  auto group = BalloonGroup::make({0, 1, 2}, {.mb = 1000}, sim.options());
  ASSERT_TRUE(group.has_value());
  ASSERT_TRUE(group->at(1).inflate());
  const Error error = failed(group->inflate_all());
  EXPECT_EQ(error.code, ErrorCode::already_exists);
  EXPECT_THAT(error.message, HasSubstr("GPU 1"));
  EXPECT_THAT(used(sim), ElementsAre(Bytes{}, mib(1000), Bytes{}));
}

TEST(BalloonGroup, GivesEverythingBackWithItsScope) {
  SimulatedDriver sim(kThree);
  {
    const auto group = reserve_all_gpus_memory({.mb = "2GB"}, sim.options());
    ASSERT_TRUE(group.has_value()) << group.error().message;
    EXPECT_THAT(used(sim), ElementsAre(mib(2048), mib(2048), mib(2048)));
  }
  EXPECT_THAT(used(sim), ElementsAre(Bytes{}, Bytes{}, Bytes{}));
  EXPECT_FALSE(reserve_all_gpus_memory({.mb = 6000}, sim.options()).has_value());
  EXPECT_THAT(used(sim), ElementsAre(Bytes{}, Bytes{}, Bytes{}));
}

TEST(BalloonGroup, RefusesWhatIsNoGroup) {
  SimulatedDriver sim(kThree);
  const auto refused = [&](const std::vector<GpuRef>& gpus, const GroupReserve& reserve) {
    const Error error = failed(BalloonGroup::make(gpus, reserve, sim.options()));
    EXPECT_FALSE(error.hint.empty()) << error.message;
    return error.message;
  };
  EXPECT_THAT(refused({}, {.mb = 1}), HasSubstr("no GPU"));
  EXPECT_THAT(refused({0, 1}, {}), HasSubstr("neither"));
  EXPECT_THAT(refused({0, 1}, {.mb = 1, .fraction = 0.5}), HasSubstr("both"));
  EXPECT_THAT(refused({0, 1}, {.mb = {1, 2, 3}}), HasSubstr("3 amounts for 2 GPUs"));
  EXPECT_THAT(refused({0, 1}, {.fraction = {0.5}}), HasSubstr("1 amounts for 2 GPUs"));
  EXPECT_THAT(refused({0, 1}, {.mb = {1000, -1}}), HasSubstr("GPU 1"));
  EXPECT_THAT(refused({0, 1}, {.mb = {1000, "0.5"}}), HasSubstr("ambiguous"));
  EXPECT_THAT(refused({0, 0}, {.mb = 1}), HasSubstr("twice"));
  EXPECT_THAT(refused({0, 3}, {.mb = 1}), HasSubstr("no GPU \"3\""));
  EXPECT_THAT(used(sim), ElementsAre(Bytes{}, Bytes{}, Bytes{}));
}

TEST(VisibleGpus, FollowTheEnvironmentOfNow) {
  const SimulatedDriver sim(kThree);
  EXPECT_THAT(*all_available_gpus(sim.driver()), ElementsAre(0, 1, 2));
  EXPECT_THAT(*cuda_visible_devices(sim.driver()), ElementsAre(0, 1, 2));
  using Variables = std::map<std::string, std::string>;
  const ScopedEnvironment later(Variables{{"CUDA_VISIBLE_DEVICES", "2,0"}});
  EXPECT_THAT(*cuda_visible_devices(sim.driver()), ElementsAre(2, 0));
  EXPECT_THAT(*all_available_gpus(sim.driver()), ElementsAre(0, 1, 2));
}

TEST(VisibleGpus, AreTheOnesThatHelpersForAllGpusUse) {
  SimulatedDriver sim(kThree, {{"CUDA_VISIBLE_DEVICES", "2,0"}});
  auto group = create_balloon_for_all_gpus({.mb = {300, 100}}, sim.options());
  ASSERT_TRUE(group.has_value());
  ASSERT_TRUE(group->inflate_all());
  EXPECT_THAT(used(sim), ElementsAre(mib(100), Bytes{}, mib(300)))
      << "CUDA's own numbers are 0 for GPU 2 and 1 for GPU 0";
}

TEST(VisibleGpus, MayBeNone) {
  const SimulatedDriver sim(kThree, {{"CUDA_VISIBLE_DEVICES", ""}});
  EXPECT_THAT(*cuda_visible_devices(sim.driver()), IsEmpty());
  EXPECT_EQ(failed(create_balloon_for_all_gpus({.mb = 1}, sim.options())).code,
            ErrorCode::not_found);
}

TEST(VisibleGpus, AHiddenOneCannotBeUsed) {
  const SimulatedDriver sim(kThree, {{"CUDA_VISIBLE_DEVICES", "0"}});
  Balloon balloon = sim.balloon({.mb = 100}, 1);
  const Error error = failed(balloon.inflate());
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_THAT(error.hint, HasSubstr("CUDA_VISIBLE_DEVICES was \"0\""));
}

std::vector<balloon::Gpu> four_gpus() {
  std::vector<balloon::Gpu> gpus;
  const auto add = [&](int gpu_id, std::string uuid, std::string parent_uuid = {}) {
    balloon::Gpu& gpu = gpus.emplace_back();
    gpu.gpu_id = gpu_id;
    gpu.uuid = std::move(uuid);
    gpu.parent_uuid = std::move(parent_uuid);
  };
  for (int i = 0; i < 4; ++i) {
    add(i, "GPU-" + std::to_string(i) + "abc");
  }
  add(3, "MIG-x1", "GPU-3abc");
  add(3, "MIG-x2", "GPU-3abc");
  return gpus;
}

TEST(VisibleGpus, AreReadAsCudaReadsThem) {
  const std::vector<std::pair<std::string_view, std::vector<std::string>>> cases{
      {"0,2", {"GPU-0abc", "GPU-2abc"}},
      {"2,0", {"GPU-2abc", "GPU-0abc"}},
      {" 1 , 3 ", {"GPU-1abc", "GPU-3abc"}},
      {"GPU-2abc,0", {"GPU-2abc", "GPU-0abc"}},
      {"GPU-1", {"GPU-1abc"}},
      {"MIG-x2", {"MIG-x2"}},
      {"1,1,0", {"GPU-1abc", "GPU-0abc"}},
      {"", {}},
      {"-1", {}},
      {"0,-1,2", {"GPU-0abc"}},
      {"0,9,2", {"GPU-0abc"}},
      {"0,two", {"GPU-0abc"}},
      {"0,,2", {"GPU-0abc"}},
      {"1.5", {}},
      {"99999999999999999999", {}},
      {"GPU-", {}},   // fits more than one
      {"MIG-x", {}},  // the same
      {"NoDevFiles", {}},
  };
  for (const auto& [text, expected] : cases) {
    std::vector<std::string> uuids;
    for (const balloon::Gpu& gpu : balloon::visible_gpus(four_gpus(), text)) {
      uuids.push_back(gpu.uuid);
    }
    EXPECT_EQ(uuids, expected) << text;
  }
  EXPECT_EQ(balloon::visible_gpus(four_gpus(), std::nullopt).size(), 4U);
}

TEST(GpuNames, MayBeUuidsAndBeginningsOfThem) {
  SimulatedDriver sim("gpu 0 uuid=GPU-aa11 mem=11GiB\ngpu 1 uuid=GPU-aa22 mem=11GiB");
  EXPECT_EQ(sim.balloon({.mb = 1}, "GPU-aa22").status()->gpu_id, 1);
  EXPECT_EQ(sim.balloon({.mb = 1}, "GPU-aa1").status()->gpu_id, 0);
  const Error error = failed(Balloon::make("GPU-aa", {.mb = 1}, sim.options()));
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_THAT(error.message, HasSubstr("2 UUIDs"));
}

TEST(Mig, MemoryIsHeldOnAnInstance) {
  SimulatedDriver plan("gpu 0 mem=80GiB reserved=1GiB mig=3g.40gb,2g.20gb");
  const auto all = plan.driver()->gpus();
  ASSERT_TRUE(all.has_value());
  ASSERT_EQ(all->size(), 3U);
  const std::string uuid = all->at(2).uuid;
  const Error error = failed(Balloon::make(0, {.mb = 1}, plan.options()));
  EXPECT_THAT(error.message, HasSubstr("split by MIG"));
  EXPECT_THAT(error.hint, HasSubstr(uuid));

  using Variables = std::map<std::string, std::string>;
  const ScopedEnvironment visible(Variables{{"CUDA_VISIBLE_DEVICES", uuid}});
  EXPECT_THAT(*cuda_visible_devices(plan.driver()), ElementsAre(0));
  Balloon balloon = plan.balloon({.fraction = 0.5}, uuid);
  EXPECT_EQ(balloon.inflate(), gib(10));
  EXPECT_EQ(balloon.status()->free_memory, gib(10));
  EXPECT_EQ(balloon.status()->total_memory, gib(20));
  EXPECT_EQ(balloon.status()->gpu_id, 0);
}

TEST(SmartReserve, TakesLessOfABusyGpu) {
  for (const auto& [utilization, expected] :
       std::map<std::string, Bytes>{{"0", mib(9216)},
                                    {"19", mib(9216)},
                                    {"20", mib(6144)},
                                    {"49", mib(6144)},
                                    {"50", mib(3072)},
                                    {"100", mib(3072)},
                                    {"not-supported", mib(3072)}}) {
    SimulatedDriver sim(kThree);
    sim.machine.set("gpu 0 util " + utilization);
    const auto balloon = smart_reserve(0, sim.options());
    ASSERT_TRUE(balloon.has_value()) << balloon.error().message;
    EXPECT_EQ(sim.used(), expected) << utilization;
  }
}

TEST(SmartReserve, FailsWhereThereIsNoSuchGpu) {
  const SimulatedDriver sim(kThree);
  EXPECT_EQ(failed(smart_reserve(7, sim.options())).code, ErrorCode::not_found);
}

TEST(GpuInformation, TellsUtilisationAndMemoryOfEach) {
  SimulatedDriver sim(kThree);
  sim.machine.set("gpu 1 util 37 foreign pid=42 mem=2GiB");
  sim.machine.set("gpu 2 util not-supported");
  const auto info = gpu_info(sim.driver());
  ASSERT_TRUE(info.has_value());
  ASSERT_EQ(info->size(), 3U);
  EXPECT_EQ(info->at(1).gpu_id, 1);
  EXPECT_EQ(info->at(1).utilization_percent, 37);
  EXPECT_EQ(info->at(1).used_memory, gib(2));
  EXPECT_EQ(info->at(1).free_memory, gib(18));
  EXPECT_EQ(info->at(1).total_memory, gib(21));
  EXPECT_EQ(info->at(2).utilization_percent, std::nullopt);
  EXPECT_THAT(info->at(0).name, HasSubstr("Sim"));
}

TEST(ReserveForRank, HoldsOnTheRanksOwnGpu) {
  SimulatedDriver sim(kThree);
  std::vector<Balloon> ranks;
  for (int rank = 0; rank < 3; ++rank) {
    auto balloon = reserve_for_rank(rank, 3, 0.6, sim.options());
    ASSERT_TRUE(balloon.has_value()) << balloon.error().message;
    ranks.push_back(std::move(*balloon));
  }
  EXPECT_THAT(used(sim), ElementsAre(mib(6144), mib(12288), mib(3072)));
}

TEST(ReserveForRank, RanksOnOneGpuShareTheAmount) {
  SimulatedDriver sim(kThree);
  std::vector<Balloon> ranks;
  for (int rank = 0; rank < 5; ++rank) {
    auto balloon = reserve_for_rank(rank, 5, 3000, sim.options());
    ASSERT_TRUE(balloon.has_value()) << balloon.error().message;
    ranks.push_back(std::move(*balloon));
  }
  EXPECT_THAT(used(sim), ElementsAre(mib(3000), mib(3000), mib(3000)));
  ranks.clear();
  for (int rank = 0; rank < 6; ++rank) {
    auto balloon = reserve_for_rank(rank, 6, 0.6, sim.options());
    ASSERT_TRUE(balloon.has_value()) << balloon.error().message;
    ranks.push_back(std::move(*balloon));
  }
  EXPECT_LE(sim.used(0), mib(6144));
  EXPECT_GE(sim.used(0), mib(5000));
}

TEST(ReserveForRank, RefusesRanksThatAreNone) {
  const SimulatedDriver sim(kThree);
  for (const auto& [rank, count] :
       std::vector<std::pair<int, int>>{{-1, 2}, {2, 2}, {0, 0}, {0, -1}, {5, 3}}) {
    EXPECT_EQ(failed(reserve_for_rank(rank, count, 0.5, sim.options())).code,
              ErrorCode::invalid_argument);
  }
  EXPECT_EQ(failed(reserve_for_rank(0, 1, "0.5", sim.options())).code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace levee::test
