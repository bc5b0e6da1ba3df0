#include "models/catalogue.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

#include "models/catalogue_text.hpp"
#include "models/hf_config.hpp"

namespace levee::models {
namespace {

using nlohmann::json;

std::vector<CatalogueEntry> read_catalogue() {
  std::vector<CatalogueEntry> entries;
  for (const json& row : json::parse(kCatalogueText)) {
    auto read = facts_from_json(row.at("config"));
    if (!read) {
      continue;  // A test counts them.
    }
    CatalogueEntry entry{.id = row.at("id"),
                         .name = row.at("name"),
                         .parameters = row.at("parameters"),
                         .facts = std::move(read->facts)};
    entry.facts.name = entry.id;
    entry.facts.origin = estimate::FactsOrigin::catalogue;
    entries.push_back(std::move(entry));
  }
  return entries;
}

/// Lower case, without the organisation; "meta-llama/Meta-Llama-3.1-8B" → "llama-3.1-8b".
std::string plain(std::string_view name) {
  std::string text(
      name.substr(name.rfind('/') == std::string_view::npos ? 0 : name.rfind('/') + 1));
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::ranges::replace(text, '_', '-');
  for (const std::string_view prefix : {"meta-", "hf-"}) {
    if (text.starts_with(prefix)) {
      text.erase(0, prefix.size());
    }
  }
  return text;
}

/// What a name has beside the model's own: tuning, formats.
constexpr std::array<std::string_view, 14> kSuffixes{
    "-hf",   "-instruct", "-it", "-chat",        "-base",        "-v0.1", "-v0.2",
    "-v0.3", "-2507",     "-pt", "-4k-instruct", "-8k-instruct", "-v1.0", "-python"};

bool strip_suffix(std::string& name) {
  for (const std::string_view suffix : kSuffixes) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
      return true;
    }
  }
  return false;
}

/// Releases that have the shape of an older one.
constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kSame{
    {{"llama-3.1-8b", "llama-3-8b"},
     {"llama-3.1-70b", "llama-3-70b"},
     {"llama-3.3-70b", "llama-3-70b"},
     {"llama2-7b", "llama-2-7b"},
     {"llama2-13b", "llama-2-13b"},
     {"llama2-70b", "llama-2-70b"},
     {"llama3-8b", "llama-3-8b"},
     {"llama3-70b", "llama-3-70b"},
     {"octocoder", "starcoder"},
     {"deepseek-r1", "deepseek-v3"},
     {"deepseek-v3-0324", "deepseek-v3"},
     {"phi-3-mini", "phi-3-mini-4k"},
     {"tinyllama-1.1b-chat", "tinyllama-1.1b"}}};

const CatalogueEntry* find_plain(std::string_view name) {
  for (const auto& [alias, id] : kSame) {
    if (name == alias) {
      name = id;
      break;
    }
  }
  for (const CatalogueEntry& entry : catalogue()) {
    if (name == entry.id || name == plain(entry.name)) {
      return &entry;
    }
  }
  return nullptr;
}

}  // namespace

const std::vector<CatalogueEntry>& catalogue() {
  static const std::vector<CatalogueEntry> kEntries = read_catalogue();
  return kEntries;
}

const CatalogueEntry* find_in_catalogue(std::string_view name) {
  std::string text = plain(name);
  do {
    if (const CatalogueEntry* const found = find_plain(text)) {
      return found;
    }
  } while (strip_suffix(text));
  return nullptr;
}

std::vector<estimate::MemoryProfile> default_profiles() {
  std::vector<estimate::MemoryProfile> profiles;
  profiles.reserve(catalogue().size() + kSame.size());
  for (const CatalogueEntry& entry : catalogue()) {
    profiles.push_back(estimate::profile_of(entry.id, entry.facts));
  }
  for (const auto& [alias, id] : kSame) {
    profiles.push_back(estimate::profile_of(std::string(alias), find_plain(id)->facts));
  }
  std::ranges::sort(profiles, {}, &estimate::MemoryProfile::name);
  return profiles;
}

}  // namespace levee::models
