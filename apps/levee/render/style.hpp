// Style: how output shall look, and lines made of coloured spans. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "render/text.hpp"

namespace levee::cli {

struct Style {
  std::size_t width = 0;  ///< Columns; 0: lines are as long as they need to be.
  bool color = false;
  Charset charset = Charset::utf8;
  bool utc = false;  ///< Times in UTC; else in local time.
};

/// The colours of the states (contract G2), and two for emphasis.
enum class Color { plain, green, blue, orange, red, gray, bold };

struct Span {
  std::string text;
  Color color = Color::plain;
};

/// One line of output: made safe, cut at the width, coloured where the style says so, with '\n'.
[[nodiscard]] std::string line(const std::vector<Span>& spans, const Style& style);

/// `text` in as many lines as it takes, each indented by `indent` columns; broken at spaces.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t indent, Color color,
                                  const Style& style);

/// The colour of "optimal", "normal", … ; gray for any other word.
[[nodiscard]] Color color_of_state(std::string_view state);

/// Orange for "warning", red for "critical" and "emergency".
[[nodiscard]] Color color_of_severity(std::string_view severity);

/// Rows of cells in aligned columns, two spaces apart; the last column takes what is left. The
/// first row is the head, in bold.
class Table {
 public:
  explicit Table(std::vector<std::string> head);
  void add(std::vector<Span> row);
  [[nodiscard]] std::string text(const Style& style) const;

 private:
  std::vector<std::vector<Span>> rows_;
};

}  // namespace levee::cli
