#include "estimate/validate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace levee::estimate {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Gpu gpu(int index, Bytes free, ComputeCapability compute = {9, 0}) {
  Gpu made;
  made.uuid = "GPU-" + std::to_string(index);
  made.index = index;
  made.name = "Sim";
  made.free = free;
  made.total = gib(80);
  made.compute = compute;
  return made;
}

Machine machine(Bytes host, std::vector<Gpu> gpus) {
  return {.host_available = host, .host_total = gib(256), .gpus = std::move(gpus)};
}

Requirements needs(Bytes host, Bytes on_gpu) {
  Requirements requirements;
  requirements.host = host;
  requirements.gpu = on_gpu;
  return requirements;
}

Verdict ask(std::string_view id, const Machine& where,
            const std::optional<std::string>& uuid = std::nullopt) {
  return validate(id, ModelRegistry{}, ModelCache{5}, where, uuid);
}

std::vector<Resource> lacks(const Judgement& judgement) {
  std::vector<Resource> result;
  for (const Shortfall& shortfall : judgement.shortfalls) {
    result.push_back(shortfall.resource);
  }
  return result;
}

// --- fitting

TEST(Validate, FitsWithRoomToSpare) {
  const Verdict verdict = ask("facebook/musicgen-small", machine(gib(64), {gpu(0, gib(20))}));
  EXPECT_EQ(verdict.outcome, Outcome::fits);
  EXPECT_THAT(verdict.judgement.warnings, IsEmpty());
  EXPECT_EQ(verdict.judgement.host_left, gib(61));
  EXPECT_EQ(verdict.judgement.gpu_left, gib(14));
  EXPECT_EQ(verdict.judgement.gpu->uuid, "GPU-0");
  EXPECT_THAT(verdict.help, IsEmpty());
}

TEST(Validate, FitsToTheByteWithAWarning) {
  const Verdict verdict = ask("facebook/musicgen-small", machine(gib(3), {gpu(0, gib(6))}));
  EXPECT_EQ(verdict.outcome, Outcome::fits_with_warnings);
  EXPECT_THAT(verdict.judgement.warnings,
              ElementsAre("host memory: only 0 B of 3.00 GiB (0.0 %) would be left",
                          "memory of GPU 0 (Sim): only 0 B of 6.00 GiB (0.0 %) would be left"));
}

TEST(Validate, RefusesForOneMissingByte) {
  const Bytes byte{1};
  const Verdict verdict =
      ask("facebook/musicgen-small", machine(gib(3) - byte, {gpu(0, gib(6) - byte)}));
  EXPECT_EQ(verdict.outcome, Outcome::refused);
  ASSERT_THAT(lacks(verdict.judgement), ElementsAre(Resource::host_memory, Resource::gpu_memory));
  for (const Shortfall& shortfall : verdict.judgement.shortfalls) {
    EXPECT_EQ(shortfall.missing, byte);
    EXPECT_EQ(*shortfall.have + byte, shortfall.need);
    EXPECT_THAT(shortfall.text, HasSubstr("1 B missing"));
  }
}

TEST(Validate, TakesExactlyAFifthForEnoughSlack) {
  struct Case {
    Bytes have;
    std::size_t warnings;
  };
  const Bytes need{4'000'000};
  const Case cases[] = {
      {Bytes{5'000'000}, 0},  // exactly 20 %
      {Bytes{4'999'999}, 1},  // 19.99998 %
      {Bytes{5'000'001}, 0},
      {Bytes{4'000'000}, 1},
  };
  for (const Case& each : cases) {
    const Judgement host = judge(needs(need, {}), machine(each.have, {}));
    EXPECT_THAT(host.warnings, SizeIs(each.warnings)) << each.have.count;
    EXPECT_THAT(host.shortfalls, IsEmpty());
    const Judgement device = judge(needs({}, need), machine(gib(1), {gpu(0, each.have)}));
    EXPECT_THAT(device.warnings, SizeIs(each.warnings)) << each.have.count;
  }
  EXPECT_THAT(judge(needs(need, {}), machine(Bytes{4'999'999}, {})).warnings.front(),
              HasSubstr("(19.9 %)"))
      << "rounded down: 20 % would be enough";
}

