#include "models/vision_towers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "models/hf_config.hpp"

namespace levee::models {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

/// A Llama of 64 hidden values that sees through a small SigLIP.
json seeing(const json& tower_changes = json::object(), const json& changes = json::object()) {
  json tower{{"model_type", "siglip_vision_model"},
             {"hidden_size", 8},
             {"intermediate_size", 16},
             {"num_hidden_layers", 2},
             {"num_channels", 3},
             {"image_size", 8},
             {"patch_size", 4},
             {"vision_use_head", false}};
  tower.update(tower_changes);
  json config{{"model_type", "gemma3"},
              {"text_config",
               {{"model_type", "llama"},
                {"num_hidden_layers", 2},
                {"hidden_size", 64},
                {"num_attention_heads", 8},
                {"vocab_size", 100},
                {"intermediate_size", 128}}},
              {"vision_config", tower}};
  config.update(changes);
  return config;
}

std::uint64_t counted(const json& config) {
  const auto read = facts_from_json(config);
  EXPECT_TRUE(read) << read.error().message;
  EXPECT_THAT(read->remark, IsEmpty());
  return read ? read->facts.vision_parameters : 0;
}

// Patches 3·4·4·8 + 8, four positions of 8; two layers of 4·(64 + 8), 8·16 + 16 and 16·8 + 8 and
// four norm vectors; a norm of 16.
constexpr std::uint64_t kTower = 392 + 32 + 2 * (288 + 144 + 136 + 32) + 16;

TEST(VisionTower, OfSiglipHasAPositionForEveryPatch) {
  EXPECT_EQ(counted(seeing()), kTower + 8 * 64 + 8);
  EXPECT_EQ(counted(seeing({{"image_size", 16}})), kTower + (16 - 4) * 8 + 8 * 64 + 8);
}

TEST(VisionTower, OfSiglipHasAPoolingHeadUnlessItIsSwitchedOff) {
  const std::uint64_t head = 8 + 288 + 16 + 144 + 136;
  EXPECT_EQ(counted(seeing({{"vision_use_head", true}})) - counted(seeing()), head);
  EXPECT_EQ(counted(seeing({{"vision_use_head", nullptr}})) - counted(seeing()), head);
}

TEST(VisionTower, OfPixtralHasNoBiasesAndMergesNeighbours) {
  const json config = seeing({{"model_type", "pixtral"}}, {{"model_type", "mistral3"}});
  const std::uint64_t tower = 384 + 8 + 2 * (4 * 64 + 3 * 8 * 16 + 16);
  EXPECT_EQ(counted(config), tower + 8 + 4 * 64 + 8 * 64 + 64 * 64);
}

TEST(VisionTower, OfMoonvitHasAGridOfPositions) {
  const json config =
      seeing({{"model_type", "moonvit"}, {"init_pos_emb_width", 1}}, {{"model_type", "kimi_vl"}});
  // The text model is a Llama here; the whole's type chooses the projector.
  EXPECT_EQ(counted(config), kTower - 32 + 64 * 8 + 16 + (32 * 32 + 32) + (32 * 64 + 64));
}

TEST(VisionTower, OfLlavaLooksAtAsManyLayersAsAreNamed) {
  const auto llava = [](const json& layers) {
    return seeing(json::object(), {{"model_type", "llava_next"}, {"vision_feature_layer", layers}});
  };
  const std::uint64_t second = 64 * 64 + 64;
  EXPECT_EQ(counted(llava(-2)), kTower + 8 * 64 + 64 + second + 64);
  EXPECT_EQ(counted(llava({-4, -3, -2, -1})), kTower + 32 * 64 + 64 + second + 64);
}

TEST(VisionTower, FillsInWhatTransformersDoes) {
  const json bare{{"model_type", "pixtral"}};
  json config = seeing(json::object(), {{"model_type", "mistral3"}});
  config["vision_config"] = bare;
  const std::uint64_t tower =
      3 * 16 * 16 * 1024 + 1024 + 24 * (4 * 1024 * 1024 + 3 * 1024 * 4096 + 2048);
  EXPECT_EQ(counted(config), tower + 1024 + 4 * 1024 * 1024 + 1024 * 64 + 64 * 64);
}

TEST(VisionTower, IsNotThereWithoutAConfigurationOfOne) {
  EXPECT_EQ(counted(seeing(json::object(), {{"vision_config", nullptr}})), 0U);
  EXPECT_EQ(counted(seeing(json::object(), {{"vision_config", 5}})), 0U);
}

TEST(VisionTower, ThatIsNotKnownIsSaidAndNotCounted) {
  for (const json& type :
       {json("mllama_vision_model"), json(""), json("SIGLIP_VISION_MODEL"), json(7)}) {
    const auto read = facts_from_json(seeing({{"model_type", type}}));
    ASSERT_TRUE(read) << type;
    EXPECT_EQ(read->facts.vision_parameters, 0U) << type;
    EXPECT_THAT(read->remark, HasSubstr("not counted")) << type;
  }
}

TEST(VisionTower, IsRefusedWithTheFieldAndItsValue) {
  struct Bad {
    json changes;
    std::string_view complaint;
  };
  const Bad cases[] = {{{{"hidden_size", -1}}, "hidden_size is -1"},
                       {{{"hidden_size", 1ULL << 40}}, "hidden_size is 1099511627776"},
                       {{{"num_hidden_layers", "27"}}, "num_hidden_layers is \"27\""},
                       {{{"num_hidden_layers", 100'000}}, "num_hidden_layers is 100000"},
                       {{{"image_size", 1e9}}, "image_size is 1000000000"},
                       {{{"num_channels", 65}}, "num_channels is 65"},
                       {{{"vision_use_head", 1}}, "vision_use_head is 1"},
                       {{{"image_size", json::array()}}, "image_size is []"}};
  for (const Bad& bad : cases) {
    const auto read = facts_from_json(seeing(bad.changes));
    ASSERT_FALSE(read) << bad.complaint;
    EXPECT_THAT(read.error().message, HasSubstr(bad.complaint));
    EXPECT_THAT(read.error().message, HasSubstr("vision_config"));
  }
  const auto read = facts_from_json(
      seeing(json::object(), {{"model_type", "llava"}, {"spatial_merge_size", 65}}));
  EXPECT_FALSE(read);
}

TEST(VisionTower, WithoutPatchesDividesByNothing) {
  EXPECT_GT(counted(seeing({{"patch_size", 0}})), 0U);
}

}  // namespace
}  // namespace levee::models
