#include "models/find_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

#include "estimate/parameters.hpp"
#include "formats/weight_files.hpp"
#include "models/catalogue.hpp"
#include "models/gguf_facts.hpp"
#include "sources/regular_file.hpp"

namespace levee::models {
namespace {

/// "llama-13b-chat" → 13e9, "opt-125m" → 125e6, "mixtral-8x7b" → 47e9 (experts share the rest).
std::optional<double> size_in_name(std::string_view name) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto is_digit = [&](std::size_t at) {
      return at < name.size() && std::isdigit(static_cast<unsigned char>(name[at])) != 0;
    };
    if (!is_digit(i) || (i > 0 && (is_digit(i - 1) || name[i - 1] == '.'))) {
      continue;
    }
    double number = 0;
    const auto read = std::from_chars(name.data() + i, name.data() + name.size(), number,
                                      std::chars_format::fixed);
    const auto end = static_cast<std::size_t>(read.ptr - name.data());
    const char unit = end < name.size() ? static_cast<char>(std::tolower(name[end])) : ' ';
    const bool ends =
        end + 1 >= name.size() || std::isalnum(static_cast<unsigned char>(name[end + 1])) == 0;
    if (read.ec == std::errc{} && number > 0 && ends && (unit == 'b' || unit == 'm')) {
      const double size = number * (unit == 'b' ? 1e9 : 1e6);
      return size <= 1e13 ? std::optional(size) : std::nullopt;
    }
  }
  return std::nullopt;
}

/// The ordinary decoder of the table that is nearest in size.
const CatalogueEntry& nearest_in_size(double parameters) {
  const auto distance = [parameters](const CatalogueEntry& entry) {
    const bool is_ordinary = entry.facts.build == estimate::Build::decoder &&
                             !entry.facts.experts && entry.facts.gated_mlp;
    return std::abs(std::log(static_cast<double>(entry.parameters) / parameters)) +
           (is_ordinary ? 0 : 1e3);
  };
  return *std::ranges::min_element(catalogue(), {}, distance);
}

Result<Configured> read_config(const std::filesystem::path& file) {
  constexpr std::size_t kLargestConfig = std::size_t{16} * 1024 * 1024;
  const auto text = sources::read_regular_file(file, kLargestConfig);
  if (!text) {
    return std::unexpected(text.error());
  }
  auto found = facts_from_config(*text);
  if (!found) {
    return std::unexpected(std::move(found.error()).within(file.string()));
  }
  return found;
}

/// All tensors, but for the copy that some files keep of a tied output matrix.
Bytes loaded_bytes(const formats::Weights& weights, const estimate::ModelFacts& facts) {
  Bytes bytes = weights.tensors.bytes;
  if (facts.tied_embeddings) {
    for (const formats::Tensor& tensor : weights.tensors.tensors) {
      if (tensor.name == "lm_head.weight") {
        bytes -= tensor.bytes;
      }
    }
  }
  return bytes;
}

}  // namespace

Result<Configured> facts_by_name(std::string_view name) {
  if (const CatalogueEntry* const entry = find_in_catalogue(name)) {
    return Configured{.facts = entry->facts, .remark = {}};
  }
  const auto size = size_in_name(name);
  if (!size) {
    return fail(ErrorCode::not_found,
                fmt::format("nothing is known of \"{}\"", name.substr(0, 128)),
                "give the folder with its config.json, a .gguf file, or --facts FILE.json");
  }
  const CatalogueEntry& like = nearest_in_size(*size);
  Configured guess{.facts = like.facts, .remark = {}};
  guess.facts.name = std::string(name);
  guess.facts.origin = estimate::FactsOrigin::name;
  guess.facts.parameters = static_cast<std::uint64_t>(*size);
  guess.remark =
      fmt::format("\"{}\" is not known: guessed by the size in its name, with the shape of {}",
                  name.substr(0, 128), like.id);
  return guess;
}

Result<Configured> facts_from_path(const std::filesystem::path& path) {
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  if (!is_folder && path.extension() == ".json" && !path.string().ends_with(".index.json")) {
    return read_config(path);
  }
  auto weights = formats::read_weights(path);
  const auto config = (is_folder ? path : path.parent_path()) / "config.json";
  const bool has_config = std::filesystem::exists(config, ignored);
  if (!weights) {
    if (!is_folder || !has_config || weights.error().code != ErrorCode::not_found) {
      return std::unexpected(std::move(weights.error()));
    }
    // A folder without weights yet still has its configuration.
    auto found = read_config(config);
    if (found && found->remark.empty()) {
      found->remark = fmt::format("by the configuration alone: {}", weights.error().message);
    }
    return found;
  }
  if (weights->format == formats::FileFormat::safetensors && !has_config) {
    return fail(ErrorCode::not_found,
                fmt::format("there is no {} to tell the model's shape", config.string()),
                "put the model's config.json beside its weights, or give --facts FILE.json");
  }
  auto found = weights->format == formats::FileFormat::gguf ? facts_from_gguf(*weights)
                                                            : read_config(config);
  if (found) {
    found->facts.origin = estimate::FactsOrigin::weight_files;
    found->facts.stored = loaded_bytes(*weights, found->facts);
    found->facts.parameters = weights->tensors.values;
  }
  return found;
}

}  // namespace levee::models
