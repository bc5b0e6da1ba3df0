// Bytes: an amount of memory. Integer bytes inside; text only at the boundaries.
//
// KB, MB, GB and TB are binary everywhere in Levee (1 GB = 1024³ bytes), as are KiB … TiB.
// All functions are pure and thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>

namespace levee {

/// An amount of memory in bytes, range 0 … 2⁶⁴−1. Arithmetic saturates: a sum never wraps, a
/// difference never goes below zero.
struct Bytes {
  std::uint64_t count = 0;

  constexpr auto operator<=>(const Bytes&) const = default;

  friend constexpr Bytes operator+(Bytes a, Bytes b) noexcept {
    constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
    return Bytes{a.count > kMax - b.count ? kMax : a.count + b.count};
  }
  friend constexpr Bytes operator-(Bytes a, Bytes b) noexcept {
    return Bytes{a.count > b.count ? a.count - b.count : 0};
  }
  constexpr Bytes& operator+=(Bytes other) noexcept { return *this = *this + other; }
  constexpr Bytes& operator-=(Bytes other) noexcept { return *this = *this - other; }
};

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;
inline constexpr std::uint64_t kTiB = 1024 * kGiB;

[[nodiscard]] constexpr Bytes kib(std::uint64_t n) noexcept { return Bytes{n * kKiB}; }
[[nodiscard]] constexpr Bytes mib(std::uint64_t n) noexcept { return Bytes{n * kMiB}; }
[[nodiscard]] constexpr Bytes gib(std::uint64_t n) noexcept { return Bytes{n * kGiB}; }

/// `bytes` in GB (= GiB) as the documented APIs print it.
[[nodiscard]] constexpr double to_gb(Bytes bytes) noexcept {
  return static_cast<double>(bytes.count) / static_cast<double>(kGiB);
}

/// 100 × part / whole; 0 when `whole` is zero.
[[nodiscard]] constexpr double percent_of(Bytes part, Bytes whole) noexcept {
  return whole.count == 0
             ? 0.0
             : 100.0 * static_cast<double>(part.count) / static_cast<double>(whole.count);
}

/// A short text for people, three significant digits: "512 B", "1.50 GiB", "23.4 GiB".
[[nodiscard]] std::string format_bytes(Bytes bytes);

}  // namespace levee
