#include "cli/time_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::cli {
namespace {

using namespace std::chrono_literals;

TEST(ParseIso8601, ReadsWhatTheApiWrites) {
  const WallTime time{std::chrono::milliseconds{1'769'846'709'123}};
  EXPECT_EQ(parse_iso8601("2026-01-31T08:05:09.123Z"), time);
  EXPECT_EQ(parse_iso8601(to_iso8601(time)), time);
}

class RefusedTimes : public testing::TestWithParam<const char*> {};
TEST_P(RefusedTimes, AreNothing) { EXPECT_EQ(parse_iso8601(GetParam()), std::nullopt); }
INSTANTIATE_TEST_SUITE_P(ParseIso8601, RefusedTimes,
                         testing::Values("", "now", "2026-01-31", "2026-01-31T08:05:09Z",
                                         "2026-02-30T08:05:09.123Z", "2026-13-01T08:05:09.123Z",
                                         "2026-01-31T24:05:09.123Z", "2026-01-31T08:60:09.123Z",
                                         "2026-01-31 08:05:09.123Z", "2026-01-31T08:05:09.123+",
                                         "-026-01-31T08:05:09.123Z", "2026-01--1T08:05:09.123Z",
                                         "2026-01-31T08:05:09.12xZ", "2026-01-31T08:05:09.123ZZ"));

TEST(DateAndTime, IsUtcWhenAsked) {
  const WallTime time{std::chrono::milliseconds{1'769'846'709'123}};
  EXPECT_EQ(date_and_time(time, true), "2026-01-31 08:05:09");
  EXPECT_EQ(time_of_day(time, true), "08:05:09");
}

struct SpanCase {
  const char* text;
  std::chrono::milliseconds span;
};
class AcceptedSpans : public testing::TestWithParam<SpanCase> {};
TEST_P(AcceptedSpans, AreRead) {
  EXPECT_EQ(parse_span(GetParam().text, "--window", 1ms, 730 * 24h), GetParam().span);
}
INSTANTIATE_TEST_SUITE_P(ParseSpan, AcceptedSpans,
                         testing::Values(SpanCase{"300", 300s}, SpanCase{"0.5", 500ms},
                                         SpanCase{"500ms", 500ms}, SpanCase{"90s", 90s},
                                         SpanCase{"15m", 15min}, SpanCase{"15min", 15min},
                                         SpanCase{"1.5h", 90min}, SpanCase{"24h", 24h},
                                         SpanCase{"30d", 720h}));

class RefusedSpans : public testing::TestWithParam<const char*> {};
TEST_P(RefusedSpans, NameTheOptionTheValueAndTheMend) {
  const auto span = parse_span(GetParam(), "--window", 1s, 24h);
  ASSERT_FALSE(span.has_value());
  EXPECT_EQ(span.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(span.error().message, testing::HasSubstr("--window"));
  EXPECT_THAT(span.error().message, testing::HasSubstr(GetParam()));
  EXPECT_THAT(span.error().hint, testing::HasSubstr("15m"));
}
INSTANTIATE_TEST_SUITE_P(ParseSpan, RefusedSpans,
                         testing::Values("", "abc", "m", "-5", "5 m", "5x", "15M", "0", "0.5",
                                         "86401", "25h", "1e5", "nan", "inf", "1,5", "15mm", "0x10",
                                         "999999999999999999999999d"));

TEST(ParseCount, TakesOnlyWholeNumbersInRange) {
  EXPECT_EQ(parse_count("20", "--limit", 1, 1000), 20);
  for (const char* text : {"", "0", "1001", "-1", "2.0", "ten", "5 ", "99999999999999999999"}) {
    const auto count = parse_count(text, "--limit", 1, 1000);
    ASSERT_FALSE(count.has_value()) << text;
    EXPECT_THAT(count.error().hint, testing::HasSubstr("from 1 to 1000"));
  }
}

}  // namespace
}  // namespace levee::cli
