#include "models/hf_config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "estimate/parameters.hpp"
#include "models/config_fields.hpp"
#include "models/hf_families.hpp"
#include "models/vision_towers.hpp"

namespace levee::models {
namespace {

using estimate::ModelFacts;
using estimate::Quantization;
using nlohmann::json;

constexpr std::size_t kDeepest = 16;

double bytes_of_type(const std::string& type) {
  if (type == "float32" || type == "float") {
    return 4;
  }
  return type.starts_with("float8") ? 1 : 2;
}

Quantization quantization_of(const json& config) {
  const auto found = config.find("quantization_config");
  if (found == config.end() || !found->is_object()) {
    return Quantization::none;
  }
  ConfigFields from(*found);
  const std::string method = from.text_or("quant_method", "");
  if (method == "bitsandbytes") {
    if (from.flag_or("load_in_8bit", false)) {
      return Quantization::int8;
    }
    return from.flag_or("bnb_4bit_use_double_quant", false) ? Quantization::nf4_double
                                                            : Quantization::nf4;
  }
  if (method == "awq" || method == "gptq") {
    return from.size_or("bits", 4, 64) == 8 ? Quantization::int8 : Quantization::int4_grouped;
  }
  if (method == "mxfp4") {
    return Quantization::mxfp4;
  }
  return method.contains("fp8") || method == "compressed-tensors" ? Quantization::fp8
                                                                  : Quantization::none;
}

/// The part that describes the language model, where there are several.
const json* language_part(const json& config) {
  for (const char* name : {"text_config", "language_config", "llm_config"}) {
    const auto part = config.find(name);
    if (part != config.end() && part->is_object() && part->contains("hidden_size")) {
      return &*part;
    }
  }
  return &config;
}

/// What the library that reads these files fills in where they say nothing: Gemma 3's text_config
/// names only what differs from it.
json with_defaults(const json& part) {
  if (ConfigFields(part).text_or("model_type", "") != "gemma3_text") {
    return part;
  }
  json filled{{"num_hidden_layers", 26},
              {"hidden_size", 2304},
              {"intermediate_size", 9216},
              {"num_attention_heads", 8},
              {"num_key_value_heads", 4},
              {"rope_theta", 1e6},
              {"max_position_embeddings", 131'072},
              {"vocab_size", 262'208},
              {"sliding_window", 4096}};
  filled.update(part);
  return filled;
}

/// Positions that rotary tables hold: those the model was made for, or those that it is stretched
/// to. Gemma 3 has another table for its windows, which is not stretched.
std::uint64_t rotary_rows(ConfigFields& from, const ModelFacts& facts) {
  const json* const scaling = from.find("rope_scaling");
  if (facts.max_context == 0 || (scaling == nullptr && !from.has("rope_theta"))) {
    return 0;
  }
  std::uint64_t rows = facts.max_context;
  if (scaling != nullptr && scaling->is_object()) {
    ConfigFields how(*scaling);
    const std::string type = how.text_or("rope_type", how.text_or("type", ""));
    const json* const factor = how.find("factor");
    constexpr double kMost = 1'024;
    const bool is_good = factor != nullptr && factor->is_number() && factor->get<double>() >= 1 &&
                         factor->get<double>() <= kMost;
    const std::uint64_t stretched = type == "yarn" ? how.size_or("original_max_position_embeddings",
                                                                 rows, estimate::kLongestContext)
                                                   : rows;
    if (is_good && (type == "linear" || type == "yarn")) {
      rows = static_cast<std::uint64_t>(static_cast<double>(stretched) * factor->get<double>());
    }
  }
  return facts.family == "gemma3_text" ? rows + facts.max_context : rows;
}

/// What only the whole can tell: sizes that make sense one by one and not together.
void check_whole(const ModelFacts& facts, ConfigFields& from) {
  const bool divides = facts.kv_heads > 0 && facts.heads % facts.kv_heads == 0;
  if (!divides) {
    from.complain(
        fmt::format("{} key/value heads do not divide {} heads", facts.kv_heads, facts.heads));
  }
  if (facts.head_dim == 0 || facts.heads * facts.head_dim > estimate::kMostIntermediate) {
    from.complain(fmt::format("{} heads of {} values are more than any model has", facts.heads,
                              facts.head_dim));
  }
  if (facts.experts && facts.experts->per_token > facts.experts->count) {
    from.complain(fmt::format("{} experts per token are more than the {} there are",
                              facts.experts->per_token, facts.experts->count));
  }
}

}  // namespace

Result<Configured> facts_from_config(std::string_view text) {
  bool too_deep = false;
  const auto limit = [&](int depth, json::parse_event_t /*event*/, json& /*parsed*/) {
    too_deep |= static_cast<std::size_t>(depth) > kDeepest;
    return !too_deep;
  };
  const json config = json::parse(text, limit, /*allow_exceptions=*/false);
  if (config.is_discarded() || too_deep || !config.is_object()) {
    return fail(ErrorCode::invalid_argument, "this is no JSON object",
                "give the config.json as it is in the model's repository");
  }
  return facts_from_json(config);
}

Result<Configured> facts_from_json(const json& config) {
  Configured result;
  ModelFacts& facts = result.facts;
  if (!config.is_object()) {
    return fail(ErrorCode::invalid_argument, "this is no JSON object",
                "give the config.json as it is in the model's repository");
  }
  const json part = with_defaults(*language_part(config));
  ConfigFields from(part);
  facts.family = from.text_or("model_type", "");
  if (facts.family.empty()) {
    facts.family = ConfigFields(config).text_or("model_type", "");
  }
  const auto family = std::ranges::find(families(), facts.family, &Family::type);
  if (family != families().end()) {
    family->read(from, facts);
  } else if (from.has("hidden_size") && from.has("intermediate_size")) {
    read_as_llama(from, facts);
    result.remark = fmt::format("the model type \"{}\" is not known and taken for a Llama",
                                facts.family.substr(0, 64));
  } else {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the model type \"{}\" is not known", facts.family.substr(0, 64)),
                fmt::format("known: {}", known_model_types()));
  }
  if (!from.error()) {
    check_whole(facts, from);
  }
  if (from.error()) {
    return std::unexpected(*from.error());
  }
  facts.rotary_rows = rotary_rows(from, facts);
  const auto seeing = read_vision_tower(config, facts);
  if (!seeing) {
    return std::unexpected(seeing.error());
  }
  if (!seeing->empty()) {
    result.remark += (result.remark.empty() ? "" : "; ") + *seeing;
  }
  const std::string type = ConfigFields(part).text_or("torch_dtype", "");
  facts.bytes_per_value =
      bytes_of_type(type.empty() ? ConfigFields(config).text_or(
                                       "torch_dtype", ConfigFields(config).text_or("dtype", ""))
                                 : type);
  facts.quantization = quantization_of(config);
  facts.name = ConfigFields(config).text_or("_name_or_path", "");
  return result;
}

std::string known_model_types() {
  std::vector<std::string_view> names;
  names.reserve(families().size());
  for (const Family& family : families()) {
    names.push_back(family.type);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace levee::models
