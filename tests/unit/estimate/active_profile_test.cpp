#include "estimate/active_profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::estimate {
namespace {

using testing::HasSubstr;

MemoryProfile profile_of(std::string name, Bytes base) {
  return {.name = std::move(name),
          .base_usage = base,
          .per_batch_usage = mib(50),
          .per_token_usage = kib(3)};
}

TEST(ActiveProfile, IsNoneAtFirstAndSaysSo) {
  const ActiveProfile::Found found = ActiveProfile{}.find(ModelRegistry{});
  EXPECT_EQ(found.profile, std::nullopt);
  EXPECT_THAT(found.warning, HasSubstr("no memory profile is active"));
}

TEST(ActiveProfile, IsTheOneThatWasSet) {
  ModelRegistry registry;
  ASSERT_TRUE(registry.put_profile(profile_of("my-model-7b", gib(7))));
  ActiveProfile active;
  ASSERT_TRUE(active.set("my-model-7b", registry));
  EXPECT_EQ(active.name(), "my-model-7b");
  EXPECT_EQ(active.find(registry).profile, profile_of("my-model-7b", gib(7)));
  EXPECT_EQ(active.find(registry).warning, "");
  ASSERT_TRUE(registry.put_profile(profile_of("my-model-7b", gib(8))));
  EXPECT_EQ(active.find(registry).profile->base_usage, gib(8)) << "the latest counts";
  active.clear();
  EXPECT_EQ(active.find(registry).profile, std::nullopt);
}

TEST(ActiveProfile, RefusesNamesOfNoProfileAndKeepsWhatWasActive) {
  ModelRegistry registry;
  ASSERT_TRUE(registry.put_profile(profile_of("a", gib(7))));
  ActiveProfile active;
  ASSERT_TRUE(active.set("a", registry));
  for (const std::string_view bad : {"b", "A", "", "medium", "llama2-13b", "a\n"}) {
    EXPECT_FALSE(active.set(bad, registry)) << bad;
  }
  EXPECT_EQ(active.set("b", registry).error().code, ErrorCode::not_found);
  EXPECT_THAT(active.set("b", registry).error().message, HasSubstr("\"b\""));
  EXPECT_EQ(active.name(), "a");
}

TEST(ActiveProfile, SaysWhenItIsNoLongerRegistered) {
  ModelRegistry registry;
  ASSERT_TRUE(registry.put_profile(profile_of("a", gib(7))));
  ActiveProfile active;
  ASSERT_TRUE(active.set("a", registry));
  ASSERT_TRUE(registry.remove("a"));
  EXPECT_EQ(active.find(registry).profile, std::nullopt);
  EXPECT_THAT(active.find(registry).warning, HasSubstr("\"a\" is no longer registered"));
}

}  // namespace
}  // namespace levee::estimate
