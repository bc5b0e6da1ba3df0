#include "simgpu/scenario/quantity.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "levee/amount.hpp"

namespace levee::simgpu {
namespace {

constexpr std::string_view kNotSupportedWord = "not-supported";

std::unexpected<Error> refuse(std::string_view text, std::string_view what, std::string form) {
  return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is not {}", text, what),
              "accepted: " + std::move(form));
}

struct Scale {
  std::string_view suffix;
  double factor;
};

/// "12.5ms" with one of `scales`; nothing when it is not such a number.
std::optional<double> parse_scaled(std::string_view text, std::span<const Scale> scales) {
  double number = 0;
  const auto end = text.data() + text.size();
  const auto parsed =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (parsed.ec != std::errc{} || !std::isfinite(number)) {
    return std::nullopt;
  }
  const std::string_view suffix(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  for (const Scale& scale : scales) {
    if (scale.suffix == suffix) {
      return number * scale.factor;
    }
  }
  return std::nullopt;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(at + 1);
  }
}

constexpr std::array kCelsius{Scale{"", 1}, Scale{"C", 1}};
constexpr std::array kPercent{Scale{"", 1}, Scale{"%", 1}};
constexpr std::array kWatts{Scale{"", 1000}, Scale{"W", 1000}, Scale{"mW", 1}};
constexpr std::array kMhz{Scale{"", 1}, Scale{"MHz", 1}};
constexpr std::array kCount{Scale{"", 1}};

std::span<const Scale> scales_of(Unit unit) noexcept {
  switch (unit) {
    case Unit::celsius:
      return kCelsius;
    case Unit::percent:
      return kPercent;
    case Unit::watts:
      return kWatts;
    case Unit::mhz:
      return kMhz;
    default:
      return kCount;
  }
}

std::optional<std::int64_t> parse_choice(const KeyInfo& key, std::string_view text) {
  std::int64_t position = 0;
  for (const std::string_view word : split(key.words, ' ')) {
    if (word == text) {
      return position;
    }
    ++position;
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_reasons(std::string_view text) {
  if (text == "none") {
    return 0;
  }
  std::uint64_t bits = 0;
  for (const std::string_view word : split(text, ',')) {
    std::uint64_t bit = 0;
    for (const ReasonName& reason : reason_names()) {
      bit = reason.word == word ? reason.bit : bit;
    }
    if (bit == 0) {
      return std::nullopt;
    }
    bits |= bit;
  }
  return static_cast<std::int64_t>(bits);
}

std::optional<std::int64_t> as_integer(std::optional<double> number) {
  constexpr double kLargest = 9e18;
  if (!number || *number != std::floor(*number) || std::fabs(*number) > kLargest) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*number);
}

template <class T>
std::optional<std::int64_t> as_signed(const Result<T>& number, std::uint64_t divisor = 1) {
  if (!number || *number / divisor > static_cast<std::uint64_t>(INT64_MAX)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*number / divisor);
}

std::optional<std::int64_t> parse_by_unit(const KeyInfo& key, std::string_view text) {
  switch (key.unit) {
    case Unit::choice:
      return parse_choice(key, text);
    case Unit::reasons:
      return parse_reasons(text);
    case Unit::flag:
      return text == "on"    ? std::optional<std::int64_t>(1)
             : text == "off" ? std::optional<std::int64_t>(0)
                             : std::nullopt;
    case Unit::bytes:
      return as_signed(parse_memory(text));
    case Unit::duration:
      return text == "0" ? 0 : as_signed(parse_duration(text));
    case Unit::rate:
      if (text != "0" && !text.ends_with("/s")) {
        return std::nullopt;
      }
      return as_signed(parse_memory(text.substr(0, text.find('/'))), 1024);
    default:
      return as_integer(parse_scaled(text, scales_of(key.unit)));
  }
}

std::string_view example_of(Unit unit) noexcept {
  switch (unit) {
    case Unit::celsius:
      return "degrees Celsius, such as 80";
    case Unit::percent:
      return "percent, such as 80";
    case Unit::watts:
      return "watts, such as 78W";
    case Unit::mhz:
      return "megahertz, such as 1980MHz";
    case Unit::rate:
      return "memory per second, such as 2GiB/s, or 0";
    case Unit::bytes:
      return "memory, such as 2GiB, or 0";
    case Unit::duration:
      return "a duration, such as 800ms, or 0";
    case Unit::flag:
      return "on or off";
    default:
      return "a whole number";
  }
}

std::string joined(std::span<const std::string_view> words) {
  return fmt::format("{}", fmt::join(words.begin(), words.end(), ", "));
}

}  // namespace

Result<std::uint64_t> parse_duration(std::string_view text) {
  constexpr std::array kScales{Scale{"ns", 1},  Scale{"us", 1e3},   Scale{"ms", 1e6},
                               Scale{"s", 1e9}, Scale{"min", 60e9}, Scale{"h", 3600e9}};
  constexpr double kLongest = 365.0 * 86400e9;
  const auto number = parse_scaled(text, kScales);
  if (!number || *number < 0 || *number > kLongest) {
    return refuse(text, "a duration", "a number with ns, us, ms, s, min or h, such as 800ms");
  }
  return static_cast<std::uint64_t>(*number);
}

Result<std::uint64_t> parse_memory(std::string_view text) {
  if (text == "0") {
    return 0;
  }
  const Result<Bytes> size = parse_size(text);
  if (!size) {
    return refuse(text, "an amount of memory", "a number with KiB, MiB, GiB or TiB, such as 2GiB");
  }
  return size->count;
}

Result<std::int64_t> parse_whole(std::string_view text, std::string_view what, std::int64_t low,
                                 std::int64_t high) {
  std::int64_t number = 0;
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != end || number < low || number > high) {
    return refuse(text, what, fmt::format("a whole number from {} to {}", low, high));
  }
  return number;
}

