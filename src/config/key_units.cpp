// Keys with a unit: times and sizes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "config/key_row.hpp"
#include "config/key_types.hpp"
#include "levee/amount.hpp"

namespace levee::config {

// --- time

namespace {

using std::chrono::milliseconds;

struct TimeUnit {
  std::string_view name;
  milliseconds length;
};
constexpr std::array kTimeUnits{
    TimeUnit{"ms", milliseconds{1}}, TimeUnit{"s", std::chrono::seconds{1}},
    TimeUnit{"m", std::chrono::minutes{1}}, TimeUnit{"h", std::chrono::hours{1}},
    TimeUnit{"d", std::chrono::days{1}}};

/// `value` as a time: a number is seconds, text is a number and a unit.
std::optional<std::chrono::duration<double, std::milli>> time_in(const Value& value) {
  using Time = std::chrono::duration<double, std::milli>;
  if (const auto number = number_in(value)) {
    return Time{*number * 1000};
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) {
    return std::nullopt;
  }
  const std::size_t digits = std::min(text->find_first_not_of("0123456789."), text->size());
  const auto number = parse_number(std::string_view(*text).substr(0, digits));
  std::string_view unit_name = std::string_view(*text).substr(digits);
  unit_name.remove_prefix(unit_name.starts_with(' ') ? 1 : 0);
  const auto* const unit = std::ranges::find(kTimeUnits, unit_name, &TimeUnit::name);
  if (!number || unit == kTimeUnits.end()) {
    return std::nullopt;
  }
  return Time{*number_in(*number) * static_cast<double>(unit->length.count())};
}

/// A row for a time that is a whole number of `Step`s between `least` and `most`.
template <class Step, class Show>
Key time(Kind kind, Field<Step> field, Step least, Step most, std::string_view description,
         Show show) {
  const auto parse = [=](const Value& value) -> std::expected<Step, std::string> {
    constexpr double kStep = static_cast<double>(milliseconds{Step{1}}.count());
    const auto time = time_in(value);
    if (!time) {
      return mend(R"(give a number of seconds, or a time with a unit: "90s", "15m", "24h", "30d")");
    }
    if (*time < least || *time > most) {
      return mend();
    }
    const double steps = time->count() / kStep;
    // 0.3 s are 299.99999999999994 ms in binary: what is that near was meant to be whole.
    if (std::abs(steps - std::round(steps)) > 1e-6) {
      return mend(fmt::format("give a multiple of {}", kStep > 1 ? "1 s" : "1 ms"));
    }
    return Step{std::llround(steps)};
  };
  return row<Step>(std::move(kind), Form::number, description, std::move(field), parse, show);
}

std::string time_range(milliseconds least, milliseconds most) {
  const auto text = [](milliseconds time) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    return whole == time ? duration_text(whole) : fmt::format("{}ms", time.count());
  };
  return fmt::format("from {} to {}", text(least), text(most));
}

constexpr auto kShowSeconds = [](auto time) {
  const double count = std::chrono::duration<double>(time).count();
  const auto whole = static_cast<std::int64_t>(count);
  return static_cast<double>(whole) == count ? Value{whole} : Value{count};
};

}  // namespace

Key seconds(std::string_view name, Field<std::chrono::milliseconds> field,
            std::chrono::milliseconds least, std::chrono::milliseconds most,
            std::string_view description) {
  return time(Kind{name, "number of seconds", time_range(least, most)}, std::move(field), least,
              most, description, kShowSeconds);
}

Key seconds(std::string_view name, Field<std::chrono::seconds> field, std::chrono::seconds least,
            std::chrono::seconds most, std::string_view description) {
  return time(Kind{name, "number of seconds", time_range(least, most)}, std::move(field), least,
              most, description, kShowSeconds);
}

Key duration(std::string_view name, Field<std::chrono::seconds> field, std::chrono::seconds least,
             std::chrono::seconds most, std::string_view description) {
  return time(Kind{name, "duration", time_range(least, most)}, std::move(field), least, most,
              description, [](std::chrono::seconds time) { return duration_text(time); });
}

std::string duration_text(std::chrono::seconds duration) {
  using namespace std::chrono_literals;
  using std::chrono::days;
  if (duration >= days{2} && duration % days{1} == 0s) {
    return fmt::format("{}d", duration / days{1});
  }
  if (duration >= 1h && duration % 1h == 0s) {
    return fmt::format("{}h", duration / 1h);
  }
  if (duration >= 1min && duration % 1min == 0s) {
    return fmt::format("{}m", duration / 1min);
  }
  return fmt::format("{}s", duration / 1s);
}

// --- sizes

