#include "core/process_id.hpp"

#include <fmt/core.h>

#include <array>

namespace levee {

std::optional<BootId> BootId::parse(std::string_view text) {
  std::array<std::uint64_t, 2> halves{};
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == '-' || c == '\n' || c == ' ') {
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
    if (digits == 32) {
      return std::nullopt;
    }
    auto& half = halves.at(digits / 16);
    half = (half << 4U) | digit;
    ++digits;
  }
  if (digits != 32) {
    return std::nullopt;
  }
  return BootId{halves[0], halves[1]};
}

std::string BootId::to_string() const {
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32U, (high >> 16U) & 0xffffU,
                     high & 0xffffU, low >> 48U, low & 0xffff'ffff'ffffULL);
}

}  // namespace levee
