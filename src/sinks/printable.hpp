// Text from elsewhere (process names, command lines) made safe for one line of a log. Pure.
#pragma once

#include <string>
#include <string_view>

namespace levee::sinks {

/// `text` with everything escaped that could end a line, move a terminal's cursor, reorder what is
/// shown, or is no UTF-8: "\n", "\x1b", "\u202e". A backslash becomes two, so that the escapes of
/// a hostile name cannot be mistaken for ours.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace levee::sinks
