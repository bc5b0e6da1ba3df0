#include "models/find_facts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "estimate/parameters.hpp"
#include "support/temp_dir.hpp"
#include "support/weights.hpp"

namespace levee::models {
namespace {

using namespace levee::test;
using estimate::FactsOrigin;
using testing::HasSubstr;

constexpr const char* kConfig =
    R"({"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64,
        "num_attention_heads": 8, "vocab_size": 100, "intermediate_size": 128})";

TEST(FactsByName, GuessesByTheSizeInAName) {
  const auto billions = [](const char* name) {
    const auto found = facts_by_name(name);
    return found && found->facts.parameters ? static_cast<double>(*found->facts.parameters) / 1e9
                                            : 0;
  };
  EXPECT_EQ(billions("acme/whale-13b-chat"), 13);
  EXPECT_EQ(billions("whale-1.5B"), 1.5);
  EXPECT_NEAR(billions("whale_350m"), 0.35, 1e-9);
  for (const char* nothing :
       {"whale", "7", "b", "whale-b", "whale-13bit", "v2", "0b", "99999999b"}) {
    EXPECT_EQ(billions(nothing), 0) << nothing;
  }
  const auto guess = facts_by_name("whale-13b");
  EXPECT_EQ(guess->facts.origin, FactsOrigin::name);
  EXPECT_THAT(guess->remark, HasSubstr("guessed"));
  EXPECT_EQ(facts_by_name("whale").error().code, ErrorCode::not_found);
}

TEST(FactsByName, DoesNotGuessWhatItKnows) {
  const auto known = facts_by_name("mistralai/Mistral-7B-Instruct-v0.3");
  EXPECT_EQ(known->facts.origin, FactsOrigin::catalogue);
  EXPECT_EQ(known->remark, "");
}

TEST(FactsFromPath, ReadsAConfigurationAndTheFolderItIsIn) {
  const TempDir dir;
  put(dir.path() / "config.json", kConfig);
  for (const auto& path : {dir.path(), dir.path() / "config.json"}) {
    const auto found = facts_from_path(path);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->facts.hidden, 64U);
    EXPECT_EQ(found->facts.stored, std::nullopt);
    EXPECT_EQ(found->facts.origin, FactsOrigin::configuration);
  }
}

TEST(FactsFromPath, TakesTheSizeOfTheWeightsFromTheirFiles) {
  const TempDir dir;
  put(dir.path() / "config.json", kConfig);
  SafetensorsJson()
      .add("model.embed_tokens.weight", 100, 64)
      .add("lm_head.weight", 100, 64)
      .write(dir.path() / "model.safetensors");
  const auto found = facts_from_path(dir.path());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->facts.stored, Bytes{2 * 2 * 6400});
  EXPECT_EQ(found->facts.parameters, 12'800U);
  EXPECT_EQ(found->facts.origin, FactsOrigin::weight_files);
}

TEST(FactsFromPath, LeavesOutTheCopyOfATiedMatrix) {
  const TempDir dir;
  std::string tied = kConfig;
  tied.insert(1, R"("tie_word_embeddings": true, )");
  put(dir.path() / "config.json", tied);
  SafetensorsJson()
      .add("model.embed_tokens.weight", 100, 64)
      .add("lm_head.weight", 100, 64)
      .write(dir.path() / "model.safetensors");
  EXPECT_EQ(facts_from_path(dir.path())->facts.stored, Bytes{2 * 6400});
}

TEST(FactsFromPath, NeedsAConfigurationBesideSafetensors) {
  const TempDir dir;
  SafetensorsJson().add("a", 1, 1).write(dir.path() / "model.safetensors");
  EXPECT_THAT(facts_from_path(dir.path()).error().hint, HasSubstr("config.json"));
}

GgufBytes small_gguf() {
  GgufBytes bytes;
  bytes.string("general.architecture", "llama")
      .string("general.name", "Small")
      .u32("llama.block_count", 2)
      .u32("llama.embedding_length", 64)
      .u32("llama.attention.head_count", 8)
      .u32("llama.attention.head_count_kv", 2)
      .u32("llama.feed_forward_length", 128)
      .u32("llama.context_length", 2048)
      .u32("llama.vocab_size", 100);
  return bytes;
}

TEST(FactsFromPath, ReadsTheMetadataOfGguf) {
  const TempDir dir;
  const auto file = dir.path() / "small.gguf";
  GgufBytes bytes = small_gguf();
  bytes.tensor("token_embd.weight", {64, 100}, 1, 0);
  put(file, bytes.file(12'800));
  const auto found = facts_from_path(file);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->facts.name, "Small");
  EXPECT_EQ(found->facts.layers, 2U);
  EXPECT_EQ(found->facts.kv_heads, 2U);
  EXPECT_EQ(found->facts.head_dim, 8U);
  EXPECT_EQ(found->facts.vocab, 100U);
  EXPECT_EQ(found->facts.max_context, 2048U);
  EXPECT_TRUE(found->facts.tied_embeddings) << "there is no output.weight";
  EXPECT_EQ(found->facts.stored, Bytes{12'800});
}

TEST(FactsFromPath, RefusesGgufWithoutSizesOrWithAbsurdOnes) {
  const TempDir dir;
  const auto file = dir.path() / "bad.gguf";
  GgufBytes none;
  none.string("general.architecture", "llama").tensor("a", {32}, 1, 0);
  put(file, none.file(64));
  EXPECT_THAT(facts_from_path(file).error().message, HasSubstr("llama.block_count is missing"));
  GgufBytes absurd = small_gguf();
  absurd.u32("llama.expert_count", 4'000'000'000U).tensor("a", {32}, 1, 0);
  put(file, absurd.file(64));
  EXPECT_THAT(facts_from_path(file).error().message, HasSubstr("4000000000"));
}

TEST(FactsFromPath, DoesNotWaitForAPipe) {
  const TempDir dir;
  const auto pipe = dir.path() / "config.json";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(facts_from_path(pipe).error().message, HasSubstr("is a pipe"));
  EXPECT_FALSE(facts_from_path(dir.path() / "missing.json"));
  EXPECT_FALSE(facts_from_path(dir.path()));
}

}  // namespace
}  // namespace levee::models
