#include "api/forecast_json.hpp"

#include <nlohmann/json.hpp>
#include <ranges>

#include "api/json_parts.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kShownGrowers = 5;

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json() : ordered_json(text);
}

ordered_json projected_json(const std::optional<Projected>& projected, std::optional<Bytes> limit,
                            double ahead_seconds) {
  if (!projected) {
    return {};
  }
  const auto percent_of_limit =
      limit && *limit > Bytes{}
          ? std::optional(100 * projected->bytes / static_cast<double>(limit->count))
          : std::nullopt;
  return {{"ahead_seconds", ahead_seconds},
          {"bytes", round_to(projected->bytes, 0)},
          {"low_bytes", round_to(projected->low, 0)},
          {"high_bytes", round_to(projected->high, 0)},
          {"percent", rounded(percent_of_limit, kPercentDecimals)}};
}

ordered_json growers_json(const forecast::Growers& growers) {
  ordered_json processes = ordered_json::array();
  for (const auto& grower : growers.processes | std::views::take(kShownGrowers)) {
    processes.push_back({{"pid", grower.pid},
                         {"user", text_or_null(grower.user)},
                         {"comm", text_or_null(grower.comm)},
                         {"bytes_per_second", round_to(grower.bytes_per_second, 0)},
                         {"share", round_to(grower.share, 3)}});
  }
  ordered_json users = ordered_json::array();
  for (const auto& user : growers.users | std::views::take(kShownGrowers)) {
    users.push_back({{"user", text_or_null(user.user)},
                     {"bytes_per_second", round_to(user.bytes_per_second, 0)},
                     {"share", round_to(user.share, 3)},
                     {"processes", user.processes}});
  }
  return {{"processes", std::move(processes)}, {"users", std::move(users)}};
}

}  // namespace

ordered_json forecast_json(const Forecast& forecast, std::optional<Bytes> limit,
                           double ahead_seconds) {
  const auto& full = forecast.full;
  return {
      {"pattern", to_string(forecast.pattern)},
      {"samples", forecast.samples},
      {"covered_seconds", round_to(forecast.covered_seconds, 1)},
      {"regime_seconds", round_to(forecast.regime_seconds, 1)},
      {"limit_bytes", bytes_or_null(limit)},
      {"level_bytes", rounded(forecast.level, 0)},
      {"bytes_per_second", rounded(forecast.bytes_per_second, 0)},
      {"projected", projected_json(forecast.projected, limit, ahead_seconds)},
      {"full_in_seconds", full ? ordered_json(round_to(full->in, 1)) : ordered_json()},
      {"full_soonest_seconds", full ? ordered_json(round_to(full->soonest, 1)) : ordered_json()},
      {"full_latest_seconds", full ? rounded(full->latest, 1) : ordered_json()},
      {"no_estimate",
       forecast.why_none ? ordered_json(to_string(*forecast.why_none)) : ordered_json()}};
}

ordered_json forecast_json(const Forecast& forecast, std::optional<Bytes> limit,
                           const forecast::Growers& growers) {
  ordered_json json = forecast_json(forecast, limit);
  json["growers"] = growers_json(growers);
  return json;
}

ordered_json leak_json(const LeakReport& report) {
  const auto& growth = report.bytes_per_hour;
  return {
      {"verdict", to_string(report.verdict)},
      {"watched_seconds", round_to(report.watched_seconds, 1)},
      {"evidence_seconds", round_to(report.evidence_seconds, 1)},
      {"bytes_per_hour", growth ? ordered_json(round_to(growth->likely, 0)) : ordered_json()},
      {"low_bytes_per_hour", growth ? ordered_json(round_to(growth->low, 0)) : ordered_json()},
      {"high_bytes_per_hour", growth ? ordered_json(round_to(growth->high, 0)) : ordered_json()},
      {"seconds_to_limit", rounded(report.seconds_to_limit, 0)}};
}

}  // namespace levee::api