TEST(Validate, IsNotConfusedByHugeNumbers) {
  const Bytes all{std::numeric_limits<std::uint64_t>::max()};
  EXPECT_THAT(judge(needs(gib(1), {}), machine(all, {})).warnings, IsEmpty());
  EXPECT_THAT(judge(needs(all, all), machine(all, {gpu(0, all)})).warnings, SizeIs(2));
  Gpu shared = gpu(0, all);
  shared.shares_host_memory = true;
  EXPECT_THAT(judge(needs(all, all), machine(all, {shared})).shortfalls, IsEmpty())
      << "the sum saturates";
}

TEST(Validate, NeedsNoGpuWhereTheModelNeedsNone) {
  const Judgement judgement = judge(needs(gib(1), {}), machine(gib(64), {}));
  EXPECT_THAT(judgement.shortfalls, IsEmpty());
  EXPECT_EQ(judgement.gpu, std::nullopt);
}

TEST(Validate, WarnsOfANameItDoesNotKnow) {
  const Verdict verdict = ask("meta/llama", machine(gib(64), {gpu(0, gib(80))}));
  EXPECT_EQ(verdict.outcome, Outcome::fits_with_warnings);
  ASSERT_THAT(verdict.judgement.warnings, SizeIs(1));
  EXPECT_THAT(verdict.judgement.warnings.front(), HasSubstr("\"meta/llama\" is not known"));
}

// --- falling short

TEST(Validate, NamesEveryShortfall) {
  const Verdict verdict = ask("facebook/musicgen-large", machine(gib(2), {gpu(0, gib(4), {7, 5})}));
  EXPECT_EQ(verdict.outcome, Outcome::refused);
  ASSERT_THAT(lacks(verdict.judgement), ElementsAre(Resource::host_memory, Resource::gpu_memory,
                                                    Resource::compute_capability));
  EXPECT_EQ(verdict.judgement.shortfalls[0].text,
            "host memory: 12.0 GiB needed, 2.00 GiB free, 10.0 GiB missing");
  EXPECT_EQ(verdict.judgement.shortfalls[1].text,
            "memory of GPU 0 (Sim): 24.0 GiB needed, 4.00 GiB free, 20.0 GiB missing");
  EXPECT_EQ(verdict.judgement.shortfalls[2].text,
            "GPU 0 (Sim): compute capability 8.0 needed, this is 7.5");
  EXPECT_EQ(verdict.judgement.gpu_left, std::nullopt);
}

TEST(Validate, TakesTheCapabilityItNeedsAndNoLess) {
  const auto at = [](ComputeCapability capability) {
    return lacks(ask("large", machine(gib(64), {gpu(0, gib(80), capability)})).judgement);
  };
  EXPECT_THAT(at({7, 5}), IsEmpty());
  EXPECT_THAT(at({10, 0}), IsEmpty()) << "10.0 is newer than 7.5";
  EXPECT_THAT(at({7, 4}), ElementsAre(Resource::compute_capability));
  EXPECT_THAT(at({6, 9}), ElementsAre(Resource::compute_capability));
}

TEST(Validate, SaysWhenThereIsNoGpu) {
  const Verdict verdict = ask("small", machine(gib(64), {}));
  ASSERT_THAT(lacks(verdict.judgement), ElementsAre(Resource::gpu));
  EXPECT_EQ(verdict.judgement.shortfalls[0].text,
            "a GPU with 4.00 GiB is needed: there is none that Levee can see");
  EXPECT_THAT(verdict.help, IsEmpty());
}

TEST(Validate, SaysWhyNoGpuTakesWork) {
  Gpu lost = gpu(0, gib(80));
  lost.unusable = "is lost";
  Gpu split = gpu(1, gib(80));
  split.unusable = "is in MIG mode";
  const Verdict verdict = ask("small", machine(gib(64), {lost, split}));
  ASSERT_THAT(lacks(verdict.judgement), ElementsAre(Resource::gpu));
  EXPECT_THAT(verdict.judgement.shortfalls[0].text,
              HasSubstr("GPU 0 (Sim) is lost, GPU 1 (Sim) is in MIG mode"));
  EXPECT_EQ(verdict.judgement.gpu, std::nullopt);
  EXPECT_EQ(ask("small", machine(gib(64), {lost, gpu(1, gib(80))})).judgement.gpu->index, 1);
}

