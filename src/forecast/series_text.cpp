#include "forecast/series_text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

namespace levee::forecast {
namespace {

constexpr const char* kForm =
    "each line is SECONDS,BYTES, such as 12.5,8589934592; the first one may hold names instead";
constexpr std::size_t kShown = 40;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  const std::size_t last = text.find_last_not_of(" \t\r");
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, last - first + 1);
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc{} && end == text.data() + text.size();
  return is_number && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

/// As it can be shown: short, and nothing a terminal would obey.
std::string shown(std::string_view text) {
  std::string safe;
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    safe += byte < 0x20 || byte >= 0x7f ? '?' : c;
  }
  return safe + (text.size() > kShown ? "…" : "");
}

std::unexpected<Error> refuse(std::size_t line, std::string_view value, std::string_view reason) {
  return fail(ErrorCode::invalid_argument,
              fmt::format("line {}: \"{}\" {}", line, shown(value), reason), kForm);
}

Result<MemoryPoint> parse_line(std::string_view line, std::size_t at) {
  const std::size_t comma = line.find(',');
  if (comma == std::string_view::npos || line.find(',', comma + 1) != std::string_view::npos) {
    return refuse(at, line, "is not two values with a comma between them");
  }
  const std::string_view left = trimmed(line.substr(0, comma));
  const std::string_view right = trimmed(line.substr(comma + 1));
  const auto seconds = number(left);
  if (!seconds) {
    return refuse(at, left, "is no number of seconds");
  }
  const auto bytes = number(right);
  if (!bytes || *bytes < 0) {
    return refuse(at, right, "is no number of bytes, 0 or more");
  }
  return MemoryPoint{*seconds, *bytes};
}

/// Names begin with a letter; a number that went wrong does not pass for one.
bool is_head(std::string_view line) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const std::size_t comma = line.find(',');
  if (comma == std::string_view::npos) {
    return false;
  }
  const std::string_view left = trimmed(line.substr(0, comma));
  const std::string_view right = trimmed(line.substr(comma + 1));
  return !left.empty() && !right.empty() && is_letter(left.front()) && is_letter(right.front()) &&
         left != "nan" && left != "inf";
}

}  // namespace

Result<std::vector<MemoryPoint>> parse_series(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) {  // What spreadsheets put before UTF-8.
    text.remove_prefix(3);
  }
  std::vector<MemoryPoint> points;
  bool is_first = true;
  for (std::size_t at = 1; !text.empty(); ++at) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) {
      continue;
    }
    const bool may_be_head = std::exchange(is_first, false);
    if (may_be_head && is_head(line)) {
      continue;
    }
    const auto point = parse_line(line, at);
    if (!point) {
      return std::unexpected(point.error());
    }
    points.push_back(*point);
  }
  return points;
}

}  // namespace levee::forecast
