// Amount: how a person writes "this much memory": an absolute size, or a share of what is free.
//
// One parser serves configuration, command line, HTTP and Python, so that "2GB" means the same
// everywhere. Pure and thread-safe. The accepted forms (contract G1):
//
//   int             2000        megabytes
//   float           0.5         fraction of free memory, in (0, 1]
//   "N%"            "50%"       percent of free memory, in (0, 100]
//   "N unit"        "2.5 GB"    K, M, G, T with an optional B or iB; binary; any case
//   digit string    "2000"      megabytes
//
// Everything else is refused with a message that names the mend; so are booleans, zero and
// negative numbers, fractions above 1, and "0.5" as text without a unit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee {

/// An absolute size or a share of free memory; resolve() makes bytes of it.
class Amount {
 public:
  [[nodiscard]] static Amount of(Bytes bytes) noexcept { return Amount{bytes, 0.0}; }

  /// `megabytes` must be positive. Source of the unit: contract G1 ("int = MB").
  [[nodiscard]] static Result<Amount> from_megabytes(std::int64_t megabytes);

  /// `fraction` of free memory, in (0, 1].
  [[nodiscard]] static Result<Amount> from_fraction(double fraction);

  /// Parses any of the text forms above.
  [[nodiscard]] static Result<Amount> parse(std::string_view text);

  /// True when this is a share of free memory and not a fixed size.
  [[nodiscard]] bool is_share() const noexcept { return fraction_ > 0.0; }

  /// The bytes this amount stands for while `free` bytes are free (rounded down).
  [[nodiscard]] Bytes resolve(Bytes free) const noexcept;

  /// One of `parts` even parts; `parts` must not be 0. `invalid_argument` when less than a byte is
  /// left.
  [[nodiscard]] Result<Amount> divided_by(std::size_t parts) const;

  bool operator==(const Amount&) const = default;

 private:
  Amount(Bytes bytes, double fraction) noexcept : bytes_(bytes), fraction_(fraction) {}

  Bytes bytes_;
  double fraction_;
};

/// Parses an absolute size with a unit, or a digit string in megabytes; refuses shares.
[[nodiscard]] Result<Bytes> parse_size(std::string_view text);

}  // namespace levee
