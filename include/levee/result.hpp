// Result<T>: how every fallible call in Levee answers.
//
// A vanished process, an unreadable file or a refused setting is ordinary here, so signatures show
// it: a function returns its value or an Error. Nothing in Levee throws across a public header.
// All types are plain values; using them from several threads at once follows the usual rules.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace levee {

/// What kind of failure this is; decides the HTTP status and the exit code of the command line.
enum class ErrorCode {
  invalid_argument,    ///< The caller's value is wrong (HTTP 400, exit code 2).
  not_found,           ///< The named thing is not there (HTTP 404).
  permission_denied,   ///< The operating system or Levee's own rules say no (HTTP 403).
  already_exists,      ///< Somebody else holds it: a port, a socket, a state directory (HTTP 409).
  unavailable,         ///< Cannot be answered now; trying later may help (HTTP 503).
  resource_exhausted,  ///< A limit is reached: disk full, queue full, too many files (HTTP 503).
  corrupt,             ///< Stored or received data is damaged.
  timed_out,           ///< The deadline passed (HTTP 504).
  internal,            ///< A defect in Levee (HTTP 500).
};

/// The stable lower-case name of `code`, e.g. "invalid_argument"; used in JSON.
[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;

/// A failure that a person can act on.
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  ///< What went wrong, with the offending value.
  std::string hint;     ///< What the reader can do about it; may be empty.

  /// The same error seen from further up: "reading /proc/meminfo: <message>".
  [[nodiscard]] Error within(std::string_view context) const {
    return Error{code, std::string(context) + ": " + message, hint};
  }

  bool operator==(const Error&) const = default;
};

/// A value of type T, or the Error that kept it away.
template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for the failing branch: `return fail(ErrorCode::not_found, "no such key: x", "…");`
[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message,
                                                 std::string hint = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(hint)});
}

}  // namespace levee
