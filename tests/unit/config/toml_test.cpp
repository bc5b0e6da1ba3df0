#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "config/settings.hpp"

namespace levee::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using List = std::vector<std::string>;
using Lines = std::map<std::string, int, std::less<>>;

TEST(ParseToml, FlattensTablesAndDottedKeys) {
  Lines lines;
  const auto values = parse_toml(
      "memory_optimal = 60\n"
      "guard.floor_ms = 7\n"
      "\n"
      "[server]\n"
      "listen = \"off\"  # no HTTP\n"
      "[webhook]\n"
      "urls = [\n  'http://a',\n  'http://b',\n]\n"
      "[store]\n"
      "enabled = false\n"
      "keep_1s = 1.5\n",
      "levee.toml", &lines);
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(*values, (Values{{"memory_optimal", Value{std::int64_t{60}}},
                             {"guard.floor_ms", Value{std::int64_t{7}}},
                             {"server.listen", Value{std::string("off")}},
                             {"webhook.urls", Value{List{"http://a", "http://b"}}},
                             {"store.enabled", Value{false}},
                             {"store.keep_1s", Value{1.5}}}));
  EXPECT_EQ(lines, (Lines{{"memory_optimal", 1},
                          {"guard.floor_ms", 2},
                          {"server.listen", 5},
                          {"webhook.urls", 7},
                          {"store.enabled", 12},
                          {"store.keep_1s", 13}}));
}

TEST(ParseToml, AcceptsHarmlessShapes) {
  EXPECT_EQ(parse_toml("", "x"), Values{});
  EXPECT_EQ(parse_toml("# only a comment", "x"), Values{});
  EXPECT_EQ(parse_toml("[server]\n[store]\n", "x"), Values{}) << "sections that are commented out";
  const Values one{{"process_top", Value{std::int64_t{5}}}};
  EXPECT_EQ(parse_toml("\xEF\xBB\xBFprocess_top = 5", "x"), one) << "byte order mark";
  EXPECT_EQ(parse_toml("process_top = 5\r\n\r\n", "x"), one) << "Windows line ends";
  EXPECT_EQ(parse_toml("process_top=0x5", "x"), one);
}

TEST(ParseToml, NamesFileLineAndColumnOfASyntaxError) {
  struct Case {
    std::string text;
    std::string_view place;
  };
  const Case cases[] = {
      {"memory_optimal = \n", "levee.toml:1:"},
      {"\nmemory_optimal 70\n", "levee.toml:2:16: "},
      {"a = \"x\n", "levee.toml:1:"},
      {"a = [1, 2\n", "levee.toml:"},
      {"[server\nlisten = 1\n", "levee.toml:1:"},
      {"process_top = 5\nprocess_top = 6\n", "levee.toml:2:"},
      {"[server]\n[server]\n", "levee.toml:2:"},
      {"server = 1\n[server]\nlisten = 'x'\n", "levee.toml:2:"},
      {"a = 1 b = 2\n", "levee.toml:1:"},
      {"a = yes\n", "levee.toml:1:"},
      {"a = 08\n", "levee.toml:1:"},
      {"a = 99999999999999999999\n", "levee.toml:1:"},
      {"process_top = 5\rb = 6", "levee.toml:1:"},
      {std::string("a = 1\0\n", 7), "levee.toml:1:"},
      {std::string("a = \"\0\"\n", 8), "levee.toml:1:"},
      {"a = \"\xff\"\n", "levee.toml:1:"},
      {"a = \"\x01\"\n", "levee.toml:1:"},
      {"\xff\xfe"
       "a = 1\n",
       "levee.toml:1:"},
  };
  for (const Case& c : cases) {
    const auto values = parse_toml(c.text, "levee.toml");
    ASSERT_FALSE(values) << c.text;
    EXPECT_EQ(values.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(values.error().message, StartsWith(c.place)) << c.text;
    EXPECT_FALSE(values.error().hint.empty());
  }
}

TEST(ParseToml, RefusesShapesThatNoSettingHas) {
  struct Case {
    std::string text;
    std::string_view message;
  };
  const Case cases[] = {
      {"\nmemory_optimal = 1979-05-27\n", "x:2: \"memory_optimal\": no setting is a date"},
      {"memory_optimal = 07:32:00\n", "no setting is a date"},
      {"webhook.urls = ['http://a', 5]\n", "x:1: \"webhook.urls\": a list may hold only text"},
      {"webhook.urls = [['http://a']]\n", "a list may hold only text"},
      {"[[server]]\nlisten = 'a'\n", "a list may hold only text"},
      {"process_top = 1\n\n[memory_optimal]\n", "x:3: memory_optimal is a value, not a table"},
      {"[memory_optimal]\nvalue = 1\n", "memory_optimal is a value, not a table"},
      {"memory_optimal = {}\n", "memory_optimal is a value, not a table"},
      {"[server.listen]\n", "x:1: server.listen is a value, not a table"},
      {"[sever]\n", "x:1: unknown key: sever"},
      {"\"server.listen\" = 'a'\n[server]\nlisten = 'b'\n", "is given twice"},
  };
  for (const Case& c : cases) {
    const auto values = parse_toml(c.text, "x");
    ASSERT_FALSE(values) << c.text;
    EXPECT_THAT(values.error().message, HasSubstr(c.message));
    EXPECT_FALSE(values.error().hint.empty()) << c.text;
  }
}

TEST(ParseToml, PassesValuesOnUnjudged) {
  const auto values = parse_toml("a = nan\nb = -inf\nc = true\nd = ''\n", "x");
  ASSERT_TRUE(values);
  EXPECT_TRUE(std::get<double>(values->at("a")) != std::get<double>(values->at("a")));
  EXPECT_EQ(values->at("b"), Value{-std::numeric_limits<double>::infinity()});
  EXPECT_EQ(values->at("c"), Value{true});
  EXPECT_EQ(values->at("d"), Value{std::string()});
}

TEST(ParseToml, RefusesDocumentsOfMoreThanOneMebibyte) {
  std::string text(kLongestDocument, '#');
  EXPECT_TRUE(parse_toml(text, "x"));
  text += '#';
  const auto values = parse_toml(text, "levee.toml");
  ASSERT_FALSE(values);
  EXPECT_EQ(values.error().message, "levee.toml has more than 1048576 bytes");
}

std::string repeated(std::string_view part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) {
    text += part;
  }
  return text;
}

TEST(ParseToml, RefusesNestingThatWouldExhaustTheStack) {
  const auto dotted = parse_toml("\n" + repeated("a.", 100'000) + "a = 1\n", "x");
  ASSERT_FALSE(dotted);
  EXPECT_THAT(dotted.error().message, HasSubstr("x:2: too many dots"));
  EXPECT_FALSE(parse_toml("[" + repeated("a . ", 100'000) + "a]\n", "x"));
  EXPECT_FALSE(parse_toml(repeated("\"a\".", 100'000) + "a = 1\n", "x"));
  EXPECT_FALSE(parse_toml("a = " + repeated("[", 100'000), "x"));
  EXPECT_FALSE(parse_toml(repeated("a = {", 100'000), "x"));
}

TEST(ParseToml, CountsOnlyTheDotsOfKeys) {
  const std::string dots = repeated(".", 500);
  EXPECT_TRUE(parse_toml("# " + dots + "\n", "x"));
  EXPECT_TRUE(parse_toml("state_dir = '/" + dots + "'\n", "x"));
  EXPECT_TRUE(parse_toml("state_dir = \"/" + dots + "\"\n", "x"));
}

}  // namespace
}  // namespace levee::config
