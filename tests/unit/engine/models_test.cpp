#include "engine/models.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::engine {
namespace {

estimate::Requirements needs(Bytes host) {
  estimate::Requirements requirements;
  requirements.host = host;
  return requirements;
}

/// What came of a command that is about models.
Result<api::Outcome> done(Models& models, const api::Command& command) {
  auto outcome = models.execute(command, Now{});
  return outcome ? std::move(*outcome) : fail(ErrorCode::internal, "not about models");
}

TEST(Models, LeavesOtherCommandsToOthers) {
  Models models{config::Config{}};
  EXPECT_FALSE(models.execute(api::Cleanup{}, Now{}));
  EXPECT_FALSE(models.execute(api::UpdateConfig{}, Now{}));
}

TEST(Models, RegistersAndRemoves) {
  Models models{config::Config{}};
  EXPECT_TRUE(done(models, api::RegisterModel{"a", needs(gib(1))}));
  EXPECT_EQ(models.registry()->find("a").model.origin, estimate::Origin::api);
  EXPECT_FALSE(done(models, api::RegisterModel{"", needs(gib(1))}));
  EXPECT_FALSE(done(models, api::RegisterModel{"b", needs({})}));
  EXPECT_TRUE(done(models, api::RemoveModel{"a"}));
  EXPECT_EQ(done(models, api::RemoveModel{"a"}).error().code, ErrorCode::not_found);
}

TEST(Models, TracksTouchesAndForgets) {
  Models models{config::Config{}};
  const auto hit = [&](std::optional<Bytes> size) {
    return std::get<api::ModelsChanged>(done(models, api::TrackModel{"a", size}).value()).hit;
  };
  EXPECT_FALSE(hit({}));
  EXPECT_FALSE(hit(gib(2)));
  EXPECT_TRUE(hit({}));
  EXPECT_TRUE(hit(gib(3)));
  EXPECT_EQ(models.cache()->models().at(0).size, gib(3));
  EXPECT_FALSE(done(models, api::TrackModel{"a", Bytes{}}));
  EXPECT_TRUE(done(models, api::ForgetModel{"a"}));
  EXPECT_EQ(done(models, api::ForgetModel{"a"}).error().code, ErrorCode::not_found);
}

TEST(Models, HandsOutWhatNeverChanges) {
  Models models{config::Config{}};
  const auto before = models.cache();
  EXPECT_EQ(models.cache(), before) << "nothing is copied where nothing changed";
  ASSERT_TRUE(done(models, api::TrackModel{"a", gib(1)}));
  EXPECT_TRUE(before->models().empty());
  EXPECT_EQ(models.cache()->models().size(), 1U);
}

TEST(Models, FollowsTheConfigurationAndKeepsWhatCameByCommand) {
  config::Config config;
  config.model_cache.size = 1;
  config.models = {{"configured", needs(gib(1))}};
  Models models{config};
  ASSERT_TRUE(done(models, api::RegisterModel{"told", needs(gib(1))}));
  ASSERT_TRUE(done(models, api::TrackModel{"a", gib(1)}));
  ASSERT_TRUE(done(models, api::TrackModel{"b", gib(1)}));
  EXPECT_EQ(models.cache()->overflow(), 1U);
  EXPECT_EQ(models.registry()->find("configured").match, estimate::Match::exact);

  models.configure(config::Config{});
  EXPECT_EQ(models.cache()->overflow(), 0U);
  EXPECT_EQ(models.cache()->models().size(), 2U);
  EXPECT_EQ(models.registry()->find("configured").match, estimate::Match::unknown);
  EXPECT_EQ(models.registry()->find("told").match, estimate::Match::exact);
}

}  // namespace
}  // namespace levee::engine
