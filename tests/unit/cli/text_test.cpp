#include "render/text.hpp"

#include <gtest/gtest.h>

#include "render/style.hpp"

namespace levee::cli {
namespace {

TEST(Columns, CountsWhatATerminalShows) {
  EXPECT_EQ(columns(""), 0U);
  EXPECT_EQ(columns("abc"), 3U);
  EXPECT_EQ(columns("é"), 1U);
  EXPECT_EQ(columns("e\u0301"), 1U);  // Combining.
  EXPECT_EQ(columns("漢字"), 4U);
  EXPECT_EQ(columns("🛑"), 2U);
  EXPECT_EQ(columns("█▁"), 2U);
}

TEST(Columns, CountsBytesThatAreNoCharacterAsOneEach) {
  EXPECT_EQ(columns("\xff\xfe"), 2U);
  EXPECT_EQ(columns("a\xe2\x82"), 3U);  // Cut off at the end.
  EXPECT_EQ(columns("\xc0\xaf"), 2U);   // Overlong.
  EXPECT_EQ(columns("\xf5\x80\x80\x80"), 4U);
}

TEST(Shown, ReplacesWhatCouldSteerTheTerminal) {
  EXPECT_EQ(shown("a\x1b[31mb", Charset::utf8), "a?[31mb");
  EXPECT_EQ(shown("a\nb\tc\r\x7f", Charset::utf8), "a?b?c??");
  EXPECT_EQ(shown("a\u009bb", Charset::utf8), "a?b");  // CSI as one C1 character.
  EXPECT_EQ(shown("a\u202eb", Charset::utf8), "a?b");  // Right-to-left override.
  EXPECT_EQ(shown("a\xff", Charset::utf8), "a?");
}

TEST(Shown, KeepsOtherCharactersUnlessAsciiIsAsked) {
  EXPECT_EQ(shown("Zoë 漢", Charset::utf8), "Zoë 漢");
  EXPECT_EQ(shown("Zoë 漢", Charset::ascii), "Zo? ?");
}

TEST(Cut, KeepsWhatFits) {
  EXPECT_EQ(cut("abc", 3, Charset::utf8), "abc");
  EXPECT_EQ(cut("", 0, Charset::utf8), "");
}

TEST(Cut, EndsInAnEllipsisAndNeverTakesMoreThanTheWidth) {
  EXPECT_EQ(cut("abcdef", 4, Charset::utf8), "abc…");
  EXPECT_EQ(cut("abcdef", 4, Charset::ascii), "a...");
  EXPECT_EQ(cut("abcdef", 2, Charset::ascii), "..");
  EXPECT_EQ(cut("abcdef", 1, Charset::utf8), "…");
  EXPECT_EQ(cut("abcdef", 0, Charset::utf8), "");
  for (std::size_t width = 0; width < 12; ++width) {
    EXPECT_LE(columns(cut("漢字漢字漢字", width, Charset::utf8)), width);
  }
}

TEST(Cut, DoesNotSplitACharacter) { EXPECT_EQ(cut("漢字漢", 4, Charset::utf8), "漢…"); }

TEST(Padded, FillsUpToTheWidthAndNoFurther) {
  EXPECT_EQ(padded("é", 3), "é  ");
  EXPECT_EQ(padded_left("é", 3), "  é");
  EXPECT_EQ(padded("abcd", 3), "abcd");
}

TEST(Line, IsPlainWithoutColor) { EXPECT_EQ(line({{"a", Color::red}, {"b"}}, Style{}), "ab\n"); }

TEST(Line, PaintsAndResetsEachSpan) {
  EXPECT_EQ(line({{"a", Color::red}, {"b"}}, Style{.color = true}), "\x1b[1;31ma\x1b[0mb\n");
  EXPECT_EQ(line({{"", Color::red}}, Style{.color = true}), "\n");
}

TEST(Line, IsCutAtTheWidthWhereverTheSpansEnd) {
  const std::vector<Span> spans{{"abc", Color::red}, {"def"}, {"ghi", Color::blue}};
  EXPECT_EQ(line(spans, Style{.width = 9}), "abcdefghi\n");
  EXPECT_EQ(line(spans, Style{.width = 8}), "abcdefg…\n");
  EXPECT_EQ(line(spans, Style{.width = 6}), "abcde…\n");
  for (std::size_t width = 1; width < 9; ++width) {
    const std::string text = line(spans, Style{.width = width, .color = false});
    EXPECT_EQ(columns(text.substr(0, text.size() - 1)), width);
  }
}

TEST(Line, LetsNoTextPaintByItself) {
  EXPECT_EQ(line({{"\x1b[41mx", Color::plain}}, Style{.color = true}), "?[41mx\n");
}

TEST(Wrapped, BreaksAtSpacesWithinTheWidth) {
  EXPECT_EQ(wrapped("one two three four", 2, Color::plain, Style{.width = 14}),
            "  one two\n  three four\n");
  EXPECT_EQ(wrapped("one two", 2, Color::plain, Style{}), "  one two\n");
  EXPECT_EQ(wrapped("", 2, Color::plain, Style{.width = 14}), "");
}

TEST(Table, AlignsColumnsAndCutsTheLast) {
  Table table({"KEY", "VALUE"});
  table.add({{"long-name"}, {"a very long value"}});
  EXPECT_EQ(table.text(Style{.width = 20}), "KEY        VALUE\nlong-name  a very l…\n");
}

}  // namespace
}  // namespace levee::cli
