#include "levee/bytes.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace levee {
namespace {

constexpr Bytes kAll{std::numeric_limits<std::uint64_t>::max()};

TEST(Bytes, SumsNeverWrap) {
  EXPECT_EQ(kAll + Bytes{1}, kAll);
  EXPECT_EQ(kAll + kAll, kAll);
  EXPECT_EQ(Bytes{kAll.count - 1} + Bytes{1}, kAll);
  EXPECT_EQ(gib(1) + gib(2), gib(3));
  Bytes sum = kAll;
  sum += gib(1);
  EXPECT_EQ(sum, kAll);
}

TEST(Bytes, DifferencesNeverGoBelowZero) {
  EXPECT_EQ(gib(1) - gib(2), Bytes{0});
  EXPECT_EQ(Bytes{0} - kAll, Bytes{0});
  EXPECT_EQ(gib(2) - gib(2), Bytes{0});
  EXPECT_EQ(gib(3) - gib(1), gib(2));
  Bytes rest = mib(1);
  rest -= gib(1);
  EXPECT_EQ(rest, Bytes{0});
}

TEST(Bytes, PercentOfNothingIsZero) {
  EXPECT_DOUBLE_EQ(percent_of(gib(1), Bytes{0}), 0.0);
  EXPECT_DOUBLE_EQ(percent_of(gib(1), gib(4)), 25.0);
  EXPECT_DOUBLE_EQ(percent_of(kAll, kAll), 100.0);
}

TEST(FormatBytes, ShowsThreeSignificantDigits) {
  const std::pair<std::uint64_t, const char*> cases[] = {
      {0, "0 B"},
      {1023, "1023 B"},
      {kKiB, "1.00 KiB"},
      {kKiB * 10 - 1, "10.0 KiB"},
      {kKiB * 100 - 1, "100 KiB"},
      {999 * kKiB, "999 KiB"},
      {1000 * kKiB, "0.98 MiB"},
      {kMiB - 1, "1.00 MiB"},
      {512 * kMiB, "512 MiB"},
      {kGiB + kGiB / 2, "1.50 GiB"},
      {static_cast<std::uint64_t>(23.4 * static_cast<double>(kGiB)), "23.4 GiB"},
      {kTiB * 1024, "1.00 PiB"},
      {kAll.count, "16.0 EiB"},
  };
  for (const auto& [count, text] : cases) {
    EXPECT_EQ(format_bytes(Bytes{count}), text) << count;
  }
}

}  // namespace
}  // namespace levee
