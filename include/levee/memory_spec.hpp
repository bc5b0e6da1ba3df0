// MemorySpec: an amount of memory as a caller writes it in code, whatever its type: 2000 (MB), 0.5
// (fraction of free memory), "2GB", "50%". The accepted forms are those of levee/amount.hpp; what
// is wrong with one is told where it is used. Plain values.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "levee/amount.hpp"
#include "levee/result.hpp"

namespace levee {

/// A type that counts: bool and the character types do not.
template <class T>
concept WholeNumber = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
                      !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
                      !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

class MemorySpec {
 public:
  /// Megabytes.
  template <WholeNumber T>
  MemorySpec(T megabytes) noexcept  // NOLINT(google-explicit-constructor): made to be written bare
      : given_(std::in_range<std::int64_t>(megabytes) ? static_cast<std::int64_t>(megabytes)
                                                      : std::numeric_limits<std::int64_t>::max()) {}

  /// A fraction of free memory, in (0, 1].
  template <std::floating_point T>
  MemorySpec(T fraction) noexcept  // NOLINT(google-explicit-constructor)
      : given_(static_cast<double>(fraction)) {}

  /// Text: "2GB", "500 MB", "50%", "2000".
  MemorySpec(std::string text) : given_(std::move(text)) {}  // NOLINT(google-explicit-constructor)
  MemorySpec(std::string_view text)
      : given_(std::string(text)) {}  // NOLINT(google-explicit-constructor)
  MemorySpec(const char* text)
      : given_(std::string(text)) {}  // NOLINT(google-explicit-constructor)

  /// An exact number of bytes, or an amount that is parsed already.
  MemorySpec(Bytes bytes) : given_(Amount::of(bytes)) {}  // NOLINT(google-explicit-constructor)
  MemorySpec(const Amount& amount) : given_(amount) {}    // NOLINT(google-explicit-constructor)

  /// What it stands for; `invalid_argument` with the mend in the hint.
  [[nodiscard]] Result<Amount> amount() const;

  /// The same where only a share of free memory is wanted: 1 is all of it, and not one megabyte;
  /// a size is refused.
  [[nodiscard]] Result<Amount> share() const;

 private:
  std::variant<std::int64_t, double, std::string, Amount> given_;
};

/// One spec for all, or one for each: 2000, "50%", {4000, 2000, 2000}. Default: none was given.
class MemorySpecs {
 public:
  MemorySpecs() = default;

  template <class T>
    requires std::convertible_to<T, MemorySpec>
  MemorySpecs(
      T&& all)  // NOLINT(google-explicit-constructor,bugprone-forwarding-reference-overload)
      : specs_{MemorySpec(std::forward<T>(all))}, kind_(Kind::one_for_all) {}

  MemorySpecs(std::initializer_list<MemorySpec> each) : specs_(each), kind_(Kind::one_for_each) {}
  MemorySpecs(std::vector<MemorySpec> each)  // NOLINT(google-explicit-constructor)
      : specs_(std::move(each)), kind_(Kind::one_for_each) {}

  [[nodiscard]] bool is_given() const noexcept { return kind_ != Kind::none; }

  /// One spec for each of `count`; `invalid_argument` when the list has another length.
  [[nodiscard]] Result<std::vector<MemorySpec>> spread(std::size_t count) const;

 private:
  enum class Kind { none, one_for_all, one_for_each };

  std::vector<MemorySpec> specs_;
  Kind kind_ = Kind::none;
};

}  // namespace levee
