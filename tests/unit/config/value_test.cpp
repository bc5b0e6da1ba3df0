#include "config/value.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace levee::config {
namespace {

using testing::HasSubstr;
using List = std::vector<std::string>;

TEST(ToText, ReadsAsPeopleWriteIt) {
  EXPECT_EQ(to_text(Value{true}), "true");
  EXPECT_EQ(to_text(Value{std::int64_t{-900}}), "-900");
  EXPECT_EQ(to_text(Value{70.0}), "70");
  EXPECT_EQ(to_text(Value{0.85}), "0.85");
  EXPECT_EQ(to_text(Value{std::string("127.0.0.1:8000")}), "127.0.0.1:8000");
  EXPECT_EQ(to_text(Value{List{}}), "[]");
  EXPECT_EQ(to_text(Value{List{"a", "b \"c\" \\ \n"}}), R"(["a", "b \"c\" \\ \u000a"])");
}

TEST(ToToml, QuotesTextOnly) {
  EXPECT_EQ(to_toml(Value{std::string("4GB")}), R"("4GB")");
  EXPECT_EQ(to_toml(Value{std::string("a\"b\x7f")}), R"("a\"b\u007f")");
  EXPECT_EQ(to_toml(Value{70.0}), "70");
}

TEST(Shown, IsShortAndPrintable) {
  EXPECT_EQ(shown(Value{std::string("high")}), "\"high\"");
  const std::string long_text = shown(Value{std::string(1'000'000, 'x')});
  EXPECT_LT(long_text.size(), 70U);
  EXPECT_THAT(long_text, HasSubstr("…"));
  for (const char c : shown(Value{std::string("\x1b[31m\xff\0z", 8)})) {
    EXPECT_TRUE(c >= ' ' && c <= '~') << static_cast<int>(c);
  }
}

TEST(ParseNumber, ReadsWholeTextsOnly) {
  EXPECT_EQ(parse_number("85"), Value{std::int64_t{85}});
  EXPECT_EQ(parse_number("-3"), Value{std::int64_t{-3}});
  EXPECT_EQ(parse_number("0.5"), Value{0.5});
  EXPECT_EQ(parse_number("1e3"), Value{1000.0});
  EXPECT_EQ(parse_number("9223372036854775807"), Value{std::numeric_limits<std::int64_t>::max()});
  EXPECT_EQ(parse_number("99999999999999999999"), Value{1e20});
  for (const char* text : {"", " ", "85 ", " 85", "85%", "0x10", "1,5", "1_000", "+5", "--5", "4GB",
                           "1e999", "true", "eighty"}) {
    EXPECT_EQ(parse_number(text), std::nullopt) << '"' << text << '"';
  }
}

TEST(NumberIn, RefusesWhatIsNotFinite) {
  EXPECT_EQ(number_in(*parse_number("nan")), std::nullopt);
  EXPECT_EQ(number_in(*parse_number("-inf")), std::nullopt);
  EXPECT_EQ(number_in(Value{true}), std::nullopt);
  EXPECT_EQ(number_in(Value{std::string("5")}), std::nullopt);
  EXPECT_EQ(number_in(Value{List{"5"}}), std::nullopt);
  EXPECT_EQ(number_in(Value{std::int64_t{5}}), 5.0);
}

TEST(IntegerIn, TakesDoublesOnlyWhenWholeAndExact) {
  EXPECT_EQ(integer_in(Value{5.0}), 5);
  EXPECT_EQ(integer_in(Value{-5.0}), -5);
  EXPECT_EQ(integer_in(Value{5.5}), std::nullopt);
  EXPECT_EQ(integer_in(Value{1e18}), std::nullopt);
  EXPECT_EQ(integer_in(Value{1e300}), std::nullopt);
  EXPECT_EQ(integer_in(Value{std::numeric_limits<double>::quiet_NaN()}), std::nullopt);
  EXPECT_EQ(integer_in(Value{true}), std::nullopt);
}

TEST(ParseList, ReadsTomlAndJsonArrays) {
  EXPECT_EQ(parse_list("[]"), List{});
  EXPECT_EQ(parse_list(R"(["a", "b c"])"), (List{"a", "b c"}));
  EXPECT_EQ(parse_list("['a',\n 'b',]"), (List{"a", "b"}));
  EXPECT_EQ(parse_list(R"(["\u0041\\"])"), List{"A\\"});
}

TEST(ParseList, RefusesAnythingElse) {
  for (const char* text :
       {"", "a", "[", "[a]", "[1]", "[\"a\", 2]", "[[\"a\"]]", "[\"a\"] x", "\"a\"", "{a=1}",
        "[\"a\"]\nother = 1", "[\"a\"]\n[table]", "[\"a\xff\"]", "[\"unfinished]"}) {
    EXPECT_FALSE(parse_list(text)) << text;
  }
  EXPECT_FALSE(parse_list(std::string("[\"a\0\"]", 6)));
  EXPECT_FALSE(parse_list(std::string(100'000, '[')));
}

TEST(IsPrintable, AcceptsUtf8) {
  for (const char* text : {"", "plain", "Grüße", "日本", "\U0001F600", "\u0080", "\uFFFD"}) {
    EXPECT_TRUE(is_printable(text)) << text;
  }
}

TEST(IsPrintable, RefusesControlCharactersAndBrokenUtf8) {
  const std::string_view bad[] = {
      {"\0", 1},          "\n",           "a\tb",        "\x7f", "\x1b[31m", "\x80", "\xff", "\xc3",
      "\xe2\x82",         "\xf0\x9f\x98",
      "\xc0\xaf",          // overlong
      "\xe0\x80\x80",      // overlong
      "\xf0\x80\x80\x80",  // overlong
      "\xed\xa0\x80",      // a surrogate
      "\xf4\x90\x80\x80",  // above U+10FFFF
      "\xf5\x80\x80\x80", "\xc3(",        "ok\xe2(\xa1",
  };
  for (const std::string_view text : bad) {
    EXPECT_FALSE(is_printable(text)) << testing::PrintToString(std::string(text));
  }
}

}  // namespace
}  // namespace levee::config
