// Handlers of /api/v1/monitoring/… and /api/v1/overview.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ranges>
#include <vector>

#include "api/json.hpp"
#include "api/json_parts.hpp"
#include "api/memory_report.hpp"
#include "api/route.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

/// Sizes that fit any model family of that class, from the documented generic rows (contract
/// S2-16 … S2-18, S2-63).
struct GenericRow {
  std::string_view size;
  int batch;
};
constexpr std::array kGenericRows{GenericRow{"small", 4}, GenericRow{"medium", 2},
                                  GenericRow{"large", 1}};

/// How long the engine has not published anything, if that is too long.
std::optional<std::chrono::nanoseconds> stalled_for(const Call& call) {
  const auto age = call.ports.now().mono - call.view->snapshot->at.mono;
  return age > stall_limit(*call.view) ? std::optional(age) : std::nullopt;
}

/// A status made from a View that is no longer renewed must not look fresh.
void mark_stalled(ordered_json& status, std::chrono::nanoseconds age) {
  const double seconds = round_to(Seconds(age).count(), 3);
  if (auto& sample_age = status["sample_age_seconds"]; sample_age.is_number()) {
    sample_age = round_to(sample_age.get<double>() + seconds, 3);
  }
  for (ordered_json& gpu : status["gpus"]) {
    gpu["sample_age_seconds"] = round_to(gpu["sample_age_seconds"].get<double>() + seconds, 3);
  }
  status["troubles"].push_back(trouble_json(
      "engine", Error{.code = ErrorCode::unavailable,
                      .message = fmt::format("nothing was measured for {:.1f} s", seconds),
                      .hint = "these figures are old; look at /healthz and the daemon's log"}));
}

/// The shared page of `slot`; one of its own, marked as old, when the engine stalls. `status_in`
/// finds the part of the page that is a status.
template <ordered_json (*kMake)(const View&)>
Response page(const Call& call, Pages::Slot slot, ordered_json& (*status_in)(ordered_json&)) {
  if (const auto age = stalled_for(call)) {
    // NOLINTNEXTLINE(misc-const-correctness): status_in() lends it out to be changed.
    ordered_json json = kMake(*call.view);
    mark_stalled(status_in(json), *age);
    return json_response(json);
  }
  return Response{
      .body = call.pages.get(call.view, slot, [](const View& view) { return dump(kMake(view)); }),
      .headers = {}};
}

ordered_json& itself(ordered_json& json) { return json; }

ordered_json suggestions_json(const View& view) {
  ordered_json batches = ordered_json::object();
  for (const GenericRow& row : kGenericRows) {
    batches[std::string(row.size)] = row.batch;
  }
  return {{"suggestions", estimate::suggestions(memory_report(view))},
          {"optimal_batch_sizes", std::move(batches)},
          {"current_health", to_string(view.health)}};
}

}  // namespace

Result<Response> get_status(const Call& call) {
  return page<status_json>(call, Pages::status, itself);
}

Result<Response> get_report(const Call& call) {
  return page<report_json>(call, Pages::report,
                           [](ordered_json& json) -> ordered_json& { return json["current"]; });
}

Result<Response> get_overview(const Call& call) {
  return page<overview_json>(call, Pages::overview, itself);
}

Result<Response> get_suggestions(const Call& call) {
  return Response{
      .body = call.pages.get(call.view, Pages::suggestions,
                             [](const View& view) { return dump(suggestions_json(view)); }),
      .headers = {}};
}

}  // namespace levee::api