Result<std::int64_t> parse_value(const KeyInfo& key, std::string_view text) {
  const bool is_reported = key.key < Key::compute_mode;
  if (is_reported && text == kNotSupportedWord) {
    return kNotSupported;
  }
  const auto number = parse_by_unit(key, text);
  if (!number || *number < key.low || *number > key.high) {
    return refuse(text, fmt::format("a value of {}", key.word), form_of(key));
  }
  return *number;
}

std::string form_of(const KeyInfo& key) {
  std::string form;
  if (key.unit == Unit::choice) {
    form = joined(split(key.words, ' '));
  } else if (key.unit == Unit::reasons) {
    std::vector<std::string_view> words{"none, or joined by commas: "};
    for (const ReasonName& reason : reason_names()) {
      words.push_back(reason.word);
    }
    form = std::string(words[0]) + joined(std::span(words).subspan(1));
  } else {
    form = example_of(key.unit);
    const bool has_range = key.high != INT64_MAX && key.unit != Unit::flag &&
                           key.unit != Unit::duration && key.unit != Unit::watts;
    if (has_range) {
      form += fmt::format(" ({} to {})", key.low, key.high);
    }
  }
  return key.key < Key::compute_mode ? form + "; or not-supported" : form;
}

std::string format_value(const KeyInfo& key, std::int64_t value) {
  if (value == kNotSupported) {
    return std::string(kNotSupportedWord);
  }
  switch (key.unit) {
    case Unit::flag:
      return value != 0 ? "on" : "off";
    case Unit::choice:
      return std::string(split(key.words, ' ').at(static_cast<std::size_t>(value)));
    case Unit::watts:
      return fmt::format("{:g}W", static_cast<double>(value) / 1000);
    case Unit::mhz:
      return fmt::format("{}MHz", value);
    case Unit::rate:
      return value == 0 ? "0" : fmt::format("{}KiB/s", value);
    case Unit::duration:
      return value == 0 ? "0" : fmt::format("{:g}ms", static_cast<double>(value) / 1e6);
    case Unit::reasons: {
      std::vector<std::string_view> words;
      for (const ReasonName& reason : reason_names()) {
        if ((static_cast<std::uint64_t>(value) & reason.bit) != 0) {
          words.push_back(reason.word);
        }
      }
      return words.empty() ? "none" : fmt::format("{}", fmt::join(words, ","));
    }
    default:
      return fmt::format("{}", value);
  }
}

}  // namespace levee::simgpu
