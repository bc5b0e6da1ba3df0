// Members: the members of a JSON object, each one asked for by type; the first thing that is wrong
// is kept. Internal to the room.
#pragma once

#include <fmt/format.h>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/route.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::api {

class Members {
 public:
  /// `object` must outlive this. Members that are not `known` are refused as nothing that `thing`
  /// has: "a lease".
  Members(const nlohmann::ordered_json& object, std::span<const std::string_view> known,
          std::string_view thing);

  /// Null where it is absent or null.
  [[nodiscard]] const nlohmann::ordered_json* find(std::string_view name) const;
  [[nodiscard]] std::string text(std::string_view name);
  /// A text that names something: not an empty one.
  [[nodiscard]] std::string id(std::string_view name);
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view name, std::int64_t least,
                                                   std::int64_t most);
  [[nodiscard]] bool flag(std::string_view name, bool otherwise = false);
  /// `name` as "12GB", or `name`_bytes as a number.
  [[nodiscard]] std::optional<Bytes> amount(std::string_view name);

  template <class Value>
  [[nodiscard]] Value word(std::string_view name, std::optional<Value> (*parse)(std::string_view),
                           Value otherwise, std::string_view accepted) {
    const std::string given = text(name);
    if (find(name) == nullptr) {
      return otherwise;
    }
    const auto value = parse(given);
    if (!value) {
      refuse(fmt::format("{} is {}", in_quotes(name), in_quotes(given)),
             fmt::format("write one of {}", accepted));
    }
    return value.value_or(otherwise);
  }

  /// Remembers this, unless something was wrong before.
  void refuse(std::string message, std::string hint);
  void refuse(Error error);
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  const nlohmann::ordered_json& object_;
  std::optional<Error> error_;
};

}  // namespace levee::api
