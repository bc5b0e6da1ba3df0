#include "estimate/profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace levee::estimate {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
constexpr Bytes kAll{kMax};

MemoryProfile profile_of(Bytes base, Bytes per_batch, Bytes per_token) {
  return {
      .name = "p", .base_usage = base, .per_batch_usage = per_batch, .per_token_usage = per_token};
}

/// The documented example: 7 GB, 50 MB per batch item, 3 KB per token.
MemoryProfile documented() { return profile_of(gib(7), mib(50), kib(3)); }

/// The need where it is beyond 64 bits, too: long double would round.
struct Wide {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const Wide&) const = default;
};

Wide sum(Wide a, Wide b) {
  const std::uint64_t low = a.low + b.low;
  return {a.high + b.high + (low < a.low ? 1U : 0U), low};
}

Wide product(std::uint64_t a, std::uint64_t b) {
  Wide result;
  for (int bit = 63; bit >= 0; --bit) {  // As on paper, in binary.
    result = sum(result, result);
    if ((a >> static_cast<unsigned>(bit) & 1U) != 0) {
      result = sum(result, {0, b});
    }
  }
  return result;
}

/// For batches and costs whose product stays below 2¹²⁸.
Wide true_need(const MemoryProfile& p, std::uint64_t batch, std::uint64_t tokens) {
  Wide all{0, p.base_usage.count};
  all = sum(all, product(batch, p.per_batch_usage.count));
  const Wide each = product(tokens, p.per_token_usage.count);
  all = sum(all, product(batch, each.low));
  all.high += batch * each.high;
  return all;
}

TEST(Need, OfTheDocumentedProfile) {
  const MemoryProfile profile = documented();
  EXPECT_EQ(need(profile, 0, 2048), gib(7));
  EXPECT_EQ(need(profile, 1, 0), gib(7) + mib(50));
  EXPECT_EQ(need(profile, 1, 2048), gib(7) + mib(56));
  EXPECT_EQ(need(profile, 4, 2048), gib(7) + mib(224)) << "tokens count for each sequence";
}

TEST(Need, SaturatesInsteadOfWrapping) {
  EXPECT_EQ(need(profile_of(kAll, {}, {}), 1, 1), kAll);
  EXPECT_EQ(need(profile_of(kAll, Bytes{1}, {}), 1, 0), kAll);
  EXPECT_EQ(need(profile_of({}, kAll, kAll), kMax, kMax), kAll);
  EXPECT_EQ(need(profile_of({}, Bytes{1ULL << 32U}, {}), 1ULL << 32U, 0), kAll) << "wraps to 0";
  EXPECT_EQ(need(profile_of({}, {}, Bytes{1ULL << 32U}), 1, 1ULL << 32U), kAll);
  EXPECT_EQ(need(profile_of(gib(1), kAll, kAll), 0, kMax), gib(1)) << "no sequence, no cost";
  EXPECT_EQ(need(profile_of({}, {}, {}), kMax, kMax), Bytes{});
}

TEST(Usable, IsNineTenthsOfFreeAndHeld) {
  EXPECT_EQ(usable(Bytes{100}), Bytes{90});
  EXPECT_EQ(usable(Bytes{60}, Bytes{40}), Bytes{90});
  EXPECT_EQ(usable(Bytes{}), Bytes{});
  EXPECT_EQ(usable(Bytes{1}), Bytes{0}) << "never more than 0.9";
  EXPECT_EQ(usable(Bytes{19}), Bytes{17});
  EXPECT_EQ(usable(kAll), Bytes{16'602'069'666'338'596'453ULL});
  EXPECT_EQ(usable(kAll, kAll), usable(kAll));
  for (std::uint64_t bytes = 0; bytes < 1'000; ++bytes) {
    EXPECT_EQ(usable(Bytes{bytes}).count, bytes * 9 / 10);
  }
}

TEST(MaxBatch, OfTheDocumentedProfile) {
  const Bytes room = usable(gib(16));  // 14.4 GiB, 7.4 GiB beside the base.
  EXPECT_EQ(estimate_max_batch(documented(), room, 2048), 135U);
  EXPECT_EQ(estimate_max_batch(documented(), gib(7), 2048), 0U);
  EXPECT_EQ(estimate_max_batch(documented(), gib(7) + mib(56) - Bytes{1}, 2048), 0U);
  EXPECT_EQ(estimate_max_batch(documented(), gib(7) + mib(56), 2048), 1U);
  EXPECT_EQ(estimate_max_batch(documented(), {}, 2048), 0U);
  EXPECT_EQ(estimate_max_batch(documented(), gib(8)),
            estimate_max_batch(documented(), gib(8), 2048));
}

