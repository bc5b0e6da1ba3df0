#include "api/members.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "config/nearest.hpp"
#include "levee/amount.hpp"

namespace levee::api {

using nlohmann::ordered_json;

Members::Members(const ordered_json& object, std::span<const std::string_view> known,
                 std::string_view thing)
    : object_(object) {
  for (const auto& [name, value] : object.items()) {
    if (std::ranges::find(known, name) == known.end()) {
      const auto nearest =
          config::nearest(name, std::vector<std::string>(known.begin(), known.end()));
      refuse(fmt::format("{} is nothing {} has", in_quotes(name), thing),
             nearest ? fmt::format("did you mean {}?", *nearest)
                     : fmt::format("it may have {}", fmt::join(known, ", ")));
    }
  }
}

const ordered_json* Members::find(std::string_view name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::string Members::text(std::string_view name) {
  const ordered_json* const value = find(name);
  if (value != nullptr && !value->is_string()) {
    refuse(fmt::format("{} is not a text", in_quotes(name)), "write it in quotes");
  }
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::string Members::id(std::string_view name) {
  std::string given = text(name);
  if (given.empty() && find(name) != nullptr) {
    refuse(fmt::format("{} is empty", in_quotes(name)), "leave it out if there is none");
  }
  return given;
}

std::optional<std::int64_t> Members::number(std::string_view name, std::int64_t least,
                                            std::int64_t most) {
  const ordered_json* const value = find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  const bool is_too_large =
      value->is_number_unsigned() && !std::in_range<std::int64_t>(value->get<std::uint64_t>());
  const bool fits = value->is_number_integer() && !is_too_large &&
                    value->get<std::int64_t>() >= least && value->get<std::int64_t>() <= most;
  if (!fits) {
    refuse(fmt::format("{} is {}", in_quotes(name), in_quotes(value->dump())),
           fmt::format("write a whole number from {} to {}", least, most));
    return std::nullopt;
  }
  return value->get<std::int64_t>();
}

bool Members::flag(std::string_view name, bool otherwise) {
  const ordered_json* const value = find(name);
  if (value == nullptr) {
    return otherwise;
  }
  if (!value->is_boolean()) {
    refuse(fmt::format("{} is neither true nor false", in_quotes(name)), "write true or false");
    return otherwise;
  }
  return value->get<bool>();
}

std::optional<Bytes> Members::amount(std::string_view name) {
  const std::string in_bytes = fmt::format("{}_bytes", name);
  const auto exact = number(in_bytes, 1, std::numeric_limits<std::int64_t>::max());
  const ordered_json* const value = find(name);
  if (value == nullptr) {
    return exact ? std::optional(Bytes{static_cast<std::uint64_t>(*exact)}) : std::nullopt;
  }
  if (exact) {
    refuse(fmt::format("both {} and {} are given", name, in_bytes), "give one of them");
  } else if (!value->is_string()) {
    refuse(fmt::format("{} is {}", in_quotes(name), in_quotes(value->dump())),
           fmt::format("write it with a unit, such as \"12GB\", or as {}", in_bytes));
  } else if (auto size = parse_size(value->get<std::string>())) {
    return *size;
  } else {
    refuse(fmt::format("{}: {}", name, size.error().message), size.error().hint);
  }
  return std::nullopt;
}

void Members::refuse(std::string message, std::string hint) {
  refuse(Error{ErrorCode::invalid_argument, std::move(message), std::move(hint)});
}

void Members::refuse(Error error) {
  if (!error_) {
    error_ = std::move(error);
  }
}

}  // namespace levee::api
