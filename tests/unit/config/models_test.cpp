#include "config/models.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/temp_dir.hpp"

namespace levee::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// The settings of a file with this text.
Result<Settings> settings_of(const std::string& text) {
  const test::TempDir folder;
  const auto file = folder.path() / "levee.toml";
  std::ofstream(file) << text;
  auto settings = Settings::load(Inputs{file, {}, {}, {}});
  if (!settings) {
    // The folder's name changes from run to run.
    std::string& message = settings.error().message;
    if (const auto at = message.find(file.string()); at != std::string::npos) {
      message.replace(at, file.string().size(), "levee.toml");
    }
  }
  return settings;
}

TEST(ConfiguredModels, AreReadFromTheirTables) {
  const auto settings = settings_of(
      "model_cache_size = 3\n"
      "[models.\"my/model-3.1\"]\n"
      "cpu_memory_gb = 6.5\n"
      "gpu_memory_gb = 12\n"
      "min_gpu_compute = 7.5\n"
      "recommended_batch_size = 2\n"
      "notes = \"ours\"\n"
      "[models.cpu-only]\n"
      "cpu_memory_gb = 1\n");
  ASSERT_TRUE(settings) << settings.error().message;
  const auto& models = settings->config().models;
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models.at("my/model-3.1"),
            (estimate::Requirements{.host = mib(6656),
                                    .gpu = gib(12),
                                    .min_compute = ComputeCapability{7, 5},
                                    .recommended_batch = 2,
                                    .notes = "ours"}));
  EXPECT_EQ(models.at("cpu-only").gpu, Bytes{});
  EXPECT_EQ(models.at("cpu-only").min_compute, std::nullopt);
  EXPECT_EQ(models.at("cpu-only").recommended_batch, 1);
  EXPECT_THAT(changed_keys(Config{}, settings->config()),
              ElementsAre("model_cache_size", "models"));
}

TEST(ConfiguredModels, MayBeNone) {
  for (const char* text : {"", "[models]\n", "model_cache_size = 5\n"}) {
    const auto settings = settings_of(text);
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_THAT(settings->config().models, IsEmpty());
  }
}

TEST(ConfiguredModels, AreRefusedWithFileLineFieldAndValue) {
  struct Case {
    std::string text;
    std::string_view message;
  };
  const std::string head = "[models.\"my/model\"]\ncpu_memory_gb = 1\n";
  const Case cases[] = {
      {head + "gpu_memory_gb = -1\n",
       "levee.toml:3: models.\"my/model\": gpu_memory_gb: -1 is not a number of GB"},
      {head + "gpu_memory_gb = 65537\n", "levee.toml:3: models.\"my/model\": gpu_memory_gb: 65537"},
      {head + "gpu_memory_gb = nan\n", "levee.toml:3: models.\"my/model\": gpu_memory_gb: "},
      {head + "gpu_memory_gb = inf\n", "levee.toml:3: models.\"my/model\": gpu_memory_gb: "},
      {head + "gpu_memory_gb = \"12GB\"\n",
       "levee.toml:3: models.\"my/model\": gpu_memory_gb: \"12GB\" is not a number"},
      {head + "gpu_memory_gb = true\n", "levee.toml:3: models.\"my/model\": gpu_memory_gb: true"},
      {head + "min_gpu_compute = 7.55\n",
       "levee.toml:3: models.\"my/model\": min_gpu_compute: 7.55"},
      {head + "recommended_batch_size = 0\n",
       "levee.toml:3: models.\"my/model\": recommended_batch_size: 0"},
      {head + "recommended_batch_size = 1.5\n",
       "levee.toml:3: models.\"my/model\": recommended_batch_size: 1.5 is not a whole number"},
      {head + "notes = 3\n", "levee.toml:3: models.\"my/model\": notes: 3 is not a text"},
      {head + "gpu_memory = 12\n",
       "levee.toml:3: models.\"my/model\": a model has no field \"gpu_memory\""},
      {head + "[models.\"my/model\".more]\nnotes = \"\"\n",
       "levee.toml:4: models.\"my/model.more\""},
      {"[models.none]\nnotes = \"\"\n", "levee.toml:2: models.\"none\": it needs 0 GB"},
      {"[models.none]\n", "levee.toml:1: \"models.none\" says nothing of its model"},
      {"[models.\"\"]\ncpu_memory_gb = 1\n",
       "levee.toml:2: models.\"\": the model's name is empty"},
      {"[models.\"" + std::string(600, 'x') + "\"]\ncpu_memory_gb = 1\n", "levee.toml:2: models."},
      {"[models.\"a\\nb\"]\ncpu_memory_gb = 1\n", "levee.toml:2: models."},
      {"models = 5\n", "levee.toml:1: \"models\" is a table, not a value"},
      {"[models]\nmine = 5\n", "levee.toml:2: \"models.mine\" is a table, not a value"},
      {"[[models]]\ncpu_memory_gb = 1\n", "levee.toml:1: "},
      {"[modells.x]\ncpu_memory_gb = 1\n", "levee.toml:2: "},
  };
  for (const Case& each : cases) {
    const auto settings = settings_of(each.text);
    ASSERT_FALSE(settings) << each.text;
    EXPECT_THAT(settings.error().message, StartsWith(std::string(each.message))) << each.text;
    EXPECT_EQ(settings.error().code == ErrorCode::internal, false);
  }
}