TEST(Validate, DoesNotTrustMemoryThatCannotBeRead) {
  Machine blind = machine(gib(64), {gpu(0, gib(80))});
  blind.host_available.reset();
  blind.gpus[0].free.reset();
  const Verdict verdict = ask("small", blind);
  ASSERT_THAT(lacks(verdict.judgement), ElementsAre(Resource::host_memory, Resource::gpu_memory));
  EXPECT_EQ(verdict.judgement.shortfalls[0].have, std::nullopt);
  EXPECT_THAT(verdict.judgement.shortfalls[1].text, HasSubstr("cannot be read"));
}

TEST(Validate, OnlyWarnsOfACapabilityThatCannotBeRead) {
  Gpu other = gpu(0, gib(80));
  other.compute.reset();
  const Verdict verdict = ask("small", machine(gib(64), {other}));
  EXPECT_EQ(verdict.outcome, Outcome::fits_with_warnings);
  EXPECT_THAT(verdict.judgement.warnings.front(), HasSubstr("compute capability 6.0 is needed"));
  EXPECT_EQ(ask("small", machine(gib(64), {other, gpu(1, gib(80))})).judgement.gpu->index, 1)
      << "one whose capability is known suits better";
}

TEST(Validate, AddsBothNeedsWhereTheGpuSharesTheHostsMemory) {
  Gpu shared = gpu(0, gib(10), {12, 1});
  shared.shares_host_memory = true;
  EXPECT_THAT(ask("small", machine(gib(10), {shared})).judgement.shortfalls, IsEmpty());
  const Verdict verdict = ask("medium", machine(gib(10), {shared}));
  ASSERT_THAT(lacks(verdict.judgement), ElementsAre(Resource::gpu_memory));
  EXPECT_EQ(verdict.judgement.shortfalls[0].need, gib(12));
  EXPECT_THAT(verdict.judgement.shortfalls[0].text, HasSubstr("shares with the host"));
}

// --- which GPU

TEST(Validate, ChoosesTheGpuWithLeastLeftOver) {
  const Verdict verdict = ask(
      "small", machine(gib(64), {gpu(0, gib(40)), gpu(1, gib(8)), gpu(2, gib(3)), gpu(3, gib(8))}));
  EXPECT_EQ(verdict.judgement.gpu->index, 1) << "of equals the first";
}

TEST(Validate, PrefersSlackToATightFit) {
  EXPECT_EQ(ask("small", machine(gib(64), {gpu(0, gib(4)), gpu(1, gib(40))})).judgement.gpu->index,
            1);
  const Verdict tight = ask("small", machine(gib(64), {gpu(0, mib(4100)), gpu(1, mib(4200))}));
  EXPECT_EQ(tight.judgement.gpu->index, 1) << "where all are tight, the one with most left";
}

TEST(Validate, ShowsTheNearestWhereNoneFits) {
  const Verdict verdict = ask("large", machine(gib(64), {gpu(0, gib(1)), gpu(1, gib(15), {6, 0}),
                                                         gpu(2, gib(12)), gpu(3, gib(2))}));
  EXPECT_EQ(verdict.judgement.gpu->index, 2);
  EXPECT_THAT(lacks(verdict.judgement), ElementsAre(Resource::gpu_memory));
}

TEST(Validate, LooksOnlyAtTheGpuThatIsNamed) {
  const Machine where = machine(gib(64), {gpu(0, gib(2)), gpu(1, gib(40)), gpu(2, gib(9))});
  EXPECT_EQ(ask("small", where, "GPU-1").judgement.gpu->index, 1);
  const Verdict refused = ask("small", where, "GPU-0");
  EXPECT_EQ(refused.outcome, Outcome::refused);
  ASSERT_FALSE(refused.help.empty());
  EXPECT_EQ(refused.help[0].kind, Help::Kind::other_gpu);
  EXPECT_EQ(refused.help[0].gpu->index, 2);
  EXPECT_EQ(refused.help[0].text, "GPU 2 (Sim) would do: it has 9.00 GiB free");
  EXPECT_THAT(lacks(ask("small", where, "GPU-9").judgement), ElementsAre(Resource::gpu));
}

// --- what would help

