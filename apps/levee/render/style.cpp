#include "render/style.hpp"

#include <algorithm>
#include <utility>

namespace levee::cli {
namespace {

/// SGR parameters; 256-colour orange, since the eight basic colours have none.
std::string_view code_of(Color color) {
  switch (color) {
    case Color::plain:
      return "";
    case Color::green:
      return "32";
    case Color::blue:
      return "34";
    case Color::orange:
      return "38;5;208";
    case Color::red:
      return "1;31";
    case Color::gray:
      return "90";
    case Color::bold:
      return "1";
  }
  return "";
}

std::string painted(std::string_view text, Color color, bool in_color) {
  if (!in_color || color == Color::plain || text.empty()) {
    return std::string(text);
  }
  return "\x1b[" + std::string(code_of(color)) + "m" + std::string(text) + "\x1b[0m";
}

}  // namespace

std::string line(const std::vector<Span>& spans, const Style& style) {
  std::size_t total = 0;
  std::vector<Span> safe;
  safe.reserve(spans.size());
  for (const Span& span : spans) {
    safe.push_back({shown(span.text, style.charset), span.color});
    total += columns(safe.back().text);
  }
  const bool too_long = style.width > 0 && total > style.width;
  std::size_t left = style.width;
  std::string result;
  for (std::size_t i = 0; i < safe.size(); ++i) {
    const Span& span = safe[i];
    if (!too_long) {
      result += painted(span.text, span.color, style.color);
      continue;
    }
    const std::size_t taken = columns(span.text);
    // Some room is kept for the ellipsis, which stands in the span that is cut.
    const bool last_that_fits = taken > left || (taken == left && i + 1 < safe.size());
    const std::string text =
        last_that_fits ? cut(span.text + "   ", left, style.charset) : span.text;
    result += painted(text, span.color, style.color);
    if (last_that_fits) {
      break;
    }
    left -= taken;
  }
  result += '\n';
  return result;
}

std::string wrapped(std::string_view text, std::size_t indent, Color color, const Style& style) {
  const std::string safe = shown(text, style.charset);
  const std::string margin(indent, ' ');
  const std::size_t room = style.width > indent + 10 ? style.width - indent
                           : style.width == 0        ? safe.size()
                                                     : 10;
  std::string result;
  std::string current;
  const auto flush = [&] {
    result += line({{margin, Color::plain}, {std::exchange(current, {}), color}}, style);
  };
  std::size_t at = 0;
  while (at < safe.size()) {
    const std::size_t end = std::min(safe.find(' ', at), safe.size());
    const std::string_view word = std::string_view(safe).substr(at, end - at);
    at = end + 1;
    if (!current.empty() && columns(current) + 1 + columns(word) > room) {
      flush();
    }
    current += (current.empty() ? "" : " ") + std::string(word);
  }
  if (!current.empty()) {
    flush();
  }
  return result;
}

Color color_of_state(std::string_view state) {
  return state == "optimal"     ? Color::green
         : state == "normal"    ? Color::blue
         : state == "throttled" ? Color::orange
         : state == "critical"  ? Color::red
                                : Color::gray;
}

Color color_of_severity(std::string_view severity) {
  return severity == "warning"                               ? Color::orange
         : severity == "critical" || severity == "emergency" ? Color::red
                                                             : Color::gray;
}

Table::Table(std::vector<std::string> head) {
  rows_.emplace_back();
  for (std::string& cell : head) {
    rows_.front().push_back({std::move(cell), Color::bold});
  }
}

void Table::add(std::vector<Span> row) { rows_.push_back(std::move(row)); }

std::string Table::text(const Style& style) const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], columns(shown(row[i].text, style.charset)));
    }
  }
  std::string result;
  for (const auto& row : rows_) {
    std::vector<Span> spans;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_last = i + 1 == row.size();
      const std::string cell = shown(row[i].text, style.charset);
      spans.push_back({is_last ? cell : padded(cell, widths.at(i)), row[i].color});
      if (!is_last) {
        spans.push_back({"  ", Color::plain});
      }
    }
    result += line(spans, style);
  }
  return result;
}

}  // namespace levee::cli
