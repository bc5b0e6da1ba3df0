// Tokens: a line of a scenario cut at white space, and a cursor over them. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "levee/result.hpp"

namespace levee::simgpu {

/// The words of a line. A '#' begins a comment; double quotes keep white space together and are
/// dropped: `name="Sim H200"` is one word.
[[nodiscard]] Result<std::vector<std::string>> split_line(std::string_view line);

class Tokens {
 public:
  explicit Tokens(std::vector<std::string> words) : words_(std::move(words)) {}

  [[nodiscard]] bool at_end() const noexcept { return at_ == words_.size(); }

  /// The next word without taking it; "" at the end.
  [[nodiscard]] std::string_view peek() const noexcept {
    return at_end() ? std::string_view{} : std::string_view{words_[at_]};
  }

  /// The next word; at the end the complaint that `what` is missing.
  [[nodiscard]] Result<std::string> take(std::string_view what);

  /// Passes over the next word, which must be there.
  void skip() noexcept { ++at_; }

  /// Takes the next word if it is `word`.
  bool take_if(std::string_view word) noexcept;

 private:
  std::vector<std::string> words_;
  std::size_t at_ = 0;
};

}  // namespace levee::simgpu
