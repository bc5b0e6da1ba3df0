// Facts about a model, the most certain first: its weight files, its configuration, the built-in
// table, its name.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "models/hf_config.hpp"

namespace levee::models {

/// By name alone: the built-in table, else a guess from the size in the name ("13b"), which the
/// remark says. not_found when the name tells no size.
[[nodiscard]] Result<Configured> facts_by_name(std::string_view name);

/// A folder of a model (config.json and weight files), a config.json, a .gguf or a .safetensors
/// file. Reads headers only.
[[nodiscard]] Result<Configured> facts_from_path(const std::filesystem::path& path);

}  // namespace levee::models
