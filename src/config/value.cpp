#include "config/value.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <system_error>

namespace levee::config {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

constexpr bool is_control(unsigned char c) noexcept { return c < 0x20 || c == 0x7f; }

/// `text` between double quotes, escaped so that TOML and JSON both read it back.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (is_control(static_cast<unsigned char>(c))) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string list_text(const std::vector<std::string>& items) {
  std::vector<std::string> parts;
  parts.reserve(items.size());
  for (const std::string& item : items) {
    parts.push_back(quoted(item));
  }
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

/// Length of the UTF-8 sequence at the front of `text`; 0 when it is none (RFC 3629: no overlong
/// forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    return 1;
  }
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) {
      return 0;
    }
  }
  const unsigned char second = byte(1);
  const bool out_of_range = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
                            (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f);
  return out_of_range ? 0 : length;
}

template <class Number>
std::optional<Number> whole_text_as(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

std::string to_text(const Value& value) {
  return std::visit(Overloaded{[](const std::string& text) { return text; },
                               [](const std::vector<std::string>& list) { return list_text(list); },
                               [](auto plain) { return fmt::format("{}", plain); }},
                    value);
}

std::string to_toml(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr ? quoted(*text) : to_text(value);
}

std::string shown(const Value& value) {
  constexpr std::size_t kLongest = 60;
  std::string text;
  for (const char c : to_toml(value).substr(0, kLongest + 1)) {
    text += c >= ' ' && c <= '~' ? c : '?';
  }
  return text.size() > kLongest ? text.substr(0, kLongest) + "…" : text;
}

std::optional<Value> parse_number(std::string_view text) {
  if (const auto integer = whole_text_as<std::int64_t>(text)) {
    return *integer;
  }
  if (const auto real = whole_text_as<double>(text)) {
    return *real;
  }
  return std::nullopt;
}

std::optional<double> number_in(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return static_cast<double>(*integer);
  }
  const auto* real = std::get_if<double>(&value);
  return real != nullptr && std::isfinite(*real) ? std::optional{*real} : std::nullopt;
}

std::optional<std::int64_t> integer_in(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return *integer;
  }
  constexpr double kExact = 9007199254740992.0;  // 2⁵³: above it doubles skip whole numbers.
  const auto number = number_in(value);
  if (!number || std::abs(*number) > kExact || std::trunc(*number) != *number) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*number);
}

bool is_printable(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0 || is_control(static_cast<unsigned char>(text.front()))) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace levee::config
