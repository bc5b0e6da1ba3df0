// Text as a terminal shows it: how many columns it takes, cut to fit, and made safe. Pure;
// thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace levee::cli {

/// Which characters the terminal can show.
enum class Charset { utf8, ascii };

/// The columns that UTF-8 `text` takes: wide characters count two, combining ones none.
[[nodiscard]] std::size_t columns(std::string_view text);

/// `text` without control characters (they could steer the terminal) and, for ascii, without
/// anything beyond it; what is left out shows as '?'.
[[nodiscard]] std::string shown(std::string_view text, Charset charset);

/// The longest beginning of `text` that takes at most `width` columns, ending in an ellipsis if
/// something was cut.
[[nodiscard]] std::string cut(std::string_view text, std::size_t width, Charset charset);

/// `text` with spaces up to `width` columns, on its right or left.
[[nodiscard]] std::string padded(std::string_view text, std::size_t width);
[[nodiscard]] std::string padded_left(std::string_view text, std::size_t width);

}  // namespace levee::cli
