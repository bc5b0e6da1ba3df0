// Items: what can be said of a GPU or of the driver after "gpu 0" or "driver". Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "levee/result.hpp"
#include "simgpu/machine/layout.hpp"
#include "simgpu/scenario/tokens.hpp"

namespace levee::simgpu {

/// When the items of a line happen.
struct When {
  std::uint64_t at_ns = 0;
  std::uint64_t for_ns = 0;   ///< 0: for ever.
  std::uint64_t ramp_ns = 0;  ///< Above 0: a ramp, whose values come in pairs.
};

/// An item beside the keys: its form and what it does.
struct ItemInfo {
  std::string_view word;
  bool is_of_driver;
  bool is_of_gpu;
  std::string_view form;
  std::string_view help;
};
[[nodiscard]] std::span<const ItemInfo> items() noexcept;

/// The item called `word`, or nullptr.
[[nodiscard]] const ItemInfo* find_item(std::string_view word) noexcept;

/// All words that may begin an item of the driver, or of a GPU (keys included), for complaints.
[[nodiscard]] std::string words_known(bool of_driver);

/// All items up to the end of the line. `gpu` is kNoGpu for the driver's.
[[nodiscard]] Result<std::vector<Step>> parse_items(Tokens& tokens, std::int32_t gpu, When when);

}  // namespace levee::simgpu
