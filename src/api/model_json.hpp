// The JSON of models: what they need, which are cached, and whether one fits. Internal to the room.
// Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "api/view.hpp"
#include "estimate/validate.hpp"

namespace levee::api {

/// The registry and the cache of `view`; as built in, and empty, where it has none.
[[nodiscard]] const estimate::ModelRegistry& models_of(const View& view);
[[nodiscard]] const estimate::ModelCache& model_cache_of(const View& view);

/// The documented fields (contract S2-12, S2-74).
[[nodiscard]] nlohmann::ordered_json to_json(const estimate::Requirements& requirements);

[[nodiscard]] nlohmann::ordered_json to_json(const estimate::Model& model);

/// GET /api/v1/models.
[[nodiscard]] nlohmann::ordered_json models_json(const View& view);

/// The cache alone.
[[nodiscard]] nlohmann::ordered_json model_cache_json(const View& view);

/// The documented map (contract S2-55): model → [size_gb, ISO timestamp].
[[nodiscard]] nlohmann::ordered_json cached_models_json(const View& view);

/// The answer of validation.
[[nodiscard]] nlohmann::ordered_json to_json(const estimate::Verdict& verdict,
                                             const estimate::Machine& machine);

}  // namespace levee::api
