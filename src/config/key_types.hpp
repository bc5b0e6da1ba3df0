// The kinds of keys: each function here makes a row of the table in keys.cpp, that is, it knows how
// a kind of value is checked, stored and shown. Internal to config/. Pure; thread-safe.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/keys.hpp"

namespace levee::config {

/// One member of Config, found by a path of member pointers: field(&Config::guard, &Guard::floor).
template <class T>
struct Field {
  std::function<T(const Config&)> get;
  std::function<void(Config&, T)> set;
};

template <class... Members>
[[nodiscard]] auto field(Members... path) {
  using T = std::remove_cvref_t<decltype((std::declval<Config&>().*....*path))>;
  return Field<T>{[=](const Config& config) { return (config.*....*path); },
                  [=](Config& config, T value) { (config.*....*path) = std::move(value); }};
}

/// Why a value is refused, as a hint that mends it; nothing when it is good.
using Mend = std::optional<std::string>;

// --- numbers

/// 1 to 100. 0.85 is taken for a misplaced fraction and refused.
[[nodiscard]] Key percent(std::string_view name, Field<double> field, std::string_view description);

/// As percent, or "off" for no value.
[[nodiscard]] Key percent_or_off(std::string_view name, Field<std::optional<double>> field,
                                 std::string_view description);

/// Degrees Celsius, above 0, at most 150.
[[nodiscard]] Key celsius(std::string_view name, Field<double> field, std::string_view description);

/// Percentage points, 0 to `most`.
[[nodiscard]] Key points(std::string_view name, Field<double> field, double most,
                         std::string_view description);

/// Above 0, at most 1. 85 is taken for a misplaced percentage and refused.
[[nodiscard]] Key fraction(std::string_view name, Field<double> field,
                           std::string_view description);

[[nodiscard]] Key whole_number(std::string_view name, Field<std::int64_t> field, std::int64_t least,
                               std::int64_t most, std::string_view description);

[[nodiscard]] Key milliseconds(std::string_view name, Field<std::chrono::milliseconds> field,
                               std::int64_t least, std::int64_t most, std::string_view description);

// --- time; a number is seconds, text has a unit ("500ms", "90s", "15m", "24h", "30d")

/// A time shown as a number of seconds.
[[nodiscard]] Key seconds(std::string_view name, Field<std::chrono::milliseconds> field,
                          std::chrono::milliseconds least, std::chrono::milliseconds most,
                          std::string_view description);
[[nodiscard]] Key seconds(std::string_view name, Field<std::chrono::seconds> field,
                          std::chrono::seconds least, std::chrono::seconds most,
                          std::string_view description);

/// A time shown as text with its unit.
[[nodiscard]] Key duration(std::string_view name, Field<std::chrono::seconds> field,
                           std::chrono::seconds least, std::chrono::seconds most,
                           std::string_view description);

/// "24h", "90s": the largest unit that says it exactly; days only from two days on.
[[nodiscard]] std::string duration_text(std::chrono::seconds duration);

// --- sizes; a whole number is megabytes (contract G1), text has a unit

[[nodiscard]] Key size(std::string_view name, Field<Bytes> field, Bytes least, Bytes most,
                       std::string_view description);

/// A size that is shown as a whole number of megabytes, for the documented names that end in _mb.
[[nodiscard]] Key megabytes(std::string_view name, Field<Bytes> field, Bytes least, Bytes most,
                            std::string_view description);

/// As megabytes, or "auto" for no value.
[[nodiscard]] Key megabytes_or_auto(std::string_view name, Field<std::optional<Bytes>> field,
                                    Bytes least, Bytes most, std::string_view description);

/// A size, or `word` ("auto", "none") for no value. 0 is accepted where `least` is.
[[nodiscard]] Key size_or(std::string_view name, std::string_view word,
                          Field<std::optional<Bytes>> field, Bytes least, Bytes most,
                          std::string_view description);

/// Bytes per second, or "auto" for no value.
[[nodiscard]] Key rate(std::string_view name, Field<std::optional<Bytes>> field, Bytes least,
                       Bytes most, std::string_view description);

/// "4GB", "1536MB", "314572.8KB": text that parse_size reads back as exactly `size`.
[[nodiscard]] std::string size_text(Bytes size);

// --- words and lists

[[nodiscard]] Key boolean(std::string_view name, Field<bool> field, std::string_view description);

/// One of `words`, which stand for the values 0, 1, … of an enumeration.
[[nodiscard]] Key word(std::string_view name, std::string_view type, Field<std::size_t> field,
                       std::vector<std::string> words, std::string_view description);

template <class Enum>
  requires std::is_enum_v<Enum>
[[nodiscard]] Key word(std::string_view name, std::string_view type, Field<Enum> field,
                       std::vector<std::string> words, std::string_view description) {
  const Field<std::size_t> index{[get = std::move(field.get)](const Config& config) {
                                   return static_cast<std::size_t>(get(config));
                                 },
                                 [set = std::move(field.set)](Config& config, std::size_t value) {
                                   set(config, static_cast<Enum>(value));
                                 }};
  return word(name, type, index, std::move(words), description);
}

/// Text that `check` accepts; what is not printable is refused before it is asked.
[[nodiscard]] Key text(std::string_view name, std::string_view type, Field<std::string> field,
                       std::string range, Mend (*check)(const std::string& text),
                       std::string_view description);

[[nodiscard]] Key list(std::string_view name, std::string_view type,
                       Field<std::vector<std::string>> field, std::string range,
                       Mend (*check)(const std::vector<std::string>& items),
                       std::string_view description);

}  // namespace levee::config