TEST(SafeContext, OfTheDocumentedProfile) {
  // 4 sequences: 7 GiB + 200 MiB, and 12 KiB for each token of all four.
  EXPECT_EQ(estimate_safe_context_size(documented(), gib(7) + mib(200) + kib(12 * 5), 4), 5U);
  EXPECT_EQ(estimate_safe_context_size(documented(), gib(7) + mib(200) + kib(12 * 5) - Bytes{1}, 4),
            4U);
  EXPECT_EQ(estimate_safe_context_size(documented(), gib(7) + mib(200) - Bytes{1}, 4), 0U);
  EXPECT_EQ(estimate_safe_context_size(documented(), {}, 4), 0U);
}

TEST(Estimates, HaveACeilingWhereNothingCosts) {
  EXPECT_EQ(estimate_max_batch(profile_of(gib(1), {}, {}), gib(1), 2048), 1'000'000U);
  EXPECT_EQ(estimate_max_batch(profile_of(gib(1), {}, Bytes{1}), gib(1), 0), 1'000'000U);
  EXPECT_EQ(estimate_max_batch(profile_of({}, Bytes{1}, {}), kAll, 0), 1'000'000U)
      << "cheaper never means fewer";
  EXPECT_EQ(estimate_max_batch(profile_of({}, {}, {}), {}, kMax), 1'000'000U);
  EXPECT_EQ(estimate_max_batch(profile_of(Bytes{1}, {}, {}), {}, 0), 0U);
  EXPECT_EQ(estimate_safe_context_size(profile_of(gib(1), mib(1), {}), gib(2), 4), 1'000'000'000U);
  EXPECT_EQ(estimate_safe_context_size(profile_of({}, {}, Bytes{1}), kAll, 1), 1'000'000'000U);
  EXPECT_EQ(estimate_safe_context_size(profile_of({}, {}, {}), {}, kMax), 1'000'000'000U);
}

TEST(Estimates, OfWhatIsBeyondSixtyFourBitsIsZero) {
  EXPECT_EQ(estimate_max_batch(profile_of({}, kAll, Bytes{1}), kAll, 1), 0U)
      << "one needs 2⁶⁴ bytes, though need() can only say 2⁶⁴ − 1";
  EXPECT_EQ(estimate_max_batch(profile_of({}, kAll, {}), kAll, 1), 1U);
  EXPECT_EQ(estimate_max_batch(profile_of({}, {}, kAll), kAll, kMax), 0U);
  EXPECT_EQ(estimate_safe_context_size(profile_of({}, kAll, {}), kAll, 2), 0U);
  EXPECT_EQ(estimate_safe_context_size(profile_of(Bytes{1}, kAll, {}), kAll, 1), 0U);
  EXPECT_EQ(estimate_safe_context_size(profile_of({}, {}, kAll), kAll, kMax), 0U);
  EXPECT_EQ(estimate_safe_context_size(profile_of({}, {}, kAll), kAll, 1), 1U);
}

/// need(most) ≤ room < need(most + 1), but for the ceiling.
void expect_batch_is_the_most(const MemoryProfile& p, Bytes room, std::uint64_t tokens) {
  const std::uint64_t most = estimate_max_batch(p, room, tokens);
  if (most > 0) {
    ASSERT_LE(true_need(p, most, tokens), (Wide{0, room.count})) << most;
  }
  if (most < static_cast<std::uint64_t>(kMostBatch)) {
    ASSERT_GT(true_need(p, most + 1, tokens), (Wide{0, room.count})) << most;
  }
}

void expect_context_is_the_most(const MemoryProfile& p, Bytes room, std::uint64_t batch) {
  const std::uint64_t most = estimate_safe_context_size(p, room, batch);
  if (most > 0) {
    ASSERT_LE(true_need(p, batch, most), (Wide{0, room.count})) << most;
  }
  if (most < kMostTokens) {
    ASSERT_GT(true_need(p, batch, most + 1), (Wide{0, room.count})) << most;
  }
}

template <class Visit>
void for_each_small(Visit visit) {
  for (std::uint64_t base = 0; base < 4; ++base) {
    for (std::uint64_t per_batch = 0; per_batch < 4; ++per_batch) {
      for (std::uint64_t per_token = 0; per_token < 4; ++per_token) {
        for (std::uint64_t room = 0; room < 24; ++room) {
          visit(profile_of(Bytes{base}, Bytes{per_batch}, Bytes{per_token}), Bytes{room});
        }
      }
    }
  }
}

TEST(Estimates, AreTheMostThatFitsOnEverySmallGrid) {
  for_each_small([](const MemoryProfile& profile, Bytes room) {
    for (std::uint64_t count = 0; count < 6; ++count) {
      expect_batch_is_the_most(profile, room, count);
      expect_context_is_the_most(profile, room, count);
    }
  });
}

TEST(Need, IsExactOnEverySmallGrid) {
  for_each_small([](const MemoryProfile& profile, Bytes) {
    for (std::uint64_t batch = 0; batch < 6; ++batch) {
      for (std::uint64_t tokens = 0; tokens < 6; ++tokens) {
        ASSERT_EQ((Wide{0, need(profile, batch, tokens).count}), true_need(profile, batch, tokens));
      }
    }
  });
}

/// Numbers of every magnitude.
class Numbers {
 public:
  std::uint64_t next() {
    const std::uint64_t bits = random_() % 65;
    return bits == 0 ? 0 : random_() >> (64 - bits);
  }

 private:
  std::mt19937_64 random_{20260131};
};

TEST(Estimates, AreTheMostThatFitsOfLargeNumbers) {
  Numbers numbers;
  for (int i = 0; i < 20'000; ++i) {
    const MemoryProfile profile =
        profile_of(Bytes{numbers.next()}, Bytes{numbers.next()}, Bytes{numbers.next()});
    const Bytes room{numbers.next()};
    const std::uint64_t tokens = numbers.next() >> 24U;  // true_need() stays below 2¹²⁸.
    expect_batch_is_the_most(profile, room, tokens);
    expect_context_is_the_most(profile, room, numbers.next() >> 40U);
    const Wide exact = true_need(profile, tokens >> 20U, tokens);
    ASSERT_EQ(need(profile, tokens >> 20U, tokens).count, exact.high > 0 ? kMax : exact.low);
  }
}

TEST(Estimates, AreMonotoneInEveryArgument) {
  Numbers numbers;
  for (int i = 0; i < 20'000; ++i) {
    const MemoryProfile less =
        profile_of(Bytes{numbers.next()}, Bytes{numbers.next()}, Bytes{numbers.next()});
    MemoryProfile more = less;
    Bytes* const parts[] = {&more.base_usage, &more.per_batch_usage, &more.per_token_usage};
    *parts[i % 3] += Bytes{numbers.next()};
    const Bytes room{numbers.next()};
    const Bytes more_room = room + Bytes{numbers.next()};
    const std::uint64_t a = numbers.next();
    const std::uint64_t b = numbers.next();
    const auto [few, many] = std::minmax(a, b);
    ASSERT_LE(need(less, few, a), need(more, few, a));
    ASSERT_LE(need(less, few, a), need(less, many, a));
    ASSERT_LE(need(less, a, few), need(less, a, many));
    ASSERT_LE(estimate_max_batch(more, room, a), estimate_max_batch(less, room, a));
    ASSERT_LE(estimate_max_batch(less, room, a), estimate_max_batch(less, more_room, a));
    ASSERT_LE(estimate_max_batch(less, room, many), estimate_max_batch(less, room, few));
    ASSERT_LE(estimate_safe_context_size(more, room, a), estimate_safe_context_size(less, room, a));
    ASSERT_LE(estimate_safe_context_size(less, room, a),
              estimate_safe_context_size(less, more_room, a));
    ASSERT_LE(estimate_safe_context_size(less, room, many),
              estimate_safe_context_size(less, room, few));
  }
}

TEST(CheckProfile, RefusesWhatNoModelNeeds) {
  EXPECT_TRUE(check(documented()));
  EXPECT_TRUE(check(profile_of({}, {}, Bytes{1})));
  EXPECT_TRUE(check(profile_of(Bytes{64 * kTiB}, {}, {})));
  EXPECT_THAT(check(profile_of({}, {}, {})).error().message, HasSubstr("0 bytes"));
  for (const MemoryProfile& bad :
       {profile_of(Bytes{64 * kTiB + 1}, {}, {}), profile_of({}, Bytes{64 * kTiB + 1}, {}),
        profile_of({}, {}, Bytes{64 * kTiB + 1})}) {
    EXPECT_THAT(check(bad).error().message, HasSubstr("70368744177665 bytes"));
  }
}

}  // namespace
}  // namespace levee::estimate
