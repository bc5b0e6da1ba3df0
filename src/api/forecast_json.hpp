// The JSON of a forecast, and of a leak verdict: the same in the API and on the command line. Pure;
// thread-safe.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "forecast/growers.hpp"
#include "levee/bytes.hpp"
#include "levee/forecast.hpp"
#include "levee/leak.hpp"

namespace levee::api {

/// `forecast` of a memory of `limit`, for `ahead_seconds` from now. Null figures are unknown;
/// "no_estimate" says why there is no time to full.
[[nodiscard]] nlohmann::ordered_json forecast_json(const Forecast& forecast,
                                                   std::optional<Bytes> limit,
                                                   double ahead_seconds = 60);

/// The same with who brings the growth: up to five processes and five users.
[[nodiscard]] nlohmann::ordered_json forecast_json(const Forecast& forecast,
                                                   std::optional<Bytes> limit,
                                                   const forecast::Growers& growers);

[[nodiscard]] nlohmann::ordered_json leak_json(const LeakReport& report);

}  // namespace levee::api
