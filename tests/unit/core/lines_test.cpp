#include "core/lines.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace levee {
namespace {

std::vector<std::string> all_of(LineCutter& cutter) {
  std::vector<std::string> lines;
  while (const auto line = cutter.next()) {
    lines.emplace_back(*line);
  }
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineCutter, CutsWhatComesByteByByte) {
  LineCutter cutter(16);
  Lines lines;
  for (const char c : std::string_view("one\ntwo\r\n\nfour")) {
    cutter.add({&c, 1});
    for (std::string& line : all_of(cutter)) {
      lines.push_back(std::move(line));
    }
  }
  EXPECT_EQ(lines, (Lines{"one", "two", ""}));
  EXPECT_TRUE(cutter.has_part());
  EXPECT_FALSE(cutter.is_too_long());
}

TEST(LineCutter, CutsSeveralLinesThatComeTogether) {
  LineCutter cutter(16);
  cutter.add("a\nb\nc");
  EXPECT_EQ(all_of(cutter), (Lines{"a", "b"}));
  cutter.add("d\n");
  EXPECT_EQ(all_of(cutter), (Lines{"cd"}));
  EXPECT_FALSE(cutter.has_part());
}

TEST(LineCutter, TakesTheLongestLineAndRefusesOneByteMore) {
  LineCutter fits(4);
  fits.add("1234\n");
  EXPECT_EQ(all_of(fits), (Lines{"1234"}));
  LineCutter whole(4);
  whole.add("12345\nnext\n");
  EXPECT_EQ(all_of(whole), Lines{});
  EXPECT_TRUE(whole.is_too_long());
  whole.add("more\n");
  EXPECT_EQ(all_of(whole), Lines{}) << "no line comes after one that is too long";
}

TEST(LineCutter, RefusesALineWithoutEndBeforeItIsThere) {
  LineCutter cutter(4);
  cutter.add("1234");
  EXPECT_EQ(all_of(cutter), Lines{});
  EXPECT_FALSE(cutter.is_too_long());
  cutter.add("5");
  EXPECT_EQ(all_of(cutter), Lines{});
  EXPECT_TRUE(cutter.is_too_long());
}

}  // namespace
}  // namespace levee
