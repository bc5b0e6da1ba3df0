// The line that defines a GPU: gpu 0 name="Sim H200" mem=143771MiB … Pure.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "levee/result.hpp"
#include "simgpu/scenario/scenario.hpp"
#include "simgpu/scenario/tokens.hpp"

namespace levee::simgpu {

struct PropertyInfo {
  std::string_view word;
  std::string_view form;
  std::string_view help;
};
/// The properties beside the keys, every one of which may also be given here (temp=41).
[[nodiscard]] std::span<const PropertyInfo> properties() noexcept;

struct GpuLine {
  GpuSpec gpu;
  std::optional<Profile> profile;  ///< Of the whole machine.
};

/// The properties after "gpu N".
[[nodiscard]] Result<GpuLine> parse_gpu_line(Tokens& tokens, std::int32_t index);

}  // namespace levee::simgpu
