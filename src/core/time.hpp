// Time as an argument. Pure logic never asks a clock: it is handed a Now.
//
// Durations and rules use the monotonic part, so that a clock set backwards or forwards changes no
// decision; people and files see the wall part. Only engine/clock.hpp reads the clocks.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace levee {

/// UTC, milliseconds since the Unix epoch. May jump.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// CLOCK_MONOTONIC. Never jumps.
using MonoTime = std::chrono::steady_clock::time_point;

using Seconds = std::chrono::duration<double>;

/// One instant on both clocks.
struct Now {
  WallTime wall;
  MonoTime mono;
};

/// A value and the instant at which it was read; its age is `now.mono - read_at`.
template <class T>
struct Sampled {
  T value;
  MonoTime read_at;
};

/// "2026-01-31T08:05:09.123Z".
[[nodiscard]] std::string to_iso8601(WallTime time);

/// That text as a time; nothing for any other text.
[[nodiscard]] std::optional<WallTime> parse_iso8601(std::string_view text);

/// "45s", "3m 20s", "2h 5m", "3d 4h": two units at most, for people.
[[nodiscard]] std::string format_duration(std::chrono::seconds duration);

}  // namespace levee