TEST(ConfiguredModels, SuggestTheFieldThatWasMeant) {
  const auto near = settings_of("[models.x]\ncpu_memory_gb = 1\ngpu_memori_gb = 2\n");
  ASSERT_FALSE(near);
  EXPECT_EQ(near.error().hint, "did you mean gpu_memory_gb?");
  const auto far = settings_of("[models.x]\ncpu_memory_gb = 1\nzzz = 2\n");
  ASSERT_FALSE(far);
  EXPECT_THAT(far.error().hint, HasSubstr("cpu_memory_gb, gpu_memory_gb, min_gpu_compute"));
}

TEST(ConfiguredModels, ComeOnlyFromTheFile) {
  const auto settings = Settings::load({});
  ASSERT_TRUE(settings);
  const auto changed = settings->with_runtime({{"models.x.cpu_memory_gb", Value{1.0}}});
  ASSERT_FALSE(changed);
  EXPECT_THAT(changed.error().hint, HasSubstr("PUT /api/v1/models"));
  const auto line = Settings::load(Inputs{{}, {}, {}, {{"models.x.cpu_memory_gb", "1"}}});
  EXPECT_FALSE(line);
}

TEST(ConfiguredModels, FollowAReload) {
  const test::TempDir folder;
  const auto file = folder.path() / "levee.toml";
  const auto write = [&](std::string_view text) { std::ofstream(file) << text; };
  write("[models.a]\ncpu_memory_gb = 1\n");
  const auto before = Settings::load(Inputs{file, {}, {}, {}});
  ASSERT_TRUE(before);
  write("[models.a]\ncpu_memory_gb = 2\n");
  const auto after = before->reloaded();
  ASSERT_TRUE(after);
  EXPECT_EQ(after->config().models.at("a").host, gib(2));
  EXPECT_THAT(changed_keys(before->config(), after->config()), ElementsAre("models"));
  write("[models.a]\ncpu_memory_gb = -2\n");
  EXPECT_FALSE(before->reloaded());
}

TEST(RequirementsFrom, NeedsMemoryOfSomeKind) {
  EXPECT_FALSE(requirements_from({}));
  EXPECT_FALSE(requirements_from({{"notes", Value{std::string("x")}}}));
  EXPECT_TRUE(requirements_from({{"gpu_memory_gb", Value{0.5}}}));
  EXPECT_FALSE(requirements_from({{"gpu_memory_gb", Value{0.5}}, {"gpu", Value{0.5}}}));
}

}  // namespace
}  // namespace levee::config
