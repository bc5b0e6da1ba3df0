// Fields: the small grammar that the kernel's text files share: lines, words and numbers.
// Pure, header-only, thread-safe; nothing here reads outside its input.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>

#include "levee/bytes.hpp"

namespace levee::sources {

/// Takes the text before the first `stop` off the front of `rest`, and `stop` with it; all of
/// `rest` when there is none.
[[nodiscard]] inline std::string_view take_until(std::string_view& rest, char stop) noexcept {
  const std::size_t end = rest.find(stop);
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return taken;
}

[[nodiscard]] inline std::string_view take_line(std::string_view& rest) noexcept {
  return take_until(rest, '\n');
}

/// Takes the next word off the front of `rest`; words stand between blanks, tabs and line ends.
[[nodiscard]] inline std::string_view take_word(std::string_view& rest) noexcept {
  constexpr std::string_view kBlanks = " \t\n";
  const std::size_t begin = rest.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    rest = {};
    return {};
  }
  rest.remove_prefix(begin);
  const std::string_view word = rest.substr(0, rest.find_first_of(kBlanks));
  rest.remove_prefix(word.size());
  return word;
}

/// `word` as a number; nothing unless all of it is one and it fits.
template <class Number>
[[nodiscard]] std::optional<Number> to_number(std::string_view word, int base = 10) noexcept {
  Number value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
  if (error != std::errc{} || end != word.data() + word.size()) {
    return std::nullopt;
  }
  return value;
}

/// `word` as a finite number that is not negative.
[[nodiscard]] inline std::optional<double> to_real(std::string_view word) noexcept {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size() || !std::isfinite(value) ||
      std::signbit(value)) {
    return std::nullopt;
  }
  return value;
}

/// "  24684092 kB" as bytes.
[[nodiscard]] inline std::optional<Bytes> to_kilobytes(std::string_view text) noexcept {
  const auto count = to_number<std::uint64_t>(take_word(text));
  const bool fits = count && *count <= std::numeric_limits<std::uint64_t>::max() / kKiB;
  if (!fits || take_word(text) != "kB" || !take_word(text).empty()) {
    return std::nullopt;
  }
  return kib(*count);
}

}  // namespace levee::sources
