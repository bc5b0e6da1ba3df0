// The catalogue: shapes of well-known models, by name. Its configurations are read by the code that
// reads config.json. Sources: the models' repositories; parameter counts are recomputed in tests.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "estimate/model_facts.hpp"
#include "estimate/profile.hpp"

namespace levee::models {

struct CatalogueEntry {
  std::string id;                ///< "llama-3-8b"
  std::string name;              ///< "meta-llama/Meta-Llama-3-8B"
  std::uint64_t parameters = 0;  ///< As it was published or checked.
  estimate::ModelFacts facts;
};

/// In the order of families. Read once.
[[nodiscard]] const std::vector<CatalogueEntry>& catalogue();

/// By id, by the name of its repository, or by either without what tuning adds ("-Instruct",
/// "-hf", …); upper and lower case are the same. Null when it is not there.
[[nodiscard]] const CatalogueEntry* find_in_catalogue(std::string_view name);

/// A memory profile for every name of the table, its other spellings ("llama2-13b") included; in
/// order of names.
[[nodiscard]] std::vector<estimate::MemoryProfile> default_profiles();

}  // namespace levee::models
