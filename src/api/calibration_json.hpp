// What this machine's jobs teach, as JSON and back; and estimates that come back as the prediction
// of a lease. Internal to the room but for the command line. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <vector>

#include "core/prediction.hpp"
#include "estimate/job.hpp"
#include "levee/result.hpp"

namespace levee::api {

/// {"jobs": [newest first], "corrections": […]}.
[[nodiscard]] nlohmann::ordered_json calibration_json(std::span<const JobRecord> records);

/// The corrections of such an answer.
[[nodiscard]] std::vector<estimate::Correction> corrections_of(const nlohmann::ordered_json& json);

/// Null: nothing was learned.
[[nodiscard]] nlohmann::ordered_json correction_json(
    const std::optional<estimate::Correction>& correction);

/// What an answer of POST /api/v1/estimate says, in short. Members that are not needed are passed
/// over; those that are must be as they were.
[[nodiscard]] Result<Prediction> prediction_of(const nlohmann::ordered_json& estimate);

}  // namespace levee::api
