// How a row of the table of keys is put together from a parser and a printer of its value.
// Internal to config/. Pure; thread-safe.
#pragma once

#include <fmt/format.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "config/key_types.hpp"

namespace levee::config {

/// What a refusal says about the key.
struct Kind {
  std::string_view name;
  std::string_view type;
  std::string range;
};

inline std::unexpected<Error> refuse(const Kind& kind, const Value& value, std::string hint) {
  const bool vowel = std::string_view("aeiou").contains(kind.type.front());
  return fail(ErrorCode::invalid_argument,
              fmt::format("{} = {} is not {} {} ({})", kind.name, shown(value), vowel ? "an" : "a",
                          kind.type, kind.range),
              hint.empty() ? fmt::format("give {}", kind.range) : std::move(hint));
}

/// A row whose value is read by `parse` (Value → std::expected<T, hint>) and shown by `show`.
template <class T, class Parse, class Show>
Key row(Kind kind, Form form, std::string_view description, Field<T> field, Parse parse,
        Show show) {
  Key key;
  key.name = kind.name;
  key.type = kind.type;
  key.range = kind.range;
  key.description = description;
  key.form = form;
  key.show = [get = std::move(field.get), show = std::move(show)](const Config& config) -> Value {
    return show(get(config));
  };
  key.apply = [kind = std::move(kind), set = std::move(field.set), parse = std::move(parse)](
                  Config& config, const Value& value) -> Result<void> {
    std::expected<T, std::string> parsed = parse(value);
    if (!parsed) {
      return refuse(kind, value, std::move(parsed.error()));
    }
    set(config, std::move(*parsed));
    return {};
  };
  return key;
}

/// What a parser answers when it refuses a value; an empty hint repeats the range.
inline std::unexpected<std::string> mend(std::string hint = {}) {
  return std::unexpected(std::move(hint));
}

}  // namespace levee::config