TEST(Help, NamesTheLargestSmallerVariantThatFits) {
  const auto suggested = [](std::string_view id, Bytes free) {
    const Verdict verdict = ask(id, machine(gib(64), {gpu(0, free)}));
    return verdict.help.empty() ? "" : verdict.help.front().models.at(0);
  };
  EXPECT_EQ(suggested("facebook/musicgen-large", gib(12)), "facebook/musicgen-medium");
  EXPECT_EQ(suggested("facebook/musicgen-large", gib(11)), "facebook/musicgen-small");
  EXPECT_EQ(suggested("facebook/musicgen-large", gib(5)), "");
  EXPECT_EQ(suggested("facebook/musicgen-small", gib(5)), "") << "there is no smaller one";
  EXPECT_EQ(suggested("large", gib(15)), "medium");
  EXPECT_EQ(suggested("acme/sound-large", gib(7)), "small")
      << "of an unknown one at least the size";
}

TEST(Help, KnowsTheVariantsOfCustomModels) {
  ModelRegistry registry;
  ASSERT_TRUE(registry.put("acme/big-70b", needs(gib(1), gib(70))));
  ASSERT_TRUE(registry.put("acme/big-13b", needs(gib(1), gib(13))));
  ASSERT_TRUE(registry.put("acme/big-7b", needs(gib(1), gib(7))));
  ASSERT_TRUE(registry.put("acme/other-8b", needs(gib(1), gib(8))));
  ASSERT_TRUE(registry.put("acme", needs(gib(1), gib(1))));
  const auto suggested = [&](std::string_view id, Bytes free) {
    const auto help = validate(id, registry, ModelCache{5}, machine(gib(64), {gpu(0, free)})).help;
    return help.empty() ? "" : help.front().models.at(0);
  };
  EXPECT_EQ(suggested("acme/big-70b", gib(20)), "acme/big-13b");
  EXPECT_EQ(suggested("acme/big-70b", gib(9)), "acme/big-7b");
  EXPECT_EQ(suggested("acme/big-70b", gib(2)), "");
  EXPECT_EQ(suggested("acme/other-8b", gib(7)), "") << "7b is another family's";
  EXPECT_EQ(suggested("acme/big-large", gib(14)), "acme/big-13b") << "asked for, not registered";
}

ModelCache cache_with(const std::vector<std::pair<std::string, Bytes>>& models) {
  ModelCache cache{5};
  for (const auto& [id, size] : models) {
    EXPECT_TRUE(cache.track(id, size, Now{}));
  }
  return cache;
}

/// The models whose eviction is proposed to make room for "small" (4 GiB) beside `free`.
std::vector<std::string> evicted(const ModelCache& cache, Bytes free, Bytes host = gib(64)) {
  const Verdict verdict = validate("small", ModelRegistry{}, cache, machine(host, {gpu(0, free)}));
  for (const Help& help : verdict.help) {
    if (help.kind == Help::Kind::evict_models) {
      return help.models;
    }
  }
  return {};
}

TEST(Help, ProposesTheLeastRecentlyUsedModelsThatFreeEnough) {
  const ModelCache cache = cache_with({{"a", gib(1)}, {"b", gib(1)}, {"c", gib(2)}});
  EXPECT_THAT(evicted(cache, gib(3)), ElementsAre("a")) << "exactly what is missing";
  EXPECT_THAT(evicted(cache, mib(2500)), ElementsAre("a", "b"));
  EXPECT_THAT(evicted(cache, gib(0)), ElementsAre("a", "b", "c"));
  EXPECT_THAT(evicted(cache, gib(4)), IsEmpty()) << "nothing is missing";
}

TEST(Help, ProposesNoEvictionThatIsNotNeededOrNotEnough) {
  EXPECT_THAT(evicted(cache_with({{"a", gib(1)}, {"b", gib(5)}}), gib(1)), ElementsAre("b"));
  EXPECT_THAT(evicted(cache_with({{"a", gib(1)}, {"b", gib(1)}}), gib(1)), IsEmpty());
  EXPECT_THAT(evicted(cache_with({{"small", gib(4)}}), gib(3)), IsEmpty())
      << "not the model that is asked for";
  EXPECT_THAT(evicted(cache_with({{"a", gib(2)}}), gib(3), gib(0)), IsEmpty())
      << "1 GiB of GPU and 2 GiB of host memory are missing";
  EXPECT_THAT(evicted(cache_with({{"a", gib(3)}}), gib(3), gib(0)), ElementsAre("a"));
}

