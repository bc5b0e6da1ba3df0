// Amounts of memory as people write them, checked against an independent reading of the same text.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <regex>
#include <string>
#include <string_view>

#include "config/key_types.hpp"
#include "levee/amount.hpp"

namespace {

using namespace levee;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

/// What the contract makes of a text (G1), by a regular expression and strtold.
struct Reading {
  long double bytes = 0;     // of an absolute size
  long double fraction = 0;  // of a share
};

std::optional<Reading> oracle(const std::string& text) {
  static const std::regex kForm(
      R"([ \t]*([0-9]+\.?[0-9]*|\.[0-9]+)[ \t]*(%|[KMGTkmgt]([iI]?[bB])?)?[ \t]*)");
  std::smatch match;
  if (!std::regex_match(text, match, kForm)) {
    return std::nullopt;
  }
  const std::string digits = match[1];
  const std::string unit = match[2];
  const long double number = std::strtold(digits.c_str(), nullptr);
  if (unit == "%") {
    return number > 0 && number <= 100 ? std::optional{Reading{0, number / 100}} : std::nullopt;
  }
  if (unit.empty() && digits.find('.') != std::string::npos) {
    return std::nullopt;
  }
  const std::size_t power =
      unit.empty() ? 2 : std::string("kmgt").find(static_cast<char>(unit[0] | 0x20)) + 1;
  return Reading{std::ldexp(number, static_cast<int>(10 * power)), 0};
}

void check_against_oracle(const std::string& text, const Result<Amount>& amount) {
  constexpr long double kMost = 9.2e18L;
  constexpr long double kSlack = 1e-9L;  // at the bounds either answer is right
  const auto expected = oracle(text);
  if (amount) {
    require(expected.has_value());
    if (amount->is_share()) {
      const Bytes of_all = amount->resolve(Bytes{1'000'000'000'000});
      require(std::abs(static_cast<long double>(of_all.count) - expected->fraction * 1e12L) <= 2);
    } else {
      const auto bytes = static_cast<long double>(amount->resolve(Bytes{}).count);
      require(std::abs(bytes - expected->bytes) <= 0.5L + expected->bytes * 1e-15L);
    }
  } else if (expected) {
    // A fraction so small that it is zero, a size below one byte, or one no machine can have.
    require(expected->fraction > 0
                ? expected->fraction < 1e-300L || expected->fraction > 1 - kSlack
                : expected->bytes < 1 + kSlack || expected->bytes > kMost * (1 - kSlack));
  }
}

void check_amount(const Amount& amount) {
  const Bytes free = gib(10);
  if (amount.is_share()) {
    require(amount.resolve(free) <= free);
    require(amount.resolve(Bytes{}).count == 0);
    require(amount.resolve(Bytes{UINT64_MAX}).count <= UINT64_MAX);
  } else {
    require(amount.resolve(Bytes{}).count > 0);
    require(amount.resolve(free) == amount.resolve(Bytes{}));
  }
}

void check_canonical(Bytes size) {
  if (size.count < (std::uint64_t{1} << 53U)) {
    const auto again = parse_size(config::size_text(size));
    require(again && *again == size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto amount = Amount::parse(text);
  const auto absolute = parse_size(text);
  // The regular expression is recursive; long texts are only parsed.
  if (text.size() <= 256) {
    check_against_oracle(text, amount);
  }
  if (!amount) {
    require(!absolute);
    require(!amount.error().message.empty() && amount.error().message.size() < 400);
    require(!amount.error().hint.empty());
    return 0;
  }
  check_amount(*amount);
  require(absolute.has_value() == !amount->is_share());
  if (absolute) {
    require(*absolute == amount->resolve(Bytes{}));
    check_canonical(*absolute);
  }
  return 0;
}
