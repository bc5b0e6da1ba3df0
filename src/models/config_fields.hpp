// ConfigFields: the members of a configuration, read one by one; the first that is wrong is
// remembered, so that who reads need not look at each. Internal to the room.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "levee/result.hpp"

namespace levee::models {

class ConfigFields {
 public:
  /// `object` must be one and outlive this.
  explicit ConfigFields(const nlohmann::json& object) : object_(object) {}

  /// A whole number from 1 to `most`, by the first of `names` that is there.
  [[nodiscard]] std::uint64_t size(std::initializer_list<std::string_view> names,
                                   std::uint64_t most);
  /// The same from 0; `otherwise` where it is absent or null.
  [[nodiscard]] std::uint64_t size_or(std::string_view name, std::uint64_t otherwise,
                                      std::uint64_t most);
  [[nodiscard]] bool flag_or(std::string_view name, bool otherwise);
  [[nodiscard]] std::string text_or(std::string_view name, std::string_view otherwise);
  /// Nothing where it is absent or null.
  [[nodiscard]] const nlohmann::json* find(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }

  /// Remembers `message`, unless something was wrong before.
  void complain(std::string message);
  [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

 private:
  [[nodiscard]] std::uint64_t number(std::string_view name, const nlohmann::json& value,
                                     std::uint64_t least, std::uint64_t most);

  const nlohmann::json& object_;
  std::optional<Error> error_;
};

}  // namespace levee::models
