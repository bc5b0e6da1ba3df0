#include "sinks/printable.hpp"

#include <gtest/gtest.h>

namespace levee::sinks {
namespace {

struct Case {
  std::string_view text;
  std::string_view shown;
};

TEST(Printable, LeavesOrdinaryTextAlone) {
  for (const std::string_view text :
       {"", "python3", "kworker/0:1", "größe 🚀 日本", "a=b \"c\" 'd' $e", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, EscapesWhatCouldForgeOrHideALine) {
  using namespace std::string_view_literals;
  for (const auto& [text, shown] : {
           Case{"a\nb", "a\\nb"}, Case{"a\rb\tc", "a\\rb\\tc"}, Case{"a\0b"sv, "a\\x00b"},
           Case{"\x1b[2J", "\\x1b[2J"}, Case{"\x7f", "\\x7f"}, Case{"a\\nb", "a\\\\nb"},
           Case{"\xc2\x85", "\\u0085"},      // next line
           Case{"\xc2\x9b", "\\u009b"},      // control sequence introducer
           Case{"\xe2\x80\xa8", "\\u2028"},  // line separator
           Case{"\xe2\x80\xae", "\\u202e"},  // right-to-left override
           Case{"\xe2\x81\xa6", "\\u2066"},  // isolate
       }) {
    EXPECT_EQ(printable(text), shown);
  }
}

TEST(Printable, EscapesWhatIsNoUtf8) {
  for (const auto& [text, shown] : {
           Case{"\xff", "\\xff"},
           Case{"\x9b", "\\x9b"},
           Case{"a\xc3", "a\\xc3"},                           // cut short
           Case{"\xc0\x8a", "\\xc0\\x8a"},                    // overlong line feed
           Case{"\xe0\x80\x8a", "\\xe0\\x80\\x8a"},           // overlong line feed
           Case{"\xf0\x80\x80\x8a", "\\xf0\\x80\\x80\\x8a"},  // overlong line feed
           Case{"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // surrogate
           Case{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // beyond U+10FFFF
           Case{"\xe2\x28\xa1", "\\xe2(\\xa1"},
       }) {
    EXPECT_EQ(printable(text), shown);
  }
}

}  // namespace
}  // namespace levee::sinks
