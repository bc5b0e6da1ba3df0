#include "models/find_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

#include "estimate/parameters.hpp"
#include "models/catalogue.hpp"
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
  const auto file = is_folder ? path / "config.json" : path;
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

}  // namespace levee::models
