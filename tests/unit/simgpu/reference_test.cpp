// The document says what the parser knows.
#include "simgpu/scenario/reference.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "simgpu/scenario/items.hpp"
#include "simgpu/scenario/quantity.hpp"

namespace levee::simgpu {
namespace {

TEST(ScenarioReference, IsInTheDocumentWordForWord) {
  std::ifstream file(std::string(LEVEE_FIXTURES) + "/../../docs/simulator.md");
  const std::string document(std::istreambuf_iterator<char>(file), {});
  EXPECT_NE(document.find(reference_markdown()), std::string::npos)
      << "put the output of `levee-simctl reference` into docs/simulator.md";
}

TEST(ScenarioReference, EveryFirstValueIsWrittenAsItIsRead) {
  for (const KeyInfo& key : keys()) {
    const std::string text = format_value(key, key.first);
    const auto value = parse_value(key, text);
    ASSERT_TRUE(value) << key.word << " " << text;
    EXPECT_EQ(*value, key.first) << key.word;
  }
}

TEST(ScenarioReference, NoWordIsBothAKeyAndAnItem) {
  for (const ItemInfo& item : items()) {
    EXPECT_EQ(find_key(item.word), nullptr) << item.word;
  }
}

}  // namespace
}  // namespace levee::simgpu
