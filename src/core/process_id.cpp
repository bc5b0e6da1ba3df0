#include "core/process_id.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace levee {

std::optional<BootId> BootId::parse(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\n";
  constexpr std::size_t kLength = 36;
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  text = text.substr(0, text.find_last_not_of(kSpaces) + 1);
  if (text.size() != kLength) {
    return std::nullopt;
  }
  std::array<std::uint64_t, 2> halves{};
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') {
        return std::nullopt;
      }
      continue;
    }
    std::uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint64_t>(c - 'a') + 10;
    } else {
      return std::nullopt;
    }
    auto& half = halves.at(digits++ / 16);
    half = (half << 4U) | digit;
  }
  return BootId{halves[0], halves[1]};
}

std::string BootId::to_string() const {
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32U, (high >> 16U) & 0xffffU,
                     high & 0xffffU, low >> 48U, low & 0xffff'ffff'ffffULL);
}

}  // namespace levee
