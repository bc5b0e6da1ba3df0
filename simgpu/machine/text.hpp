// Fixed-size texts of the segment, and small formatting without the heap.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace levee::simgpu {

/// Copies `text`, cut to what fits beside the NUL.
template <std::size_t n>
void put(std::array<char, n>& into, std::string_view text) noexcept {
  const std::size_t length = std::min(text.size(), n - 1);
  std::copy_n(text.begin(), length, into.begin());
  std::fill(into.begin() + static_cast<std::ptrdiff_t>(length), into.end(), '\0');
}

template <std::size_t n>
[[nodiscard]] std::string_view view(const std::array<char, n>& text) noexcept {
  return {text.data(),
          static_cast<std::size_t>(std::find(text.begin(), text.end(), '\0') - text.begin())};
}

/// True when `pattern` is `name`, or a beginning of it followed by '*'.
[[nodiscard]] constexpr bool matches(std::string_view pattern, std::string_view name) noexcept {
  if (!pattern.empty() && pattern.back() == '*') {
    return name.starts_with(pattern.substr(0, pattern.size() - 1));
  }
  return pattern == name;
}

}  // namespace levee::simgpu
