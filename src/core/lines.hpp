// LineCutter: cuts what arrives in pieces into lines, and never keeps more than one line may be
// long. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace levee {

class LineCutter {
 public:
  /// `longest` without the line feed.
  explicit LineCutter(std::size_t longest) : longest_(longest) {}

  void add(std::string_view bytes) { text_.append(bytes); }

  /// The next whole line, without its line feed (nor a carriage return before it). Valid until the
  /// next call of anything. Nothing while there is none, or once one is too long.
  [[nodiscard]] std::optional<std::string_view> next();

  /// A line longer than the longest came, or is coming. No line comes after it.
  [[nodiscard]] bool is_too_long() const noexcept { return too_long_; }

  /// A part of a line is here, and its end is not. After next() gave nothing.
  [[nodiscard]] bool has_part() const noexcept { return taken_ < text_.size(); }

 private:
  std::size_t longest_;
  std::string text_;
  std::size_t taken_ = 0;     ///< Bytes of text_ that were given out.
  std::size_t searched_ = 0;  ///< Bytes of text_ without a line feed beyond what was taken.
  bool too_long_ = false;
};

}  // namespace levee
