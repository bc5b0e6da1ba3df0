// Output and exit codes of the command line. A closed pipe ends a command quietly, a full disk with
// a message; neither crashes it. One thread.
#pragma once

#include <string_view>

#include "cli/json.hpp"
#include "levee/result.hpp"

namespace levee::cli {

inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;  ///< It did not work.
inline constexpr int kMisuse = 2;  ///< It was asked wrongly.

/// `levee check`: the machine's health, contract G4. Wrong use is kCheckUnknown, too.
inline constexpr int kCheckUnknown = 3;

/// Writes all of `text` to `fd`.
[[nodiscard]] Result<void> write_all(int fd, std::string_view text);

/// Writes to standard output. Returns `exit_code`, or kFailed when the text could not be written;
/// says why on standard error, but for a closed pipe.
[[nodiscard]] int print(std::string_view text, int exit_code = kOk);

/// "levee: <message>" and "hint: <hint>" on standard error. Returns `exit_code`.
int complain(const Error& error, int exit_code);

/// The same, with kMisuse for invalid_argument and else kFailed.
int complain(const Error& error);

}  // namespace levee::cli
