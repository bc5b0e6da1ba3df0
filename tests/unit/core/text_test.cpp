#include <gtest/gtest.h>

#include <utility>

#include "core/time.hpp"

namespace levee {
namespace {

using namespace std::chrono_literals;

TEST(Iso8601, ShowsMillisecondsInUtc) {
  EXPECT_EQ(to_iso8601(WallTime{0ms}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_iso8601(WallTime{1'769'846'709'123ms}), "2026-01-31T08:05:09.123Z");
  EXPECT_EQ(to_iso8601(WallTime{951'782'400'000ms}), "2000-02-29T00:00:00.000Z") << "leap day";
  EXPECT_EQ(to_iso8601(WallTime{1'735'689'599'999ms}), "2024-12-31T23:59:59.999Z");
}

TEST(Iso8601, HoldsForAClockSetBefore1970) {
  EXPECT_EQ(to_iso8601(WallTime{-1ms}), "1969-12-31T23:59:59.999Z");
}

TEST(FormatDuration, ShowsTwoUnitsAtMost) {
  const std::pair<std::chrono::seconds, const char*> cases[] = {
      {-5s, "0s"},         {0s, "0s"},         {59s, "59s"},           {60s, "1m 0s"},
      {200s, "3m 20s"},    {3599s, "59m 59s"}, {3600s, "1h 0m"},       {2h + 5min + 59s, "2h 5m"},
      {86399s, "23h 59m"}, {24h, "1d 0h"},     {76h + 59min, "3d 4h"},
  };
  for (const auto& [duration, text] : cases) {
    EXPECT_EQ(format_duration(duration), text);
  }
}

}  // namespace
}  // namespace levee
