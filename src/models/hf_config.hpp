// hf_config: a model's shape from the config.json of Hugging Face repositories. Pure.
//
// Known by model_type: llama, mistral, mixtral, qwen2, qwen2_moe, qwen3, qwen3_moe, gemma, gemma2,
// gemma3, glm4, granite, phi, phi3, gpt2, gpt_bigcode, gpt_neox, gpt_oss, gptj, falcon, bloom, opt,
// deepseek_v2, deepseek_v3, kimi_vl, bert, t5, whisper, musicgen. Another one that names its sizes
// as Llama does is taken for a Llama, which `remark` says. A model with several parts (Gemma 3,
// Llava) has the shape of its language model, and its vision tower's parameters beside it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "estimate/model_facts.hpp"
#include "levee/result.hpp"

namespace levee::models {

struct Configured {
  estimate::ModelFacts facts;
  std::string remark;  ///< What was assumed; empty: nothing.
};

/// invalid_argument for anything else than a configuration, sizes that no model has among them.
[[nodiscard]] Result<Configured> facts_from_config(std::string_view text);
[[nodiscard]] Result<Configured> facts_from_json(const nlohmann::json& config);

/// The model types that are known, in order.
[[nodiscard]] std::string known_model_types();

}  // namespace levee::models