namespace {

std::expected<Bytes, std::string> size_in(const Value& value, Bytes least, Bytes most) {
  const auto* text = std::get_if<std::string>(&value);
  const auto* megabytes = std::get_if<std::int64_t>(&value);
  if (text == nullptr && megabytes == nullptr) {
    const auto number = number_in(value);
    return mend(number ? fmt::format("write it with a unit, such as \"{:g}GB\"", *number)
                       : std::string{});
  }
  const auto size = parse_size(text != nullptr ? *text : fmt::format("{}", *megabytes));
  if (!size) {
    return mend(size.error().hint);
  }
  if (*size < least && megabytes != nullptr) {
    return mend(fmt::format("a plain number is megabytes; did you mean \"{}GB\"?", *megabytes));
  }
  if (*size < least || *size > most) {
    return mend();
  }
  return *size;
}

std::string size_range(Bytes least, Bytes most) {
  return fmt::format("from {} to {}", size_text(least), size_text(most));
}

}  // namespace

Key size(std::string_view name, Field<Bytes> field, Bytes least, Bytes most,
         std::string_view description) {
  return row<Bytes>(
      Kind{name, "size", size_range(least, most)}, Form::number, description, std::move(field),
      [=](const Value& value) { return size_in(value, least, most); }, size_text);
}

namespace {

std::int64_t in_megabytes(Bytes size) { return static_cast<std::int64_t>(size.count / kMiB); }

std::expected<Bytes, std::string> whole_megabytes_in(const Value& value, Bytes least, Bytes most) {
  if (least == Bytes{} && value == Value{std::int64_t{0}}) {
    return Bytes{};  // A size is never nothing, but what is kept back may be.
  }
  const auto size = size_in(value, least, most);
  if (size && size->count % kMiB != 0) {
    return mend("give a whole number of megabytes");
  }
  return size;
}

}  // namespace

Key megabytes(std::string_view name, Field<Bytes> field, Bytes least, Bytes most,
              std::string_view description) {
  return row<Bytes>(
      Kind{name, "number of megabytes", size_range(least, most)}, Form::number, description,
      std::move(field), [=](const Value& value) { return whole_megabytes_in(value, least, most); },
      in_megabytes);
}

Key megabytes_or_auto(std::string_view name, Field<std::optional<Bytes>> field, Bytes least,
                      Bytes most, std::string_view description) {
  const auto parse = [=](const Value& value) -> std::expected<std::optional<Bytes>, std::string> {
    if (value == Value{std::string("auto")}) {
      return std::nullopt;
    }
    const auto size = whole_megabytes_in(value, least, most);
    if (!size) {
      return mend(size.error());
    }
    return *size;
  };
  return row<std::optional<Bytes>>(
      Kind{name, "number of megabytes", "\"auto\", or " + size_range(least, most)}, Form::number,
      description, std::move(field), parse, [](const std::optional<Bytes>& bytes) -> Value {
        return bytes ? Value{in_megabytes(*bytes)} : Value{std::string("auto")};
      });
}

namespace {

Key optional_size(Kind kind, std::string_view word, Field<std::optional<Bytes>> field, Bytes least,
                  Bytes most, std::string_view description) {
  const auto parse = [=](const Value& value) -> std::expected<std::optional<Bytes>, std::string> {
    if (value == Value{std::string(word)}) {
      return std::nullopt;
    }
    if (least == Bytes{} && value == Value{std::int64_t{0}}) {
      return Bytes{};
    }
    const auto size = size_in(value, least, most);
    if (!size) {
      return mend(size.error());
    }
    return *size;
  };
  const auto show = [=](const std::optional<Bytes>& bytes) -> Value {
    if (!bytes) {
      return std::string(word);
    }
    return bytes->count == 0 ? Value{std::int64_t{0}} : Value{size_text(*bytes)};
  };
  kind.range = fmt::format("\"{}\", or {}", word, size_range(least, most));
  return row<std::optional<Bytes>>(kind, Form::number, description, std::move(field), parse, show);
}

}  // namespace

Key size_or(std::string_view name, std::string_view word, Field<std::optional<Bytes>> field,
            Bytes least, Bytes most, std::string_view description) {
  return optional_size(Kind{name, "size", {}}, word, std::move(field), least, most, description);
}

Key rate(std::string_view name, Field<std::optional<Bytes>> field, Bytes least, Bytes most,
         std::string_view description) {
  return optional_size(Kind{name, "size per second", {}}, "auto", std::move(field), least, most,
                       description);
}

std::string size_text(Bytes size) {
  struct Unit {
    std::string_view name;
    std::uint64_t bytes;
  };
  constexpr std::array kUnits{Unit{"TB", kTiB}, Unit{"GB", kGiB}, Unit{"MB", kMiB}};
  for (const Unit& unit : kUnits) {
    if (size.count >= unit.bytes && size.count % unit.bytes == 0) {
      return fmt::format("{}{}", size.count / unit.bytes, unit.name);
    }
  }
  return fmt::format("{}KB", static_cast<double>(size.count) / static_cast<double>(kKiB));
}

}  // namespace levee::config
