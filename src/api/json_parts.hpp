// Small pieces the JSON of the API is made of: rounding, and null for what is unknown. Pure.
#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee::api {

inline constexpr int kGbDecimals = 3;
inline constexpr int kPercentDecimals = 1;

/// `value` to `decimals` places, so that 8.4 is written 8.4 and not 8.400000000000001. A half goes
/// to the even digit, as the documented example has it (26.25 is 26.2).
[[nodiscard]] inline double round_to(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  const double rounded = std::nearbyint(value * scale) / scale;
  return std::isfinite(rounded) ? rounded : value;
}

[[nodiscard]] inline double gb(Bytes bytes) { return round_to(to_gb(bytes), kGbDecimals); }
[[nodiscard]] inline double percent(double value) { return round_to(value, kPercentDecimals); }

template <class T>
[[nodiscard]] nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

[[nodiscard]] inline nlohmann::ordered_json rounded(std::optional<double> value, int decimals) {
  return value ? nlohmann::ordered_json(round_to(*value, decimals)) : nlohmann::ordered_json();
}

[[nodiscard]] inline nlohmann::ordered_json bytes_or_null(std::optional<Bytes> bytes) {
  return bytes ? nlohmann::ordered_json(bytes->count) : nlohmann::ordered_json();
}

[[nodiscard]] inline nlohmann::ordered_json time_or_null(std::optional<WallTime> time) {
  return time ? nlohmann::ordered_json(to_iso8601(*time)) : nlohmann::ordered_json();
}

/// How long before `now` something was read, in seconds; never negative.
[[nodiscard]] inline double seconds_between(MonoTime read_at, MonoTime now) {
  return std::max(0.0, round_to(Seconds(now - read_at).count(), 3));
}

}  // namespace levee::api
