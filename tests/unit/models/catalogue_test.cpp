#include "models/catalogue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimate/parameters.hpp"

namespace levee::models {
namespace {

using estimate::count_parameters;

TEST(Catalogue, IsReadWhole) {
  ASSERT_EQ(catalogue().size(), 79U);
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

TEST(Catalogue, CountsWhatOneTokenPasses) {
  const auto active = [](const char* id) {
    return count_parameters(find_in_catalogue(id)->facts).active;
  };
  EXPECT_EQ(active("mixtral-8x7b"), 12'879'925'248U);
  EXPECT_EQ(active("qwen3-30b-a3b"), 3'353'032'704U);
  EXPECT_EQ(active("llama-3-8b"), 8'030'261'248U);
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
  for (const char* unknown :
       {"", "/", "-it", "llama", "llama-3-9b", "-instruct-instruct", "a/b/c"}) {
    EXPECT_EQ(id(unknown), "") << unknown;
  }
}

}  // namespace
}  // namespace levee::models
