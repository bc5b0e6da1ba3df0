#include "config/reference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

#include "config/settings.hpp"

namespace levee::config {
namespace {

using testing::HasSubstr;

const std::filesystem::path kRoot = std::filesystem::path(LEVEE_FIXTURES) / ".." / "..";

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What the file should hold is kept beside the test, to be copied over the stale text.
std::string saved(const std::string& text, const std::string& name) {
  const std::string path = testing::TempDir() + name;
  std::ofstream(path, std::ios::binary) << text;
  return "the up-to-date text is in " + path;
}

TEST(Reference, IsWhatTheDocumentSays) {
  const std::string document = read(kRoot / "docs" / "configuration.md");
  EXPECT_TRUE(document.find(reference_markdown()) != std::string::npos)
      << saved(reference_markdown(), "configuration-reference.md");
}

TEST(Reference, NamesEveryKeyAndCompatibilityName) {
  for (const Key& key : keys()) {
    EXPECT_THAT(reference_markdown(), HasSubstr("| `" + std::string(key.name) + "` |"));
    if (!key.compat_env.empty()) {
      EXPECT_THAT(reference_markdown(), HasSubstr("| `" + std::string(key.compat_env) + "` |"));
    }
  }
}

TEST(ExampleFile, IsUpToDate) {
  EXPECT_EQ(read(kRoot / "packaging" / "levee.toml"), example_toml())
      << saved(example_toml(), "levee.toml");
}

TEST(ExampleFile, SetsNothingAsItIs) {
  const auto settings = Settings::load(Inputs{kRoot / "packaging" / "levee.toml", {}, {}, {}});
  ASSERT_TRUE(settings) << settings.error().message;
  for (const Key& key : keys()) {
    EXPECT_EQ(settings->provenance(key.name).origin, Origin::builtin) << key.name;
  }
}

TEST(ExampleFile, HoldsEveryKeyAtItsDefault) {
  const std::regex commented_out("(^|\n)#([a-z])");
  const std::string text =
      std::regex_replace(read(kRoot / "packaging" / "levee.toml"), commented_out, "$1$2");
  const auto values = parse_toml(text, "levee.toml");
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(values->size(), keys().size());
  Config config;
  for (const auto& [name, value] : *values) {
    const auto key = find_key(name);
    ASSERT_TRUE(key) << name;
    EXPECT_TRUE((*key)->apply(config, value)) << name;
    EXPECT_EQ((*key)->show(config), (*key)->show(Config{})) << name;
  }
}

}  // namespace
}  // namespace levee::config
