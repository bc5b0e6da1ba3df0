#include "forecast/series_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::forecast {
namespace {

using testing::HasSubstr;

TEST(ParseSeries, TakesLinesWithAndWithoutNames) {
  for (const char* text :
       {"0,100\n1.5,200\n", "seconds,bytes\n0,100\n1.5,200", "0, 100\r\n\r\n1.5 ,2e2\r\n",
        "\xef\xbb\xbftime,rss\n0,100\n1.5,200\n"}) {
    const auto points = parse_series(text);
    ASSERT_TRUE(points) << text;
    ASSERT_EQ(points->size(), 2U) << text;
    EXPECT_EQ((*points)[1].seconds, 1.5);
    EXPECT_EQ((*points)[1].bytes, 200);
  }
  EXPECT_TRUE(parse_series("")->empty());
  EXPECT_TRUE(parse_series("seconds,bytes\n")->empty());
}

TEST(ParseSeries, RefusesWhatIsNoSampleWithTheLineAndTheValue) {
  struct Case {
    const char* text;
    const char* message;
  };
  for (const Case& each : std::initializer_list<Case>{
           {"0,1\n1;2\n", "line 2: \"1;2\" is not two values"},
           {"0,1\n\n1,2,3\n", "line 3: \"1,2,3\" is not two values"},
           {"0,1\nseconds,bytes\n", "line 2: \"seconds\" is no number of seconds"},
           {"0,-1\n", "line 1: \"-1\" is no number of bytes"},
           {"0,nan\n", "line 1: \"nan\" is no number of bytes"},
           {"nan,1\n", "line 1: \"nan\" is no number of seconds"},
           {"nan,inf\n", "line 1: \"nan\" is no number of seconds"},
           {"0,1e999\n", "line 1: \"1e999\" is no number of bytes"},
           {"0,\n", "line 1: \"\" is no number of bytes"},
           {",5\n", "line 1: \"\" is no number of seconds"},
           {"0,12GB\n", "line 1: \"12GB\" is no number of bytes"},
           {"0x10,5\n", "line 1: \"0x10\" is no number of seconds"},
           {"0,1\x1b[2J\n", "line 1: \"1?[2J\" is no number of bytes"},
           {"just words\n", "line 1: \"just words\" is not two values"}}) {
    const auto points = parse_series(each.text);
    ASSERT_FALSE(points) << each.text;
    EXPECT_EQ(points.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(points.error().message, HasSubstr(each.message));
    EXPECT_THAT(points.error().hint, HasSubstr("SECONDS,BYTES"));
  }
}

TEST(ParseSeries, CutsAValueThatIsTooLongToShow) {
  const auto points = parse_series("0," + std::string(5000, '9') + "x\n");
  ASSERT_FALSE(points);
  EXPECT_LT(points.error().message.size(), 200U);
}

}  // namespace
}  // namespace levee::forecast