TEST(Help, ProposesNoEvictionWhereMemoryIsNotWhatIsMissing) {
  const ModelCache cache = cache_with({{"a", gib(40)}});
  const auto help_on = [&](std::vector<Gpu> gpus) {
    return validate("small", ModelRegistry{}, cache, machine(gib(64), std::move(gpus))).help;
  };
  EXPECT_THAT(help_on({}), IsEmpty());
  EXPECT_THAT(help_on({gpu(0, gib(1), {5, 0})}), IsEmpty());
}

Holding holding(std::string who, int on_gpu, Bytes bytes,
                std::optional<std::chrono::seconds> ends_in = std::nullopt) {
  Holding made;
  made.who = std::move(who);
  made.gpus = {{"GPU-" + std::to_string(on_gpu), bytes}};
  made.ends_in = ends_in;
  return made;
}

/// What "small", of 2 GiB on the host and 4 GiB of GPU memory, is told to wait for.
std::optional<Help> wait_for(Machine where, std::vector<Holding> holdings) {
  where.holdings = std::move(holdings);
  for (const Help& help : ask("small", where).help) {
    if (help.kind == Help::Kind::wait) {
      return help;
    }
  }
  return std::nullopt;
}

TEST(Help, SaysForWhomToWaitAndHowLong) {
  const Machine where = machine(gib(64), {gpu(0, gib(1)), gpu(1, gib(2))});
  const auto help =
      wait_for(where, {holding("late", 0, gib(20), 3600s), holding("other", 1, gib(1), 60s),
                       holding("soon", 0, gib(3), 90s), holding("never", 1, gib(9))});
  ASSERT_TRUE(help);
  EXPECT_EQ(help->text, "it fits once soon is over: in 1m 30s at the latest");
  EXPECT_EQ(help->after, 90s);
  EXPECT_EQ(help->gpu->uuid, "GPU-0");
}

TEST(Help, SaysThatNobodyKnowsWhenALeaseWithoutATimeEnds) {
  const auto help =
      wait_for(machine(gib(64), {gpu(0, gib(1))}),
               {holding("a", 0, gib(1)), holding("b", 0, gib(1), 5s), holding("c", 0, gib(1)),
                holding("d", 0, Bytes{}), holding("e", 0, gib(1))});
  ASSERT_TRUE(help);
  EXPECT_THAT(help->text, HasSubstr("once b, a, c are over: nobody knows when"));
  EXPECT_EQ(help->after, std::nullopt);
}

TEST(Help, WaitsForTheHostToo) {
  Holding host = holding("fat", 0, Bytes{}, 7s);
  host.host = gib(3);
  const auto help = wait_for(machine(gib(1), {gpu(0, gib(10))}), {host});
  ASSERT_TRUE(help);
  EXPECT_EQ(help->after, 7s);
}

TEST(Help, DoesNotLetWaitInVain) {
  const Machine where = machine(gib(64), {gpu(0, gib(1))});
  EXPECT_FALSE(wait_for(where, {}));
  EXPECT_FALSE(wait_for(where, {holding("a", 0, gib(2), 5s)})) << "too little";
  EXPECT_FALSE(wait_for(where, {holding("a", 7, gib(20), 5s)})) << "elsewhere";
  EXPECT_FALSE(wait_for(machine(gib(64), {gpu(0, gib(1), {5, 0})}), {holding("a", 0, gib(20))}))
      << "a capability does not come by waiting";
}

TEST(Help, IsQuickAndShortForVeryManyHoldings) {
  std::vector<Holding> many;
  for (int i = 0; i < 10'000; ++i) {
    many.push_back(holding("job", 0, mib(1), std::chrono::seconds{i}));
  }
  const auto help = wait_for(machine(gib(64), {gpu(0, Bytes{})}), std::move(many));
  ASSERT_TRUE(help);
  EXPECT_EQ(help->after, 4095s);
  EXPECT_THAT(help->text, HasSubstr("job, job, job and 4093 more are over"));
}

}  // namespace
}  // namespace levee::estimate
