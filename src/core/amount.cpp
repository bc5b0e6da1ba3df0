#include "levee/amount.hpp"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

namespace levee {
namespace {

constexpr std::string_view kForms =
    R"(write "2GB", "500 MB", "50%" of free memory, or a plain number of megabytes such as 2000)";

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t'; }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && is_space(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

/// The text as a message may show it: short, and without control characters or broken UTF-8.
std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  std::string result;
  for (const char c : text.substr(0, kLongest)) {
    result += c >= ' ' && c <= '~' ? c : '?';
  }
  return text.size() > kLongest ? result + "…" : result;
}

std::unexpected<Error> refuse(std::string_view text, std::string_view why,
                              std::string hint = std::string(kForms)) {
  return fail(ErrorCode::invalid_argument,
              fmt::format("\"{}\" is not an amount of memory: {}", shown(text), why),
              std::move(hint));
}

/// The bytes of a unit such as "g", "GB" or "GiB"; nothing when it is none.
std::optional<std::uint64_t> unit_bytes(std::string_view unit) noexcept {
  struct Prefix {
    char letter;
    std::uint64_t bytes;
  };
  constexpr std::array kPrefixes{Prefix{'k', kKiB}, Prefix{'m', kMiB}, Prefix{'g', kGiB},
                                 Prefix{'t', kTiB}};
  if (unit.empty()) {
    return std::nullopt;
  }
  const char letter = lower(unit.front());
  unit.remove_prefix(1);
  const bool suffix_known = unit.empty() || (unit.size() == 1 && lower(unit[0]) == 'b') ||
                            (unit.size() == 2 && lower(unit[0]) == 'i' && lower(unit[1]) == 'b');
  if (!suffix_known) {
    return std::nullopt;
  }
  for (const Prefix& prefix : kPrefixes) {
    if (prefix.letter == letter) {
      return prefix.bytes;
    }
  }
  return std::nullopt;
}

/// A decimal number at the front of `text` (digits with at most one point; no sign, no exponent)
/// and what follows it.
struct Number {
  double value = 0;
  bool is_integer = false;
  std::string_view rest;
};

std::optional<Number> leading_number(std::string_view text) noexcept {
  std::size_t length = 0;
  std::size_t digits = 0;
  bool point = false;
  while (length < text.size() && (is_digit(text[length]) || (text[length] == '.' && !point))) {
    point = point || text[length] == '.';
    digits += is_digit(text[length]) ? 1U : 0U;
    ++length;
  }
  if (digits == 0) {
    return std::nullopt;
  }
  Number number{0, !point, trim(text.substr(length))};
  const std::string_view front = text.substr(0, length);
  const auto [end, error] =
      std::from_chars(front.data(), front.data() + front.size(), number.value);
  if (error == std::errc::result_out_of_range) {
    // Hundreds of digits: beyond all bounds, or after "0.000…" as good as nothing.
    const bool is_huge = front.find_first_not_of('0') < front.find('.');
    number.value = is_huge ? std::numeric_limits<double>::infinity() : 0.0;
  }
  return number;
}

/// `count` units as Bytes, when that is at least one byte and less than 2⁶³.
Result<Bytes> scaled(std::string_view text, double count, std::uint64_t unit) {
  constexpr double kTooMany = 0x1p63;
  const double bytes = count * static_cast<double>(unit);
  if (bytes >= kTooMany) {
    return refuse(text, "it is more than a machine can have",
                  "the largest accepted amount is 8388607 TB");
  }
  if (bytes < 1.0) {
    return refuse(text, bytes > 0 ? "it is less than one byte" : "it must be greater than zero");
  }
  return Bytes{static_cast<std::uint64_t>(std::llround(bytes))};
}

}  // namespace

Result<Amount> Amount::from_megabytes(std::int64_t megabytes) {
  if (megabytes <= 0) {
    return refuse(fmt::format("{}", megabytes), "it must be greater than zero");
  }
  auto bytes = scaled(fmt::format("{}", megabytes), static_cast<double>(megabytes), kMiB);
  if (!bytes) {
    return std::unexpected(bytes.error());
  }
  return Amount::of(Bytes{static_cast<std::uint64_t>(megabytes) * kMiB});
}

Result<Amount> Amount::from_fraction(double fraction) {
  if (!(fraction > 0.0 && fraction <= 1.0)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is not a fraction of free memory: it must lie in (0, 1]", fraction),
                "for a size write it with a unit, such as \"2GB\"");
  }
  return Amount{Bytes{}, fraction};
}

Result<Amount> Amount::parse(std::string_view text) {
  const std::string_view trimmed = trim(text);
  if (trimmed.empty()) {
    return refuse(text, "it is empty");
  }
  if (trimmed.front() == '-') {
    return refuse(text, "it must not be negative");
  }
  const auto number = leading_number(trimmed);
  if (!number) {
    return refuse(text, "it does not start with a number");
  }
  if (number->rest == "%") {
    if (!(number->value > 0.0 && number->value <= 100.0)) {
      return refuse(text, "a percentage must be above 0 and at most 100");
    }
    return Amount::from_fraction(number->value / 100.0);
  }
  if (number->rest.empty() && !number->is_integer) {
    const bool could_be_share = number->value > 0.0 && number->value <= 1.0;
    return refuse(text, "a fraction as text is ambiguous",
                  could_be_share
                      ? fmt::format("write \"{:g}%\" for a share of free memory, or add a unit, "
                                    "such as \"{}GB\"",
                                    number->value * 100.0, shown(trimmed))
                      : fmt::format("add a unit, such as \"{}GB\"", shown(trimmed)));
  }
  const auto unit = number->rest.empty() ? std::optional{kMiB} : unit_bytes(number->rest);
  if (!unit) {
    return refuse(
        text, fmt::format("\"{}\" is no unit", shown(number->rest)),
        "units are K, M, G and T, with an optional B or iB; all are binary (1 GB = 1024 MB)");
  }
  const auto bytes = scaled(text, number->value, *unit);
  if (!bytes) {
    return std::unexpected(bytes.error());
  }
  return Amount::of(*bytes);
}

Bytes Amount::resolve(Bytes free) const noexcept {
  if (!is_share()) {
    return bytes_;
  }
  return Bytes{static_cast<std::uint64_t>(static_cast<long double>(free.count) *
                                          static_cast<long double>(fraction_))};
}

Result<Amount> Amount::divided_by(std::size_t parts) const {
  if (is_share()) {
    return from_fraction(fraction_ / static_cast<double>(parts));
  }
  if (bytes_.count < parts) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} cannot be divided by {}", format_bytes(bytes_), parts),
                "ask for more");
  }
  return Amount::of(Bytes{bytes_.count / parts});
}

Result<Bytes> parse_size(std::string_view text) {
  const auto amount = Amount::parse(text);
  if (!amount) {
    return std::unexpected(amount.error());
  }
  if (amount->is_share()) {
    return refuse(text, "a share of free memory has no fixed size here",
                  "write a size with a unit, such as \"2GB\"");
  }
  return amount->resolve(Bytes{});
}

}  // namespace levee
