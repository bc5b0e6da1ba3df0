// gguf_facts: a model's shape from the metadata of a GGUF file. Internal to the room. Pure.
#pragma once

#include "formats/weight_files.hpp"
#include "models/hf_config.hpp"

namespace levee::models {

/// `weights` must be of GGUF. invalid_argument when the metadata lacks a size.
[[nodiscard]] Result<Configured> facts_from_gguf(const formats::Weights& weights);

}  // namespace levee::models
