#include "models/config_fields.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

namespace levee::models {
namespace {

constexpr std::size_t kLongestShown = 40;

std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > kLongestShown) {
    text.resize(kLongestShown);
    text += "…";
  }
  return text;
}

}  // namespace

const nlohmann::json* ConfigFields::find(std::string_view name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void ConfigFields::complain(std::string message) {
  if (!error_) {
    error_ = Error{ErrorCode::invalid_argument, std::move(message),
                   "give the config.json as it is in the model's repository"};
  }
}

std::uint64_t ConfigFields::number(std::string_view name, const nlohmann::json& value,
                                   std::uint64_t least, std::uint64_t most) {
  const bool is_whole =
      value.is_number_unsigned() || (value.is_number_integer() && value.get<std::int64_t>() >= 0);
  if (!is_whole || value.get<std::uint64_t>() < least || value.get<std::uint64_t>() > most) {
    complain(fmt::format("{} is {}, which is no whole number from {} to {}", name, shown(value),
                         least, most));
    return least;
  }
  return value.get<std::uint64_t>();
}

std::uint64_t ConfigFields::size(std::initializer_list<std::string_view> names,
                                 std::uint64_t most) {
  for (const std::string_view name : names) {
    if (const auto* const value = find(name)) {
      return number(name, *value, 1, most);
    }
  }
  complain(fmt::format("{} is missing", fmt::join(names, " or ")));
  return 1;
}

std::uint64_t ConfigFields::size_or(std::string_view name, std::uint64_t otherwise,
                                    std::uint64_t most) {
  const auto* const value = find(name);
  return value == nullptr ? otherwise : number(name, *value, 0, most);
}

bool ConfigFields::flag_or(std::string_view name, bool otherwise) {
  const auto* const value = find(name);
  if (value == nullptr) {
    return otherwise;
  }
  if (!value->is_boolean()) {
    complain(fmt::format("{} is {}, which is neither true nor false", name, shown(*value)));
    return otherwise;
  }
  return value->get<bool>();
}

std::string ConfigFields::text_or(std::string_view name, std::string_view otherwise) {
  const auto* const value = find(name);
  if (value == nullptr) {
    return std::string(otherwise);
  }
  if (!value->is_string()) {
    complain(fmt::format("{} is {}, which is no text", name, shown(*value)));
    return std::string(otherwise);
  }
  return value->get<std::string>();
}

}  // namespace levee::models
