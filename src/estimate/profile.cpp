#include "estimate/profile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "estimate/kv_cache.hpp"
#include "estimate/parameters.hpp"

namespace levee::estimate {
namespace {

/// Of one part of a profile. Beyond it somebody has mixed up his units.
constexpr Bytes kMostOfAPart{64 * kTiB};

using Amount = std::optional<std::uint64_t>;  ///< Absent: beyond 2⁶⁴ − 1.

Amount product(std::uint64_t a, std::uint64_t b) {
  std::uint64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? std::nullopt : Amount(result);
}

Amount sum(std::uint64_t a, std::uint64_t b) {
  std::uint64_t result = 0;
  return __builtin_add_overflow(a, b, &result) ? std::nullopt : Amount(result);
}

/// What each sequence takes.
Amount cost_of_sequence(const MemoryProfile& profile, std::uint64_t tokens) {
  const Amount cache = product(tokens, profile.per_token_usage.count);
  return cache ? sum(profile.per_batch_usage.count, *cache) : std::nullopt;
}

/// How often `cost` goes into `room`.
std::uint64_t times(Bytes room, Amount cost, std::uint64_t ceiling) {
  if (!cost) {
    return 0;
  }
  return *cost == 0 ? ceiling : std::min(room.count / *cost, ceiling);
}

}  // namespace

Result<void> check(const MemoryProfile& profile) {
  const Bytes parts[] = {profile.base_usage, profile.per_batch_usage, profile.per_token_usage};
  if (std::ranges::all_of(parts, [](Bytes part) { return part == Bytes{}; })) {
    return fail(ErrorCode::invalid_argument, "the profile needs 0 bytes for everything",
                "give base_usage, per_batch_usage and per_token_usage in bytes");
  }
  const Bytes largest = std::ranges::max(parts);
  if (largest > kMostOfAPart) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} bytes are more than a profile's {}", largest.count,
                            format_bytes(kMostOfAPart)),
                "give base_usage, per_batch_usage and per_token_usage in bytes");
  }
  return {};
}

Bytes need(const MemoryProfile& profile, std::uint64_t batch, std::uint64_t tokens) {
  constexpr Bytes kBeyond{std::numeric_limits<std::uint64_t>::max()};
  if (batch == 0) {
    return profile.base_usage;
  }
  const Amount each = cost_of_sequence(profile, tokens);
  const Amount all = each ? product(batch, *each) : std::nullopt;
  return all ? profile.base_usage + Bytes{*all} : kBeyond;
}

Bytes usable(Bytes free, Bytes held) {
  const Bytes both = free + held;
  return Bytes{both.count / 10 * 9 + both.count % 10 * 9 / 10};  // 9 × both could overflow.
}

std::uint64_t estimate_max_batch(const MemoryProfile& profile, Bytes usable, std::uint64_t tokens) {
  if (profile.base_usage > usable) {
    return 0;
  }
  return times(usable - profile.base_usage, cost_of_sequence(profile, tokens), kMostBatch);
}

std::uint64_t estimate_safe_context_size(const MemoryProfile& profile, Bytes usable,
                                         std::uint64_t batch) {
  const Amount empty = product(batch, profile.per_batch_usage.count);
  const Amount least = empty ? sum(profile.base_usage.count, *empty) : std::nullopt;
  if (!least || *least > usable.count) {
    return 0;
  }
  // A token of each sequence: batch × per_token.
  return times(usable - Bytes{*least}, product(batch, profile.per_token_usage.count), kMostTokens);
}

MemoryProfile profile_of(std::string name, const ModelFacts& facts) {
  constexpr double kContext = static_cast<double>(kGiB);  // 0.5 GiB on an H100, 1.3 on a V100.
  constexpr std::uint64_t kLogits = 4 * 4;                // Copies in 32 bits: see inference.cpp.
  Job one;
  one.context = one.batch = 1;
  const WeightFormat wide = parse_weight_format("bf16").value();
  const double weights = weight_bytes(count_parameters(facts), facts, wide);
  return {.name = std::move(name),
          .base_usage = Bytes{static_cast<std::uint64_t>(weights + kContext)},
          .per_batch_usage = Bytes{kLogits * facts.vocab},
          .per_token_usage = Bytes{static_cast<std::uint64_t>(cache_bytes(facts, one, 1, 1))}};
}

}  // namespace levee::estimate
