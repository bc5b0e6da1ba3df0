// Sums and products of 64-bit sizes that say when they do not fit. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace levee::formats {

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a,
                                                                 std::uint64_t b) noexcept {
  return a > std::numeric_limits<std::uint64_t>::max() - b ? std::nullopt : std::optional(a + b);
}

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_multiply(std::uint64_t a,
                                                                      std::uint64_t b) noexcept {
  return b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b ? std::nullopt
                                                                     : std::optional(a * b);
}

}  // namespace levee::formats
