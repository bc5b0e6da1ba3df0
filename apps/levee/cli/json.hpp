// Reading JSON that somebody else made: nothing here throws, and what is missing, null or of
// another type is absent. Pure; thread-safe.
#pragma once

#include <concepts>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace levee::cli {

using Json = nlohmann::ordered_json;

/// The member at the end of a chain of names; null when any of them is missing.
[[nodiscard]] inline const Json& member_at(const Json& json) {
  return json;  // NOLINT(bugprone-return-const-ref-from-parameter): callers keep what they look
                // into
}

template <class... Names>
[[nodiscard]] const Json& member_at(const Json& json, std::string_view name,
                                    const Names&... further) {
  static const Json kNothing;
  if (!json.is_object()) {
    return kNothing;
  }
  const auto found = json.find(name);
  return found == json.end() ? kNothing : member_at(*found, further...);
}

template <class... Names>
[[nodiscard]] std::optional<double> number_at(const Json& json, const Names&... names) {
  const Json& value = member_at(json, names...);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

template <class... Names>
[[nodiscard]] std::optional<std::string> text_at(const Json& json, const Names&... names) {
  const Json& value = member_at(json, names...);
  return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

template <class... Names>
[[nodiscard]] std::optional<bool> truth_at(const Json& json, const Names&... names) {
  const Json& value = member_at(json, names...);
  return value.is_boolean() ? std::optional(value.get<bool>()) : std::nullopt;
}

/// The elements of an array; none when it is something else.
template <class... Names>
[[nodiscard]] const Json& list_at(const Json& json, const Names&... names) {
  static const Json kNone = Json::array();
  const Json& value = member_at(json, names...);
  return value.is_array() ? value : kNone;
}

/// As the command line prints it: indented, bad UTF-8 replaced, with '\n'.
[[nodiscard]] inline std::string pretty(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace levee::cli
