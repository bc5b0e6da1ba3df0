#include "api/estimate_request.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "api/members.hpp"
#include "estimate/parameters.hpp"
#include "models/find_facts.hpp"

namespace levee::api {
namespace {

using estimate::Framework;
using estimate::Job;
using estimate::ModelFacts;
using estimate::Precision;
using estimate::Training;
using nlohmann::ordered_json;

constexpr std::array<std::string_view, 29> kKeys{"model",
                                                 "config",
                                                 "framework",
                                                 "version",
                                                 "context",
                                                 "batch",
                                                 "quant",
                                                 "kv_dtype",
                                                 "tp",
                                                 "pp",
                                                 "ubatch",
                                                 "batched_tokens",
                                                 "sequences",
                                                 "block",
                                                 "flash_attention",
                                                 "graphs",
                                                 "train",
                                                 "precision",
                                                 "recompute",
                                                 "zero",
                                                 "ranks",
                                                 "lora_rank",
                                                 "trainable",
                                                 "chunked_loss",
                                                 "gpu_memory",
                                                 "gpu_memory_bytes",
                                                 "pool",
                                                 "pool_bytes",
                                                 "compiled"};

constexpr std::int64_t kMostTokens = std::int64_t{1} << 27;
constexpr std::int64_t kMostBatch = 1'000'000;
constexpr std::int64_t kMostDevices = 4'096;

struct PrecisionName {
  std::string_view name;
  Precision precision;
};

std::optional<Precision> parse_precision(std::string_view text) {
  constexpr std::array<PrecisionName, 6> kNames{{{"fp32", Precision::fp32},
                                                 {"bf16", Precision::mixed},
                                                 {"fp16", Precision::mixed},
                                                 {"mixed", Precision::mixed},
                                                 {"bf16-pure", Precision::pure_16bit},
                                                 {"fp16-pure", Precision::pure_16bit}}};
  const auto* const found = std::ranges::find(kNames, text, &PrecisionName::name);
  return found == kNames.end() ? std::nullopt : std::optional(found->precision);
}

std::uint64_t count(Members& members, std::string_view name, std::uint64_t otherwise,
                    std::int64_t most) {
  const auto number = members.number(name, 1, most);
  return number ? static_cast<std::uint64_t>(*number) : otherwise;
}

void read_formats(Members& members, Job& job) {
  if (members.find("quant") != nullptr) {
    if (auto format = estimate::parse_weight_format(members.text("quant"))) {
      job.weights = std::move(*format);
    } else {
      members.refuse(std::move(format.error()).within("quant"));
    }
  }
  if (members.find("kv_dtype") != nullptr) {
    const std::string given = members.text("kv_dtype");
    const std::size_t slash = given.find('/');
    auto keys = estimate::parse_cache_type(std::string_view(given).substr(0, slash));
    auto values = slash == std::string::npos
                      ? keys
                      : estimate::parse_cache_type(std::string_view(given).substr(slash + 1));
    if (keys && values) {
      job.keys = std::move(*keys);
      job.values = std::move(*values);
    } else {
      members.refuse(std::move(keys ? values : keys).error().within("kv_dtype"));
    }
  }
}

/// Adapters beside the queries and values of every layer, as is usual.
std::uint64_t adapter_values(const ModelFacts& facts, std::uint64_t rank) {
  const std::uint64_t query = facts.heads * facts.head_dim;
  const std::uint64_t value = facts.kv_heads * facts.head_dim;
  return facts.layers * rank * (2 * facts.hidden + query + value);
}

void read_training(Members& members, const ModelFacts& facts, Job& job) {
  constexpr std::array<std::string_view, 8> kOnlyTraining{"precision",    "recompute", "zero",
                                                          "ranks",        "lora_rank", "trainable",
                                                          "chunked_loss", "compiled"};
  if (members.find("train") == nullptr) {
    for (const std::string_view name : kOnlyTraining) {
      if (members.find(name) != nullptr) {
        members.refuse(fmt::format("{} is of training", in_quotes(name)),
                       R"(say how it is trained: "train": "adam")");
      }
    }
    return;
  }
  Training training;
  training.optimizer = members.word<estimate::Optimizer>("train", estimate::parse_optimizer,
                                                         estimate::Optimizer::adam,
                                                         "adam, adamw, adam8bit, sgd, momentum");
  training.precision = members.word<Precision>("precision", parse_precision, Precision::mixed,
                                               "fp32, bf16, fp16, bf16-pure, fp16-pure");
  training.recompute = members.word<estimate::Recompute>(
      "recompute", estimate::parse_recompute, estimate::Recompute::none, "none, selective, full");
  training.zero = static_cast<int>(members.number("zero", 0, 3).value_or(0));
  training.ranks = count(members, "ranks", 1, kMostDevices);
  training.chunked_loss = members.flag("chunked_loss");
  training.compiled = members.flag("compiled");
  constexpr std::int64_t kMostValues = std::int64_t{1} << 40;
  constexpr std::int64_t kMostRank = 65'536;
  if (const auto values = members.number("trainable", 1, kMostValues)) {
    training.adapter_values = static_cast<std::uint64_t>(*values);
  } else if (const auto rank = members.number("lora_rank", 1, kMostRank)) {
    training.adapter_values = adapter_values(facts, static_cast<std::uint64_t>(*rank));
  }
  job.training = training;
}

void read_job(Members& members, const ModelFacts& facts, Job& job) {
  job.framework = members.word<Framework>("framework", estimate::parse_framework,
                                          Framework::transformers, "vllm, llama.cpp, transformers");
  if (members.find("version") != nullptr) {
    const std::string given = members.text("version");
    job.version = estimate::parse_version(given);
    if (!job.version) {
      members.refuse(fmt::format("\"version\" is {}", in_quotes(given)), "write it as \"0.19\"");
    }
  }
  const std::uint64_t usual =
      facts.max_context > 0 ? std::min<std::uint64_t>(facts.max_context, 4096) : 4096;
  job.context = count(members, "context", usual, kMostTokens);
  job.batch = count(members, "batch", 1, kMostBatch);
  job.tensor_parallel = count(members, "tp", 1, kMostDevices);
  job.pipeline_parallel = count(members, "pp", 1, kMostDevices);
  job.micro_batch = count(members, "ubatch", job.micro_batch, kMostTokens);
  job.batched_tokens = count(members, "batched_tokens", job.batched_tokens, kMostTokens);
  job.sequences = count(members, "sequences", job.sequences, kMostBatch);
  job.block = count(members, "block", job.block, 65'536);
  job.flash_attention = members.flag("flash_attention", true);
  job.graphs = members.flag("graphs", true);
  read_formats(members, job);
  read_training(members, facts, job);
  if (job.tensor_parallel > facts.heads) {
    members.refuse(
        fmt::format("\"tp\" is {}, and the model has {} heads", job.tensor_parallel, facts.heads),
        "every device needs one at least");
  }
  if (job.pipeline_parallel > std::max<std::uint64_t>(facts.layers, 1)) {
    members.refuse(fmt::format("\"pp\" is {}, and the model has {} layers", job.pipeline_parallel,
                               facts.layers),
                   "every device needs one at least");
  }
}

Result<models::Configured> facts_of(Members& members, const std::string& model,
                                    const std::optional<ModelFacts>& known) {
  if (const ordered_json* const config = members.find("config")) {
    return models::facts_from_config(config->dump());
  }
  if (known) {
    return models::Configured{.facts = *known, .remark = {}};
  }
  if (model.empty()) {
    return fail(ErrorCode::invalid_argument, "no model is named",
                R"(send {"model": "llama-3-8b"}, or its configuration as "config")");
  }
  return models::facts_by_name(model);
}

}  // namespace

Result<EstimateQuestion> estimate_question(const ordered_json& body,
                                           const std::optional<ModelFacts>& known) {
  Members members(body, kKeys, "an estimate");
  EstimateQuestion question;
  question.model = members.id("model");
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  auto found = facts_of(members, question.model, known);
  if (!found) {
    return std::unexpected(std::move(found.error()));
  }
  question.facts = std::move(found->facts);
  if (question.model.empty()) {
    question.model = question.facts.name.empty() ? question.facts.family : question.facts.name;
  }
  if (!found->remark.empty()) {
    question.remarks.push_back(std::move(found->remark));
  }
  read_job(members, question.facts, question.job);
  question.gpu_memory = members.amount("gpu_memory");
  question.job.pool = members.amount("pool");
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  if (question.facts.max_context > 0 && question.job.context > question.facts.max_context) {
    question.remarks.push_back(fmt::format("the model was made for {} tokens, not {}",
                                           question.facts.max_context, question.job.context));
  }
  return question;
}

}  // namespace levee::api
