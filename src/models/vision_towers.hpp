// Vision towers: what a model that sees loads beside its language model, by its vision_config.
// Known: SigLIP (Gemma 3, Granite Vision), Pixtral (Mistral Small 3.1) and MoonViT (Kimi-VL), each
// with the projector of the model around it. Internal to the room. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "estimate/model_facts.hpp"
#include "levee/result.hpp"

namespace levee::models {

/// Counts tower and projector into `facts`, which holds the language model's sizes. The text is
/// empty, or a remark on a tower that is not known and not counted. invalid_argument for sizes that
/// no tower has.
[[nodiscard]] Result<std::string> read_vision_tower(const nlohmann::json& config,
                                                    estimate::ModelFacts& facts);

}  // namespace levee::models
