#include "formats/split_name.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace levee::formats {
namespace {

constexpr std::size_t kDigits = 5;  // both numbers are written with five

std::optional<std::uint32_t> five_digits(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

}  // namespace

std::optional<SplitName> parse_split_name(std::string_view file_name) {
  constexpr std::string_view kOf = "-of-";
  constexpr std::size_t kTail = 1 + kDigits + kOf.size() + kDigits;  // "-00001-of-00030"
  const std::size_t dot = file_name.rfind('.');
  if (dot == std::string_view::npos || dot <= kTail) {
    return std::nullopt;
  }
  const std::string_view tail = file_name.substr(dot - kTail, kTail);
  if (tail.front() != '-' || tail.substr(1 + kDigits, kOf.size()) != kOf) {
    return std::nullopt;
  }
  const auto number = five_digits(tail.substr(1, kDigits));
  const auto count = five_digits(tail.substr(tail.size() - kDigits));
  if (!number || !count || *number == 0 || *number > *count) {
    return std::nullopt;
  }
  return SplitName{std::string(file_name.substr(0, dot - kTail)), *number, *count,
                   std::string(file_name.substr(dot))};
}

std::string sibling_name(const SplitName& name, std::uint32_t number) {
  return fmt::format("{}-{:05}-of-{:05}{}", name.prefix, number, name.count, name.extension);
}

}  // namespace levee::formats
