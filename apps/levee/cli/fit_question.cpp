#include "cli/fit_question.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <limits>

#include "api/calibration_json.hpp"
#include "cli/time_text.hpp"
#include "estimate/calibration.hpp"
#include "models/find_facts.hpp"

namespace levee::cli {
namespace {

Result<Json> body_of(const FitWish& wish) {
  Json body = Json::object();
  if (!wish.model.empty()) {
    body["model"] = wish.model;
  }
  for (const FitOption& option : wish.options) {
    if (!option.value) {
      continue;
    }
    if (option.kind == FitOption::Kind::text) {
      body[option.member] = *option.value;
      continue;
    }
    const auto number =
        parse_count(*option.value, option.option, 0, std::numeric_limits<std::int64_t>::max());
    if (!number) {
      return std::unexpected(number.error());
    }
    body[option.member] = *number;
  }
  if (wish.no_flash) {
    body["flash_attention"] = false;
  }
  if (wish.no_graphs) {
    body["graphs"] = false;
  }
  if (wish.chunked_loss) {
    body["chunked_loss"] = true;
  }
  if (wish.compiled) {
    body["compiled"] = true;
  }
  return body;
}

/// Facts of a file or folder; nothing where the model is given by name.
Result<std::optional<models::Configured>> local_facts(const FitWish& wish) {
  const std::string& path = wish.facts ? *wish.facts : wish.model;
  std::error_code ignored;
  if (!wish.facts && !std::filesystem::exists(path, ignored)) {
    return std::nullopt;
  }
  auto found = models::facts_from_path(path);
  if (!found) {
    return std::unexpected(std::move(found.error()));
  }
  return std::optional(std::move(*found));
}

}  // namespace

std::vector<FitOption> all_fit_options() {
  using enum FitOption::Kind;
  return {
      {"--framework", "framework", "NAME", "vllm, llama.cpp or transformers"},
      {"--framework-version", "version", "X.Y", "Of the framework: 0.19"},
      {"--context", "context", "TOKENS", "Of one sequence, generated ones included", number},
      {"--batch", "batch", "N", "Sequences at a time (1)", number},
      {"--quant", "quant", "FORMAT", "Of weights: bf16, fp8, int4, nf4, Q4_K_M, …"},
      {"--kv-dtype", "kv_dtype", "TYPE", "Of the cache: auto, fp8, q8_0, q8_0/f16 (keys/values)"},
      {"--tp", "tp", "N", "GPUs that share each tensor", number},
      {"--pp", "pp", "N", "GPUs that share the layers", number},
      {"--ubatch", "ubatch", "TOKENS", "llama.cpp's micro batch (512)", number},
      {"--batched-tokens", "batched_tokens", "N", "vLLM's max_num_batched_tokens (8192)", number},
      {"--sequences", "sequences", "N", "vLLM's max_num_seqs (1024)", number},
      {"--block", "block", "TOKENS", "vLLM's cache block (16)", number},
      {"--train", "train", "OPTIMIZER", "It learns: adam, adam8bit, sgd, momentum"},
      {"--precision", "precision", "NAME", "Of training: fp32, bf16, fp16, bf16-pure"},
      {"--recompute", "recompute", "WHAT", "Activations: none, selective, full"},
      {"--zero", "zero", "STAGE", "ZeRO 0 to 3; FSDP is 3", number},
      {"--ranks", "ranks", "N", "Data-parallel processes", number},
      {"--lora-rank", "lora_rank", "N", "Only adapters of queries and values learn", number},
      {"--trainable", "trainable", "N", "So many values of adapters learn", number},
      {"--pool", "pool", "SIZE", "vLLM's cache is given this much, instead of all that is free"},
      {"--gpu-mem", "gpu_memory", "SIZE", "Judge by this much free memory: 24GB"}};
}

void add_fit_wish(CLI::App& command, FitWish& wish) {
  command
      .add_option("model", wish.model,
                  "A name, or a folder, config.json, .gguf or .safetensors file")
      ->type_name("MODEL|PATH");
  command.add_option("--facts", wish.facts, "The model's config.json")->type_name("FILE");
  for (FitOption& option : wish.options) {
    command.add_option(option.option, option.value, option.help)->type_name(option.type);
  }
  command.add_flag("--no-flash-attention", wish.no_flash, "Scores are stored");
  command.add_flag("--no-graphs", wish.no_graphs, "vLLM records no CUDA graphs");
  command.add_flag("--chunked-loss", wish.chunked_loss, "Logits are never there at once");
  command.add_flag("--compiled", wish.compiled, "Training with torch.compile");
}

Result<FitWish> parse_fit_wish(const std::string& text) {
  FitWish wish;
  CLI::App app;
  app.set_help_flag();
  add_fit_wish(app, wish);
  try {
    app.parse(text, false);
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::invalid_argument, fmt::format("--fit \"{}\": {}", text, error.what()),
                R"(write it as for `levee fit`: --fit "llama-3-8b --framework vllm")");
  }
  if (wish.model.empty() && !wish.facts) {
    return fail(ErrorCode::invalid_argument, fmt::format("--fit \"{}\" names no model", text),
                R"(write it as for `levee fit`: --fit "llama-3-8b --framework vllm")");
  }
  return wish;
}

Result<api::EstimateQuestion> to_question(const FitWish& wish) {
  const auto body = body_of(wish);
  if (!body) {
    return std::unexpected(body.error());
  }
  const auto local = local_facts(wish);
  if (!local) {
    return std::unexpected(local.error());
  }
  auto question =
      api::estimate_question(*body, *local ? std::optional((*local)->facts) : std::nullopt);
  if (question && *local && !(*local)->remark.empty()) {
    question->remarks.push_back((*local)->remark);
  }
  return question;
}

Result<Json> add_estimate(Ledger& ledger, const std::string& fit, Json& body) {
  const auto wish = parse_fit_wish(fit);
  if (!wish) {
    return std::unexpected(wish.error());
  }
  auto question = to_question(*wish);
  if (!question) {
    question.error().code = ErrorCode::invalid_argument;
    return std::unexpected(std::move(question.error()).within("--fit"));
  }
  if (question->gpu_memory) {
    return fail(ErrorCode::invalid_argument, "--fit has --gpu-mem, which says what is free",
                "to ask for another amount than the estimate's, give --gpu-mem beside --fit");
  }
  learn_from(ledger, *question);
  if (question->job.fills_memory()) {
    question->remarks.emplace_back(
        "vLLM takes what is free: give its cache a size with --pool (and vllm "
        "--kv-cache-memory-bytes), or nothing is left for others");
  }
  Json estimate = api::estimate_json(*question, std::nullopt);
  const std::uint64_t devices = question->job.tensor_parallel * question->job.pipeline_parallel *
                                (question->job.training ? question->job.training->ranks : 1);
  if (!body.contains("gpus") && devices > 1) {
    body["gpus"] = devices;
  }
  body["estimate"] = estimate;
  return estimate;
}

void learn_from(Ledger& ledger, api::EstimateQuestion& question) {
  if (const auto record = ledger.call("GET", "/api/v1/estimate/record")) {
    question.job.correction = estimate::correction_for(api::corrections_of(*record), question.job);
  }
}

}  // namespace levee::cli
