// Models that the configuration file describes, one table each:
//
//   [models."my/model"]
//   cpu_memory_gb = 6.0
//   gpu_memory_gb = 12.0
//
// They are no keys, since their names are not ours; but they are as strictly checked. The API takes
// the same fields. Pure; thread-safe.
#pragma once

#include <string_view>

#include "config/settings.hpp"
#include "estimate/requirements.hpp"
#include "levee/result.hpp"

namespace levee::config {

inline constexpr std::string_view kModelsTable = "models";

/// True for "models" and whatever is below it.
[[nodiscard]] bool is_about_models(std::string_view name) noexcept;

/// What the documented fields (contract S2-74) say: cpu_memory_gb, gpu_memory_gb, min_gpu_compute,
/// recommended_batch_size, notes. Refuses others, wrong types and values out of range.
[[nodiscard]] Result<estimate::Requirements> requirements_from(const Values& fields);

/// The models of `file`; what is not about models is passed over. The error says where it stands.
[[nodiscard]] Result<estimate::ModelRegistry::Entries> models_in(const Layer& file);

}  // namespace levee::config
