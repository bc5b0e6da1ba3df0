#include "models/catalogue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "estimate/parameters.hpp"

namespace levee::models {
namespace {

using estimate::count_parameters;

TEST(Catalogue, IsReadWhole) {
  ASSERT_EQ(catalogue().size(), 87U);
  for (const CatalogueEntry& entry : catalogue()) {
    EXPECT_EQ(entry.facts.name, entry.id);
    EXPECT_EQ(entry.facts.origin, estimate::FactsOrigin::catalogue);
    EXPECT_EQ(find_in_catalogue(entry.id), &entry);
  }
}

TEST(Catalogue, HasTheCountedNumberOfParameters) {
  for (const CatalogueEntry& entry : catalogue()) {
    EXPECT_EQ(count_parameters(entry.facts).total(), entry.parameters) << entry.id;
  }
}

TEST(Catalogue, HasThePublishedNumberOfParametersOfModelsThatSee) {
  // As the models' repositories count the values of their files.
  const auto total = [](const char* id) {
    return count_parameters(find_in_catalogue(id)->facts).total();
  };
  EXPECT_EQ(total("gemma-3-4b"), 4'300'079'472U);
  EXPECT_EQ(total("gemma-3-12b"), 12'187'325'040U);
  EXPECT_EQ(total("gemma-3-27b"), 27'432'406'640U);
  EXPECT_EQ(total("mistral-small-3.1-24b"), 24'011'361'280U);
  // Its files hold 1,728 values more, which are no weights of a layer.
  EXPECT_NEAR(static_cast<double>(total("kimi-vl-a3b")), 16'407'657'776.0, 2'000);
}

TEST(Catalogue, HasThePublishedNumberOfParametersOfModelsWithAFamilyOfTheirOwn) {
  const auto total = [](const char* id) {
    return count_parameters(find_in_catalogue(id)->facts).total();
  };
  EXPECT_EQ(total("gpt-oss-20b"), 20'914'757'184U);
  EXPECT_EQ(total("gpt-oss-120b"), 116'829'156'672U);
  EXPECT_EQ(total("starcoder"), 15'517'456'384U);
}

TEST(Catalogue, CountsWhatOneTokenPasses) {
  const auto active = [](const char* id) {
    return count_parameters(find_in_catalogue(id)->facts).active;
  };
  EXPECT_EQ(active("mixtral-8x7b"), 12'879'925'248U);
  EXPECT_EQ(active("qwen3-30b-a3b"), 3'353'032'704U);
  EXPECT_EQ(active("llama-3-8b"), 8'030'261'248U);
  EXPECT_EQ(active("gemma-3-4b"), 3'880'263'168U) << "text passes no vision tower";
}

TEST(Catalogue, FindsAModelByTheNamesItGoesBy) {
  const auto id = [](const char* name) -> std::string {
    const CatalogueEntry* const found = find_in_catalogue(name);
    return found == nullptr ? "" : found->id;
  };
  EXPECT_EQ(id("meta-llama/Meta-Llama-3-8B-Instruct"), "llama-3-8b");
  EXPECT_EQ(id("meta-llama/Llama-3.1-8B"), "llama-3-8b");
  EXPECT_EQ(id("llama2-13b"), "llama-2-13b");
  EXPECT_EQ(id("mistralai/Mistral-7B-Instruct-v0.2"), "mistral-7b");
  EXPECT_EQ(id("Qwen/Qwen2.5-7B-Instruct"), "qwen2.5-7b");
  EXPECT_EQ(id("google/gemma-2-27b-it"), "gemma-2-27b");
  EXPECT_EQ(id("facebook/musicgen-medium"), "musicgen-medium");
  EXPECT_EQ(id("deepseek-ai/DeepSeek-R1"), "deepseek-v3");
  EXPECT_EQ(id("bigcode/octocoder"), "starcoder");
  EXPECT_EQ(id("google/gemma-3-4b-it"), "gemma-3-4b");
  EXPECT_EQ(id("moonshotai/Kimi-VL-A3B-Instruct"), "kimi-vl-a3b");
  for (const char* unknown :
       {"", "/", "-it", "llama", "llama-3-9b", "-instruct-instruct", "a/b/c"}) {
    EXPECT_EQ(id(unknown), "") << unknown;
  }
}

const estimate::MemoryProfile& profile(std::string_view name) {
  static const auto kProfiles = default_profiles();
  return *std::ranges::find(kProfiles, name, &estimate::MemoryProfile::name);
}

TEST(DefaultProfiles, HoldWhatTheirArchitectureSays) {
  const auto& llama = profile("llama2-13b");
  EXPECT_EQ(llama.per_token_usage, kib(800)) << "2 × 40 layers × 40 heads × 128 × 2 bytes";
  EXPECT_EQ(llama.base_usage, Bytes{26'031'728'640} + gib(1)) << "13.0 billion numbers of 2 bytes";
  EXPECT_EQ(profile("llama-2-7b").per_token_usage, kib(512));
  EXPECT_EQ(profile("llama-3-8b").per_token_usage, kib(128));
  for (const char* name :
       {"llama2-7b", "llama2-13b", "llama2-70b", "llama3-8b", "llama3-70b", "mistral-7b"}) {
    EXPECT_GT(estimate_max_batch(profile(name), estimate::usable(gib(180))), 0U) << name;
    EXPECT_EQ(estimate_max_batch(profile(name), estimate::usable(gib(8))), 0U) << name;
  }
}

TEST(DefaultProfiles, AreThereForEveryNameAndGood) {
  const auto profiles = default_profiles();
  EXPECT_EQ(profiles.size(), catalogue().size() + 13);
  EXPECT_TRUE(std::ranges::is_sorted(profiles, {}, &estimate::MemoryProfile::name));
  for (const estimate::MemoryProfile& each : profiles) {
    EXPECT_TRUE(check(each)) << each.name;
    EXPECT_NE(find_in_catalogue(each.name), nullptr) << each.name;
  }
}

}  // namespace
}  // namespace levee::models
