#include "levee/amount.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace levee {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

constexpr std::uint64_t kFree = 8 * kGiB;

struct Accepted {
  const char* text;
  std::uint64_t bytes;  // with kFree bytes free
  bool is_share;
};

class AcceptedAmount : public testing::TestWithParam<Accepted> {};

TEST_P(AcceptedAmount, StandsForItsBytes) {
  const auto& [text, bytes, is_share] = GetParam();
  const auto amount = Amount::parse(text);
  ASSERT_TRUE(amount) << text << ": " << amount.error().message;
  EXPECT_EQ(amount->is_share(), is_share) << text;
  EXPECT_EQ(amount->resolve(Bytes{kFree}).count, bytes) << text;
  const auto size = parse_size(text);
  ASSERT_EQ(size.has_value(), !is_share) << text;
  if (size) {
    EXPECT_EQ(size->count, bytes) << text;
  } else {
    EXPECT_EQ(size.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(size.error().message, HasSubstr("share"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, AcceptedAmount,
    testing::Values(
        // A digit string is megabytes.
        Accepted{"1", kMiB, false}, Accepted{"2000", 2000 * kMiB, false},
        Accepted{" 2000 ", 2000 * kMiB, false}, Accepted{"007", 7 * kMiB, false},
        // All units are binary, in any case, with or without B or iB.
        Accepted{"1K", kKiB, false}, Accepted{"1k", kKiB, false}, Accepted{"1KB", kKiB, false},
        Accepted{"1kb", kKiB, false}, Accepted{"1KiB", kKiB, false}, Accepted{"1kIb", kKiB, false},
        Accepted{"3M", 3 * kMiB, false}, Accepted{"3mb", 3 * kMiB, false},
        Accepted{"3MIB", 3 * kMiB, false}, Accepted{"2GB", 2 * kGiB, false},
        Accepted{"2g", 2 * kGiB, false}, Accepted{"2gib", 2 * kGiB, false},
        Accepted{"1T", kTiB, false}, Accepted{"1tb", kTiB, false}, Accepted{"1TiB", kTiB, false},
        // Spaces and tabs around and between.
        Accepted{"500 MB", 500 * kMiB, false}, Accepted{"\t 500 \t MB\t", 500 * kMiB, false},
        // Decimals with a unit, rounded to whole bytes.
        Accepted{"2.5 GB", 2 * kGiB + kGiB / 2, false}, Accepted{"0.5K", 512, false},
        Accepted{".5K", 512, false}, Accepted{"1.K", kKiB, false}, Accepted{"0.001K", 1, false},
        // Shares of free memory.
        Accepted{"50%", kFree / 2, true}, Accepted{"50 %", kFree / 2, true},
        Accepted{"12.5%", kFree / 8, true}, Accepted{"100%", kFree, true},
        Accepted{"100.000%", kFree, true}, Accepted{"0.0000001%", 8, true},
        // The largest amount the refusal of a larger one promises.
        Accepted{"8388607 TB", 8388607 * kTiB, false},
        Accepted{"8796093022207", 8796093022207 * kMiB, false}));

struct Refused {
  std::string text;
  const char* because;
};

class RefusedAmount : public testing::TestWithParam<Refused> {};

TEST_P(RefusedAmount, SaysWhyAndWhatToWrite) {
  const auto& [text, because] = GetParam();
  const auto amount = Amount::parse(text);
  ASSERT_FALSE(amount) << text;
  EXPECT_EQ(amount.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(amount.error().message, HasSubstr(because)) << text;
  EXPECT_FALSE(amount.error().hint.empty()) << text;
  EXPECT_FALSE(parse_size(text)) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Forms, RefusedAmount,
    testing::Values(
        Refused{"", "empty"}, Refused{"   \t", "empty"}, Refused{"0", "greater than zero"},
        Refused{"0 GB", "greater than zero"}, Refused{"0.0 GB", "greater than zero"},
        Refused{"-1", "negative"}, Refused{"-2GB", "negative"}, Refused{"-50%", "negative"},
        Refused{"0.0001K", "less than one byte"},
        Refused{"0." + std::string(400, '0') + "1 GB", "greater than zero"},
        // A fraction as text could mean a share or megabytes.
        Refused{"0.5", "ambiguous"}, Refused{"1.0", "ambiguous"}, Refused{"5.5", "ambiguous"},
        Refused{"0.0", "ambiguous"}, Refused{"0%", "above 0"}, Refused{"0.0%", "above 0"},
        Refused{"100.001%", "at most 100"}, Refused{"1000%", "at most 100"},
        Refused{"50%%", "no unit"}, Refused{"50% GB", "no unit"}, Refused{"+5", "number"},
        Refused{"GB", "number"}, Refused{"%", "number"}, Refused{".", "number"},
        Refused{". GB", "number"}, Refused{"all", "number"}, Refused{"true", "number"},
        Refused{"nan", "number"}, Refused{"inf", "number"}, Refused{"infinity GB", "number"},
        Refused{"\"2GB\"", "number"}, Refused{"2B", "no unit"}, Refused{"2 bytes", "no unit"},
        Refused{"2P", "no unit"}, Refused{"2 G B", "no unit"}, Refused{"2GiBs", "no unit"},
        Refused{"2Gi", "no unit"}, Refused{"2,5 GB", "no unit"}, Refused{"1 000", "no unit"},
        Refused{"1e3", "no unit"}, Refused{"0x10", "no unit"}, Refused{"1.2.3 GB", "no unit"},
        Refused{"2GB\n", "no unit"}, Refused{"2GB 3MB", "no unit"},
        Refused{std::string("2\0GB", 4), "no unit"}, Refused{"8388608 TB", "more than a machine"},
        Refused{"8796093022208", "more than"}, Refused{"99999999999999999999999999", "more than"},
        Refused{std::string(500, '9') + "K", "more than"},
        Refused{std::string(500, '9') + ".5%", "at most 100"}));

TEST(Amount, RefusalShowsUnprintableAndLongTextShortened) {
  const auto amount = Amount::parse("\x1b[31m\xff" + std::string(1000, 'x'));
  ASSERT_FALSE(amount);
  EXPECT_LT(amount.error().message.size(), 150U);
  EXPECT_THAT(amount.error().message, HasSubstr("?[31m?xxx"));
}

TEST(Amount, HintOfAFractionIsItselfAccepted) {
  EXPECT_THAT(Amount::parse("0.07").error().hint, HasSubstr("\"7%\""));
  EXPECT_THAT(Amount::parse("0.07").error().hint, HasSubstr("\"0.07GB\""));
  // 550 % would be refused in turn, so nobody is told to write it.
  EXPECT_THAT(Amount::parse("5.5").error().hint, Not(HasSubstr("%")));
}

TEST(Amount, MegabytesMustBePositiveAndPossible) {
  EXPECT_EQ(Amount::from_megabytes(1)->resolve({}), mib(1));
  EXPECT_EQ(Amount::from_megabytes(8796093022207)->resolve({}).count, 8796093022207 * kMiB);
  for (const std::int64_t bad :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{8796093022208},
        std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    const auto amount = Amount::from_megabytes(bad);
    ASSERT_FALSE(amount) << bad;
    EXPECT_THAT(amount.error().message, HasSubstr(std::to_string(bad)));
  }
}

TEST(Amount, FractionMustLieAboveZeroAndAtMostOne) {
  EXPECT_EQ(Amount::from_fraction(1.0)->resolve(Bytes{kFree}).count, kFree);
  EXPECT_EQ(Amount::from_fraction(0.25)->resolve(Bytes{kFree}).count, kFree / 4);
  for (const double bad : {0.0, -0.0, -0.5, 1.0000001, 2.0, std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    EXPECT_FALSE(Amount::from_fraction(bad)) << bad;
  }
}

TEST(Amount, IsDividedEvenly) {
  EXPECT_EQ(Amount::of(mib(3000)).divided_by(3)->resolve(gib(1)), mib(1000));
  EXPECT_EQ(Amount::from_fraction(0.5)->divided_by(2)->resolve(gib(1)), mib(256));
  EXPECT_EQ(Amount::of(Bytes{7}).divided_by(2)->resolve(gib(1)), Bytes{3});
  EXPECT_FALSE(Amount::of(Bytes{7}).divided_by(8).has_value());
}

TEST(Amount, ShareIsRoundedDownAndNeverMoreThanFree) {
  const auto third = Amount::from_fraction(1.0 / 3.0);
  EXPECT_EQ(third->resolve(Bytes{100}).count, 33U);
  EXPECT_EQ(third->resolve(Bytes{0}).count, 0U);
  const Bytes all{std::numeric_limits<std::uint64_t>::max()};
  EXPECT_LE(Amount::from_fraction(1.0)->resolve(all), all);
  EXPECT_EQ(Amount::parse("2GB")->resolve(Bytes{1}), gib(2)) << "a size does not depend on free";
}

}  // namespace
}  // namespace levee
