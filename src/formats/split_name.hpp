// Names of files that are one of several: "model-00002-of-00030.safetensors". Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace levee::formats {

struct SplitName {
  std::string prefix;        ///< "model"
  std::uint32_t number = 0;  ///< 1 … count
  std::uint32_t count = 0;
  std::string extension;  ///< ".safetensors"

  bool operator==(const SplitName&) const = default;
};

/// Nothing when `file_name` is no such name, or its number is not among its count.
[[nodiscard]] std::optional<SplitName> parse_split_name(std::string_view file_name);

/// The name of the file `number` (from 1) of the same model.
[[nodiscard]] std::string sibling_name(const SplitName& name, std::uint32_t number);

}  // namespace levee::formats
