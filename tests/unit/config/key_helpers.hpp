// What the tests of the keys share: one key applied to the defaults.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/keys.hpp"
#include "config/settings.hpp"

namespace levee::config {

using List = std::vector<std::string>;

inline const Key& key(std::string_view name) {
  const auto found = find_key(name);
  EXPECT_TRUE(found) << name;
  return **found;
}

/// The value of `name` after `value` was applied to the defaults, or the error.
inline Result<Value> applied(std::string_view name, const Value& value) {
  Config config;
  if (const auto done = key(name).apply(config, value); !done) {
    return std::unexpected(done.error());
  }
  return key(name).show(config);
}

inline Result<Value> applied_text(std::string_view name, std::string_view text) {
  const auto value = value_from_text(key(name), text);
  return value ? applied(name, *value) : value;
}

inline Value whole(std::int64_t number) { return number; }
inline Value text(std::string text) { return text; }

}  // namespace levee::config
