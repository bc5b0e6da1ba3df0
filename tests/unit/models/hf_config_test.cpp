#include "models/hf_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "estimate/parameters.hpp"

namespace levee::models {
namespace {

using estimate::Quantization;
using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

json small() {
  return {{"model_type", "llama"},    {"num_hidden_layers", 2}, {"hidden_size", 64},
          {"num_attention_heads", 8}, {"vocab_size", 100},      {"intermediate_size", 128},
          {"num_key_value_heads", 2}};
}

json with(json changes) {
  json config = small();
  config.update(changes);
  return config;
}

estimate::ModelFacts facts(const json& config) {
  auto read = facts_from_json(config);
  EXPECT_TRUE(read) << read.error().message;
  return read ? read->facts : estimate::ModelFacts{};
}

std::string complaint(const json& config) {
  const auto read = facts_from_json(config);
  return read ? "" : read.error().message;
}

TEST(HfConfig, ReadsALlama) {
  const auto read = facts(small());
  EXPECT_EQ(read.layers, 2U);
  EXPECT_EQ(read.head_dim, 8U);
  EXPECT_EQ(read.kv_heads, 2U);
  EXPECT_FALSE(read.tied_embeddings);
  EXPECT_EQ(read.bytes_per_value, 2);
  // Attention 64·64 + 2·64·16 + 64·64, MLP 3·64·128, two norms of 64; embeddings twice.
  EXPECT_EQ(estimate::count_parameters(read).total(),
            2U * (64 * 64 * 2 + 2 * 64 * 16 + 3 * 64 * 128 + 128) + 64 + 2 * 100 * 64);
}

TEST(HfConfig, TakesTheHeadSizeThatIsWrittenDown) {
  EXPECT_EQ(facts(with({{"head_dim", 16}})).head_dim, 16U);
  EXPECT_EQ(facts(with({{"head_dim", nullptr}})).head_dim, 8U);
}

TEST(HfConfig, KnowsWhichLayersLookBackAWindowOnly) {
  EXPECT_FALSE(facts(small()).window);
  const json mistral = with({{"model_type", "mistral"}, {"sliding_window", 32}});
  EXPECT_EQ(facts(mistral).window->layers, 2U);
  EXPECT_FALSE(facts(with({{"model_type", "mistral"}, {"sliding_window", nullptr}})).window);
  const json gemma =
      with({{"model_type", "gemma3_text"}, {"sliding_window", 32}, {"num_hidden_layers", 26}});
  EXPECT_EQ(facts(gemma).window->layers, 22U);
  json listed = gemma;
  listed["layer_types"] = {"sliding_attention", "full_attention", "sliding_attention"};
  EXPECT_EQ(facts(listed).window->layers, 2U);
  const json qwen = with({{"model_type", "qwen2"}, {"sliding_window", 32}});
  EXPECT_FALSE(facts(qwen).window) << "declared, and not used";
}

TEST(HfConfig, ReadsTheLanguageModelOfSeveralParts) {
  const json config{{"model_type", "gemma3"},
                    {"vision_config", {{"hidden_size", 7}}},
                    {"text_config", with({{"model_type", "gemma3_text"}})},
                    {"torch_dtype", "float32"}};
  EXPECT_EQ(facts(config).hidden, 64U);
  EXPECT_EQ(facts(config).bytes_per_value, 4);
}

TEST(HfConfig, FillsInWhatGemma3LeavesToTransformers) {
  // The published text_config of Gemma 3 4B.
  const auto read = facts({{"model_type", "gemma3"},
                           {"text_config",
                            {{"model_type", "gemma3_text"},
                             {"hidden_size", 2560},
                             {"intermediate_size", 10'240},
                             {"num_hidden_layers", 34},
                             {"sliding_window", 1024}}}});
  EXPECT_EQ(read.heads, 8U);
  EXPECT_EQ(read.kv_heads, 4U);
  EXPECT_EQ(read.vocab, 262'208U);
  EXPECT_EQ(read.window->tokens, 1024U);
  EXPECT_EQ(estimate::count_parameters(read).total(), 3'880'263'168U);
}

TEST(HfConfig, KnowsHowFarRotaryTablesReach) {
  const auto rows = [](json changes) { return facts(with(std::move(changes))).rotary_rows; };
  EXPECT_EQ(rows({{"rope_theta", 1e6}}), 0U) << "nobody says how long sequences get";
  EXPECT_EQ(rows({{"max_position_embeddings", 512}}), 0U) << "nor that positions are rotary";
  EXPECT_EQ(rows({{"max_position_embeddings", 512}, {"rope_theta", 1e6}}), 512U);
  const auto scaled = [&](json how) {
    return rows({{"max_position_embeddings", 512}, {"rope_scaling", std::move(how)}});
  };
  EXPECT_EQ(scaled({{"rope_type", "linear"}, {"factor", 8.0}}), 4096U);
  EXPECT_EQ(scaled({{"type", "linear"}, {"factor", 2}}), 1024U);
  EXPECT_EQ(
      scaled({{"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 64}}),
      256U);
  EXPECT_EQ(scaled({{"rope_type", "llama3"}, {"factor", 8.0}}), 512U);
  for (const json& bad : {json(0), json(-8), json(1e30), json("8"), json(nullptr)}) {
    EXPECT_EQ(scaled({{"rope_type", "linear"}, {"factor", bad}}), 512U) << bad;
  }
}

TEST(HfConfig, ReadsAGptOss) {
  const auto read = facts(with({{"model_type", "gpt_oss"},
                                {"num_local_experts", 4},
                                {"num_experts_per_tok", 2},
                                {"sliding_window", 16},
                                {"quantization_config", {{"quant_method", "mxfp4"}}}}));
  EXPECT_EQ(read.quantization, Quantization::mxfp4);
  EXPECT_EQ(read.window->layers, 1U) << "every other one";
  // Attention with biases and a sink for each head, two norms, four experts with biases, a router
  // with biases.
  const std::uint64_t attention = 64 * 64 * 2 + 2 * 64 * 16 + 64 + 2 * 16 + 64 + 8;
  const std::uint64_t experts = 4 * (3 * 64 * 128 + 2 * 128 + 64) + 64 * 4 + 4;
  EXPECT_EQ(estimate::count_parameters(read).total(),
            2 * (attention + 128 + experts) + 64 + 2 * 100 * 64);
}

TEST(HfConfig, ReadsAStarCoder) {
  const json config{
      {"model_type", "gpt_bigcode"}, {"n_layer", 1},      {"n_embd", 64},   {"n_head", 8},
      {"n_positions", 32},           {"vocab_size", 100}, {"n_inner", 128}, {"multi_query", true}};
  EXPECT_EQ(facts(config).kv_heads, 1U);
  json all_heads = config;
  all_heads["multi_query"] = false;
  EXPECT_EQ(facts(all_heads).kv_heads, 8U);
}

TEST(HfConfig, SaysWhenItTakesAModelForALlama) {
  const auto read = facts_from_json(with({{"model_type", "new-and-shiny"}}));
  ASSERT_TRUE(read);
  EXPECT_THAT(read->remark, HasSubstr("new-and-shiny"));
  EXPECT_THAT(facts_from_json(small())->remark, IsEmpty());
  EXPECT_THAT(complaint({{"model_type", "clock"}}), HasSubstr("\"clock\" is not known"));
}

TEST(HfConfig, KnowsHowWeightsAreQuantised) {
  const auto quantization = [](json how) {
    return facts(with({{"quantization_config", std::move(how)}})).quantization;
  };
  EXPECT_EQ(quantization({{"quant_method", "awq"}, {"bits", 4}}), Quantization::int4_grouped);
  EXPECT_EQ(quantization({{"quant_method", "gptq"}, {"bits", 8}}), Quantization::int8);
  EXPECT_EQ(quantization({{"quant_method", "fp8"}}), Quantization::fp8);
  EXPECT_EQ(quantization({{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}}),
            Quantization::nf4);
  EXPECT_EQ(quantization({{"quant_method", "bitsandbytes"}, {"bnb_4bit_use_double_quant", true}}),
            Quantization::nf4_double);
  EXPECT_EQ(quantization(5), Quantization::none);
}

struct Bad {
  json changes;
  std::string_view complaint;
};

class BadConfig : public testing::TestWithParam<Bad> {};

TEST_P(BadConfig, IsRefusedWithTheFieldAndItsValue) {
  EXPECT_THAT(complaint(with(GetParam().changes)), HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    HfConfig, BadConfig,
    testing::Values(Bad{{{"hidden_size", 0}}, "hidden_size is 0"},
                    Bad{{{"hidden_size", -5}}, "hidden_size is -5"},
                    Bad{{{"hidden_size", 1.5}}, "hidden_size is 1.5"},
                    Bad{{{"hidden_size", "64"}}, "hidden_size is \"64\""},
                    Bad{{{"hidden_size", nullptr}}, "hidden_size or n_embd or d_model is missing"},
                    Bad{{{"hidden_size", 1ULL << 63}}, "hidden_size is 9223372036854775808"},
                    Bad{{{"num_hidden_layers", 1'000'000}}, "num_hidden_layers is 1000000"},
                    Bad{{{"num_attention_heads", 0}}, "num_attention_heads is 0"},
                    Bad{{{"num_attention_heads", 4096}}, "0 values"},
                    Bad{{{"num_key_value_heads", 3}}, "3 key/value heads do not divide 8"},
                    Bad{{{"num_key_value_heads", 0}}, "0 key/value heads"},
                    Bad{{{"vocab_size", json::array({1})}}, "vocab_size is [1]"},
                    Bad{{{"tie_word_embeddings", 1}}, "tie_word_embeddings is 1"},
                    Bad{{{"model_type", "mixtral"}}, "num_local_experts is missing"},
                    Bad{{{"model_type", "mixtral"}, {"num_local_experts", 1}},
                        "2 experts per token"},
                    Bad{{{"model_type", "gpt_oss"}}, "num_local_experts is missing"},
                    Bad{{{"model_type", "gpt_bigcode"}, {"multi_query", 1}}, "multi_query is 1"},
                    Bad{{{"model_type", "kimi_vl"}}, "kv_lora_rank is missing"},
                    Bad{{{"model_type", "deepseek_v2"}}, "kv_lora_rank is missing"},
                    Bad{{{"model_type", "musicgen"}}, "decoder is missing"},
                    Bad{{{"model_type", "whisper"}}, "encoder_layers is missing"},
                    Bad{{{"model_type", 7}}, "model_type is 7"}));

TEST(HfConfig, RefusesWhatIsNoObject) {
  for (const char* text : {"", "[]", "5", "null", "{", "{\"a\": }", "nonsense", "\"text\""}) {
    EXPECT_FALSE(facts_from_config(std::string_view(text))) << text;
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) {
    deep += R"({"a":)";
  }
  EXPECT_FALSE(facts_from_config(deep));
}

}  // namespace
}  // namespace levee::models
