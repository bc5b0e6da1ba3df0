#include "core/lines.hpp"

namespace levee {

std::optional<std::string_view> LineCutter::next() {
  if (too_long_) {
    return std::nullopt;
  }
  const std::size_t end = text_.find('\n', searched_);
  if (end == std::string::npos) {
    text_.erase(0, taken_);
    taken_ = 0;
    searched_ = text_.size();
    too_long_ = text_.size() > longest_;
    return std::nullopt;
  }
  std::string_view line = std::string_view(text_).substr(taken_, end - taken_);
  taken_ = searched_ = end + 1;
  if (line.size() > longest_) {
    too_long_ = true;
    return std::nullopt;
  }
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

}  // namespace levee
