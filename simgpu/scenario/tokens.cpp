#include "simgpu/scenario/tokens.hpp"

#include <fmt/format.h>

#include <utility>

namespace levee::simgpu {

Result<std::vector<std::string>> split_line(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  bool is_quoted = false;
  for (const char c : line) {
    if (c == '"') {
      is_quoted = !is_quoted;
      in_word = true;
    } else if (!is_quoted && c == '#') {
      break;
    } else if (!is_quoted && (c == ' ' || c == '\t' || c == '\r')) {
      if (in_word) {
        words.push_back(std::exchange(word, {}));
      }
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (is_quoted) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the quote before \"{}\" is not closed", word),
                "accepted: name=\"Sim H200\"");
  }
  if (in_word) {
    words.push_back(std::move(word));
  }
  return words;
}

Result<std::string> Tokens::take(std::string_view what) {
  if (at_end()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the line ends where {} is expected", what),
                fmt::format("add {}", what));
  }
  return words_[at_++];
}

bool Tokens::take_if(std::string_view word) noexcept {
  if (at_end() || words_[at_] != word) {
    return false;
  }
  ++at_;
  return true;
}

}  // namespace levee::simgpu
