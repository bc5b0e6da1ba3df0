// How each family of models names its sizes in a config.json. Internal to the room. Pure.
#pragma once

#include <span>
#include <string_view>

#include "estimate/model_facts.hpp"
#include "models/config_fields.hpp"

namespace levee::models {

struct Family {
  std::string_view type;  ///< The configuration's model_type.
  void (*read)(ConfigFields& from, estimate::ModelFacts& facts);
};

/// In order of their types.
[[nodiscard]] std::span<const Family> families();

/// Sizes by the names that Llama has: for families that are not known.
void read_as_llama(ConfigFields& from, estimate::ModelFacts& facts);

}  // namespace levee::models
