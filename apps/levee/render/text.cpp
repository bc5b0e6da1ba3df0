#include "render/text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace levee::cli {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// East Asian Wide and Fullwidth, and emoji; rough, but it errs only on rare characters.
constexpr std::array kWide{Range{0x1100, 0x115F},  Range{0x2E80, 0x303E}, Range{0x3041, 0xA4CF},
                           Range{0xAC00, 0xD7A3},  Range{0xF900, 0xFAFF}, Range{0xFE30, 0xFE6F},
                           Range{0xFF00, 0xFF60},  Range{0xFFE0, 0xFFE6}, Range{0x1F300, 0x1FAFF},
                           Range{0x20000, 0x3FFFD}};
constexpr std::array kZero{Range{0x0300, 0x036F}, Range{0x200B, 0x200F}, Range{0x20D0, 0x20FF},
                           Range{0xFE00, 0xFE0F}};

/// Bidirectional marks and separators: they would move or hide the text around them.
constexpr std::array kSteering{Range{0x0000, 0x001F}, Range{0x007F, 0x009F}, Range{0x2028, 0x202E},
                               Range{0x2066, 0x2069}};

template <std::size_t N>
bool in_one_of(const std::array<Range, N>& ranges, char32_t point) {
  return std::ranges::any_of(
      ranges, [=](Range range) { return point >= range.first && point <= range.last; });
}

/// The first character of `text` and its length in bytes; a byte that begins none counts as one.
struct Character {
  char32_t point = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  const std::size_t length = lead < 0x80                    ? 1
                             : lead >= 0xC2 && lead <= 0xDF ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  if (length == 0 || length > text.size()) {
    return {};
  }
  char32_t point = length == 1 ? lead : lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) {
      return {};
    }
    point = point << 6U | (byte(i) & 0x3FU);
  }
  return {point, length, true};
}

std::size_t width_of(char32_t point) {
  return in_one_of(kZero, point) ? 0 : in_one_of(kWide, point) ? 2 : 1;
}

}  // namespace

std::size_t columns(std::string_view text) {
  std::size_t total = 0;
  while (!text.empty()) {
    const Character next = first_character(text);
    total += width_of(next.point);
    text.remove_prefix(next.bytes);
  }
  return total;
}

std::string shown(std::string_view text, Charset charset) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const Character next = first_character(text);
    const bool keep = next.valid && !in_one_of(kSteering, next.point) &&
                      (charset == Charset::utf8 || next.point < 0x80);
    result += keep ? text.substr(0, next.bytes) : "?";
    text.remove_prefix(next.bytes);
  }
  return result;
}

std::string cut(std::string_view text, std::size_t width, Charset charset) {
  if (columns(text) <= width) {
    return std::string(text);
  }
  const std::string_view ellipsis = charset == Charset::utf8 ? "…" : "...";
  const std::size_t ellipsis_width = std::min(columns(ellipsis), width);
  std::size_t taken = 0;
  std::size_t used = 0;
  while (taken < text.size()) {
    const Character next = first_character(text.substr(taken));
    if (used + width_of(next.point) + ellipsis_width > width) {
      break;
    }
    used += width_of(next.point);
    taken += next.bytes;
  }
  const bool whole = ellipsis_width == columns(ellipsis);
  return std::string(text.substr(0, taken)) +
         (whole ? std::string(ellipsis) : std::string(ellipsis_width, '.'));
}

std::string padded(std::string_view text, std::size_t width) {
  const std::size_t taken = columns(text);
  return std::string(text) + std::string(width > taken ? width - taken : 0, ' ');
}

std::string padded_left(std::string_view text, std::size_t width) {
  const std::size_t taken = columns(text);
  return std::string(width > taken ? width - taken : 0, ' ') + std::string(text);
}

}  // namespace levee::cli
