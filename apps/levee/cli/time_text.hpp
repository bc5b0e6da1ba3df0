// Times and spans as people write and read them. Pure apart from the time zone; thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/time.hpp"
#include "levee/result.hpp"

namespace levee::cli {

/// "2026-01-31 08:05:09", in local time or UTC.
[[nodiscard]] std::string date_and_time(WallTime time, bool utc);

/// "08:05:09".
[[nodiscard]] std::string time_of_day(WallTime time, bool utc);

/// A span within [least, most]: "2", "0.5", "300" seconds, or with a unit "500ms", "90s", "15m",
/// "24h", "30d". `option` is named in the message.
[[nodiscard]] Result<std::chrono::milliseconds> parse_span(std::string_view text,
                                                           std::string_view option,
                                                           std::chrono::milliseconds least,
                                                           std::chrono::milliseconds most);

/// A whole number within [least, most].
[[nodiscard]] Result<long> parse_count(std::string_view text, std::string_view option, long least,
                                       long most);

}  // namespace levee::cli
