#include "estimate/model_cache.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimate/requirements.hpp"

namespace levee::estimate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Now at(int second) {
  return {WallTime{std::chrono::seconds{second}}, MonoTime{std::chrono::seconds{second}}};
}

std::vector<std::string> names(const std::vector<CachedModel>& models) {
  std::vector<std::string> result;
  for (const CachedModel& model : models) {
    result.push_back(model.id);
  }
  return result;
}

/// A cache for `size` models that were loaded in the order of `ids`.
ModelCache cache_of(std::size_t size, const std::vector<std::string>& ids) {
  ModelCache cache{size};
  int second = 0;
  for (const std::string& id : ids) {
    EXPECT_TRUE(cache.track(id, gib(1), at(++second)));
  }
  return cache;
}

TEST(ModelCache, ProposesNothingUpToItsSize) {
  EXPECT_THAT(ModelCache{5}.proposed_evictions(), IsEmpty());
  const ModelCache full = cache_of(5, {"a", "b", "c", "d", "e"});
  EXPECT_EQ(full.overflow(), 0U);
  EXPECT_THAT(full.proposed_evictions(), IsEmpty());
}

TEST(ModelCache, ProposesTheLeastRecentlyUsedBeyondItsSize) {
  ModelCache cache = cache_of(3, {"a", "b", "c", "d", "e"});
  EXPECT_EQ(cache.overflow(), 2U);
  EXPECT_THAT(names(cache.proposed_evictions()), ElementsAre("a", "b"));
  EXPECT_TRUE(cache.touch("a", at(9)));
  EXPECT_THAT(names(cache.proposed_evictions()), ElementsAre("b", "c"));
  ASSERT_TRUE(cache.track("b", gib(2), at(10)));
  EXPECT_THAT(names(cache.proposed_evictions()), ElementsAre("c", "d"));
  EXPECT_THAT(names(cache.models()), ElementsAre("c", "d", "e", "a", "b"));
  EXPECT_EQ(cache.models().back().size, gib(2));
  EXPECT_EQ(cache.models().back().last_use, at(10).wall);
  EXPECT_TRUE(cache.forget("c"));
  EXPECT_THAT(names(cache.proposed_evictions()), ElementsAre("d"));
}

TEST(ModelCache, FollowsTheOrderOfUseAlsoWhenTheClockIsSetBack) {
  ModelCache cache = cache_of(1, {"a", "b"});
  EXPECT_TRUE(cache.touch("a", Now{WallTime{}, at(20).mono}));
  EXPECT_THAT(names(cache.proposed_evictions()), ElementsAre("b"));
}

TEST(ModelCache, FollowsAChangeOfItsSize) {
  ModelCache cache = cache_of(5, {"a", "b", "c"});
  cache.set_size(0);
  EXPECT_THAT(names(cache.proposed_evictions()), ElementsAre("a", "b", "c"));
  cache.set_size(2);
  EXPECT_THAT(names(cache.proposed_evictions()), ElementsAre("a"));
}

TEST(ModelCache, CountsALoadAsAMissAndAReuseAsAHit) {
  ModelCache cache{5};
  EXPECT_EQ(cache.hit_rate(), std::nullopt);
  EXPECT_FALSE(cache.touch("a", at(1)));
  EXPECT_EQ(cache.hit_rate(), std::nullopt) << "the load that follows is the miss";
  ASSERT_TRUE(cache.track("a", gib(1), at(2)));
  EXPECT_EQ(cache.hit_rate(), 0.0);
  EXPECT_TRUE(cache.touch("a", at(3)));
  ASSERT_TRUE(cache.track("a", gib(1), at(4)));
  ASSERT_TRUE(cache.track("b", gib(1), at(5)));
  EXPECT_EQ(cache.hits(), 2U);
  EXPECT_EQ(cache.misses(), 2U);
  EXPECT_EQ(cache.hit_rate(), 0.5);
}

TEST(ModelCache, ForgetsOnlyWhatItKnows) {
  ModelCache cache = cache_of(5, {"a"});
  EXPECT_FALSE(cache.forget("A"));
  EXPECT_FALSE(cache.forget(""));
  EXPECT_TRUE(cache.forget("a"));
  EXPECT_FALSE(cache.forget("a"));
  EXPECT_THAT(cache.models(), IsEmpty());
}

TEST(ModelCache, RefusesNonsense) {
  ModelCache cache{5};
  EXPECT_FALSE(cache.track("", gib(1), at(1)));
  EXPECT_FALSE(cache.track(std::string(10'240, 'x'), gib(1), at(1)));
  EXPECT_FALSE(cache.track("a\nb", gib(1), at(1)));
  EXPECT_THAT(cache.track("a", Bytes{}, at(1)).error().message, HasSubstr("0 B"));
  EXPECT_FALSE(cache.track("a", Bytes{~0ULL}, at(1)));
  EXPECT_TRUE(cache.track("a", Bytes{64 * kTiB}, at(1)));
  EXPECT_EQ(cache.misses(), 1U) << "what is refused is not counted";
}

TEST(ModelCache, ForgetsTheLeastRecentlyUsedBeyondItsBound) {
  ModelCache cache{5};
  for (std::size_t i = 0; i < ModelCache::kMost; ++i) {
    ASSERT_TRUE(cache.track("m" + std::to_string(i), gib(1), at(static_cast<int>(i))));
  }
  EXPECT_EQ(cache.forgotten(), 0U);
  EXPECT_TRUE(cache.touch("m0", at(9'999)));
  ASSERT_TRUE(cache.track("one-more", gib(1), at(10'000)));
  EXPECT_EQ(cache.models().size(), ModelCache::kMost);
  EXPECT_EQ(cache.forgotten(), 1U);
  EXPECT_EQ(cache.models().front().id, "m2") << "m1 went; m0 was used";
  EXPECT_EQ(cache.overflow(), ModelCache::kMost - 5);
}

}  // namespace
}  // namespace levee::estimate
