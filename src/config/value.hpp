// Value: a setting before it is typed, and how it reads as text. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "levee/result.hpp"

namespace levee::config {

/// A setting's value before it is typed; what TOML, JSON and text can all say.
using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// "0.85", "true", "127.0.0.1:8000", `["a", "b"]`: as people read it and value_from_text reads it.
[[nodiscard]] std::string to_text(const Value& value);

/// The same as TOML writes it: text in quotes.
[[nodiscard]] std::string to_toml(const Value& value);

/// `value` as a message may show it: text in quotes, cut when long, nothing unprintable.
[[nodiscard]] std::string shown(const Value& value);

/// The number that `text` is as a whole ("85", "-3", "0.5", "1e3"): an int64 where that is exact,
/// else a double. Nothing for anything else. Words such as "nan" give a double that is not finite.
[[nodiscard]] std::optional<Value> parse_number(std::string_view text);

/// The number in `value`; nothing for other types, NaN and infinity.
[[nodiscard]] std::optional<double> number_in(const Value& value);

/// The whole number in `value`; 5.0 counts as 5, 5.5 as nothing.
[[nodiscard]] std::optional<std::int64_t> integer_in(const Value& value);

/// `["a", "b"]` as a list; `text` may be a TOML or JSON array of strings on one or more lines.
[[nodiscard]] Result<std::vector<std::string>> parse_list(std::string_view text);

/// True for UTF-8 without control characters: what may stand in logs, JSON and a command line.
[[nodiscard]] bool is_printable(std::string_view text) noexcept;

}  // namespace levee::config
