#include "cli/surroundings.hpp"

#include <gtest/gtest.h>

namespace levee::cli {
namespace {

Surroundings on_a_terminal() {
  return {.environment = {{"TERM", "xterm"}},
          .uid = 1000,
          .out = {.is_terminal = true, .columns = 100, .utf8 = true}};
}

TEST(StyleFor, IsColouredAndWideOnATerminal) {
  const Style style = style_for({}, on_a_terminal());
  EXPECT_TRUE(style.color);
  EXPECT_EQ(style.width, 100U);
  EXPECT_EQ(style.charset, Charset::utf8);
}

TEST(StyleFor, IsPlainAndUncutInAPipe) {
  Surroundings pipe = on_a_terminal();
  pipe.out = {.is_terminal = false, .columns = {}, .utf8 = true};
  EXPECT_FALSE(style_for({}, pipe).color);
  EXPECT_EQ(style_for({}, pipe).width, 0U);
}

TEST(StyleFor, HasNoColorOnRequestOrOnADumbTerminal) {
  Surroundings terminal = on_a_terminal();
  terminal.environment["NO_COLOR"] = "1";
  EXPECT_FALSE(style_for({}, terminal).color);
  terminal.environment["NO_COLOR"] = "";  // Empty counts as not set.
  EXPECT_TRUE(style_for({}, terminal).color);
  terminal.environment["TERM"] = "dumb";
  EXPECT_FALSE(style_for({}, terminal).color);
}

TEST(StyleFor, IsAsciiOnRequestOrWithoutUtf8) {
  EXPECT_EQ(style_for({.ascii = true}, on_a_terminal()).charset, Charset::ascii);
  Surroundings latin = on_a_terminal();
  latin.out.utf8 = false;
  EXPECT_EQ(style_for({}, latin).charset, Charset::ascii);
}

TEST(StyleFor, BelievesTheTerminalBeforeTheEnvironment) {
  Surroundings terminal = on_a_terminal();
  terminal.environment["COLUMNS"] = "40";
  EXPECT_EQ(style_for({}, terminal).width, 100U);
  terminal.out.columns.reset();
  EXPECT_EQ(style_for({}, terminal).width, 40U);
}

TEST(StyleFor, IgnoresColumnsThatAreNoWidth) {
  Surroundings pipe = on_a_terminal();
  pipe.out.columns.reset();
  for (const char* text : {"", "0", "-5", "wide", "80x", "99999999999999999999", "10001"}) {
    pipe.environment["COLUMNS"] = text;
    EXPECT_EQ(style_for({}, pipe).width, 0U) << text;
  }
}

TEST(InputsFor, HasTheNamedFileAndTheDefaultOnes) {
  Surroundings user = on_a_terminal();
  user.environment["HOME"] = "/home/alice";
  user.environment["LEVEE_LOG_LEVEL"] = "debug";
  const auto inputs = inputs_for(user, "my.toml");
  EXPECT_EQ(inputs.file, "my.toml");
  ASSERT_EQ(inputs.default_files.size(), 2U);
  EXPECT_EQ(inputs.default_files.front(), "/home/alice/.config/levee/levee.toml");
  EXPECT_EQ(inputs.environment.at("LEVEE_LOG_LEVEL"), "debug");
  EXPECT_EQ(inputs_for(user, std::nullopt).file, std::nullopt);
}

TEST(InputsFor, TakesTheFileOfTheEnvironmentUnlessOneIsNamed) {
  Surroundings user = on_a_terminal();
  user.environment["LEVEE_CONFIG"] = "/srv/levee.toml";
  EXPECT_EQ(inputs_for(user, std::nullopt).file, "/srv/levee.toml");
  EXPECT_EQ(inputs_for(user, "my.toml").file, "my.toml");
}

}  // namespace
}  // namespace levee::cli
