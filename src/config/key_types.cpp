#include "config/key_types.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "config/key_row.hpp"
#include "config/nearest.hpp"

namespace levee::config {
namespace {

/// The mend for a number that was written as text: "70", "85%".
std::string unquoted(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) {
    return {};
  }
  std::string_view digits = *text;
  if (digits.ends_with('%')) {
    digits.remove_suffix(1);
  }
  const auto number = parse_number(digits);
  return number && number_in(*number) ? fmt::format("write the number alone: {}", digits)
                                      : std::string{};
}

/// A number that `accepts` likes; else the hint that `hint` has for it.
template <class Accept, class Hint>
Key number(Kind kind, Field<double> field, std::string_view description, Accept accepts,
           Hint hint) {
  const auto parse = [=](const Value& value) -> std::expected<double, std::string> {
    const auto number = number_in(value);
    if (!number) {
      return mend(unquoted(value));
    }
    if (!accepts(*number)) {
      return mend(hint(*number));
    }
    return *number;
  };
  return row<double>(std::move(kind), Form::number, description, std::move(field), parse,
                     [](double shown_value) { return shown_value; });
}

}  // namespace

Key percent(std::string_view name, Field<double> field, std::string_view description) {
  return number(
      Kind{name, "percent", "a number from 1 to 100"}, std::move(field), description,
      [](double x) { return x >= 1 && x <= 100; },
      [](double x) {
        return x > 0 && x < 1 ? fmt::format("did you mean {:.6g}?", x * 100) : std::string{};
      });
}

Key percent_or_off(std::string_view name, Field<std::optional<double>> field,
                   std::string_view description) {
  const auto parse = [](const Value& value) -> std::expected<std::optional<double>, std::string> {
    if (value == Value{std::string("off")}) {
      return std::nullopt;
    }
    const auto number = number_in(value);
    if (!number) {
      return mend(unquoted(value));
    }
    if (*number < 1 || *number > 100) {
      return mend();
    }
    return *number;
  };
  return row<std::optional<double>>(
      Kind{name, "percent", "\"off\", or a number from 1 to 100"}, Form::number, description,
      std::move(field), parse, [](const std::optional<double>& shown_value) -> Value {
        return shown_value ? Value{*shown_value} : Value{std::string("off")};
      });
}

Key celsius(std::string_view name, Field<double> field, std::string_view description) {
  return number(
      Kind{name, "number of degrees Celsius", "a number above 0, at most 150"}, std::move(field),
      description, [](double x) { return x > 0 && x <= 150; },
      [](double) { return std::string{}; });
}

Key points(std::string_view name, Field<double> field, double most, std::string_view description) {
  return number(
      Kind{name, "number of points", fmt::format("a number from 0 to {}", most)}, std::move(field),
      description, [most](double x) { return x >= 0 && x <= most; },
      [](double) { return std::string{}; });
}

Key fraction(std::string_view name, Field<double> field, std::string_view description) {
  return number(
      Kind{name, "fraction", "a number above 0, at most 1"}, std::move(field), description,
      [](double x) { return x > 0 && x <= 1; },
      [](double x) {
        return x > 1 && x <= 100 ? fmt::format("did you mean {:.6g}?", x / 100) : std::string{};
      });
}

namespace {

Key whole(Kind kind, Field<std::int64_t> field, std::int64_t least, std::int64_t most,
          std::string_view description) {
  const auto parse = [=](const Value& value) -> std::expected<std::int64_t, std::string> {
    const auto integer = integer_in(value);
    if (!integer) {
      return mend(unquoted(value));
    }
    if (*integer < least || *integer > most) {
      return mend();
    }
    return *integer;
  };
  return row<std::int64_t>(std::move(kind), Form::number, description, std::move(field), parse,
                           [](std::int64_t integer) { return integer; });
}

}  // namespace

Key whole_number(std::string_view name, Field<std::int64_t> field, std::int64_t least,
                 std::int64_t most, std::string_view description) {
  return whole(Kind{name, "whole number", fmt::format("from {} to {}", least, most)},
               std::move(field), least, most, description);
}

Key milliseconds(std::string_view name, Field<std::chrono::milliseconds> field, std::int64_t least,
                 std::int64_t most, std::string_view description) {
  Field<std::int64_t> count{
      [get = std::move(field.get)](const Config& config) { return get(config).count(); },
      [set = std::move(field.set)](Config& config, std::int64_t value) {
        set(config, std::chrono::milliseconds{value});
      }};
  return whole(Kind{name, "number of milliseconds", fmt::format("from {} to {}", least, most)},
               std::move(count), least, most, description);
}

// --- words and lists

Key boolean(std::string_view name, Field<bool> field, std::string_view description) {
  const auto parse = [](const Value& value) -> std::expected<bool, std::string> {
    const auto* flag = std::get_if<bool>(&value);
    return flag != nullptr ? std::expected<bool, std::string>(*flag) : mend("write true or false");
  };
  return row<bool>(Kind{name, "switch", "true or false"}, Form::boolean, description,
                   std::move(field), parse, [](bool flag) { return flag; });
}

Key word(std::string_view name, std::string_view type, Field<std::size_t> field,
         std::vector<std::string> words, std::string_view description) {
  const std::span front(words.begin(), words.end() - 1);
  std::string range = fmt::format("{} or {}", fmt::join(front, ", "), words.back());
  const auto parse = [words](const Value& value) -> std::expected<std::size_t, std::string> {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) {
      return mend();
    }
    const auto found = std::ranges::find(words, *text);
    if (found != words.end()) {
      return static_cast<std::size_t>(found - words.begin());
    }
    const auto near = nearest(*text, words);
    return mend(near ? fmt::format("did you mean {}?", *near) : std::string{});
  };
  return row<std::size_t>(Kind{name, type, std::move(range)}, Form::text, description,
                          std::move(field), parse,
                          [words](std::size_t index) { return words.at(index); });
}

Key text(std::string_view name, std::string_view type, Field<std::string> field, std::string range,
         Mend (*check)(const std::string&), std::string_view description) {
  const auto parse = [check](const Value& value) -> std::expected<std::string, std::string> {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) {
      return mend("write it as text, in quotes");
    }
    if (!is_printable(*text)) {
      return mend("leave out control characters, and write it as UTF-8");
    }
    if (auto hint = check(*text)) {
      return mend(std::move(*hint));
    }
    return *text;
  };
  return row<std::string>(Kind{name, type, std::move(range)}, Form::text, description,
                          std::move(field), parse,
                          [](std::string shown_text) { return shown_text; });
}

Key list(std::string_view name, std::string_view type, Field<std::vector<std::string>> field,
         std::string range, Mend (*check)(const std::vector<std::string>&),
         std::string_view description) {
  using Items = std::vector<std::string>;
  const auto parse = [check](const Value& value) -> std::expected<Items, std::string> {
    if (const auto* one = std::get_if<std::string>(&value)) {
      return mend(fmt::format("write it as a list: {}", shown(Value{Items{*one}})));
    }
    const auto* items = std::get_if<Items>(&value);
    if (items == nullptr) {
      return mend(R"(write it as a list of texts: ["a", "b"])");
    }
    if (!std::ranges::all_of(*items, is_printable)) {
      return mend("leave out control characters, and write it as UTF-8");
    }
    if (auto hint = check(*items)) {
      return mend(std::move(*hint));
    }
    return *items;
  };
  return row<Items>(Kind{name, type, std::move(range)}, Form::list, description, std::move(field),
                    parse, [](Items items) { return items; });
}

}  // namespace levee::config
