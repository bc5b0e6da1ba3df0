// A question for an estimate as JSON, read strictly. Internal to the room but for the command line.
// Pure.
//
//   {"model": "llama-3-8b" or "config": {…a config.json…},
//    "framework": "vllm", "version": "0.19", "context": 8192, "batch": 4,
//    "quant": "int4", "kv_dtype": "fp8" or "q8_0/f16" (keys/values),
//    "tp": 1, "pp": 1, "ubatch": 512, "batched_tokens": 8192, "sequences": 1024, "block": 16,
//    "flash_attention": true, "graphs": true,
//    "train": "adam", "precision": "bf16", "recompute": "none", "zero": 0, "ranks": 1,
//    "lora_rank": 8 or "trainable": N, "chunked_loss": false, "compiled": false,
//    "gpu_memory": "24GB", "pool": "10GB" (what vLLM's cache is given)}
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "estimate/job.hpp"
#include "estimate/model_facts.hpp"
#include "levee/result.hpp"

namespace levee::api {

struct EstimateQuestion {
  std::string model;  ///< As it was asked for.
  estimate::ModelFacts facts;
  estimate::Job job;
  std::optional<Bytes> gpu_memory;  ///< To be judged by, instead of what is free.
  std::vector<std::string> remarks;
};

/// `known`: facts that were found already, where the body names none.
[[nodiscard]] Result<EstimateQuestion> estimate_question(
    const nlohmann::ordered_json& body,
    const std::optional<estimate::ModelFacts>& known = std::nullopt);

/// The answer: terms, total, verdict by `free`, and the nearest settings that fit.
[[nodiscard]] nlohmann::ordered_json estimate_json(const EstimateQuestion& question,
                                                   std::optional<Bytes> free);

}  // namespace levee::api
