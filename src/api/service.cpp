// Handlers that tell about the daemon itself: index, health, metrics and the event stream.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "api/dcgm.hpp"
#include "api/json.hpp"
#include "api/json_parts.hpp"
#include "api/metrics.hpp"
#include "api/route.hpp"
#include "policy/state.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

Response stalled_response(std::string_view status, Error error) {
  Response response = error_response(error);
  const ordered_json body{{"status", status},
                          {"version", LEVEE_VERSION},
                          {"detail", error.message},
                          {"hint", error.hint},
                          {"code", to_string(error.code)}};
  response.body = std::make_shared<const std::string>(dump(body));
  return response;
}

/// What keeps a running daemon from doing all of its work.
ordered_json reasons_json(const View& view) {
  ordered_json reasons = ordered_json::array();
  if (policy::fresh_host(*view.snapshot, view.settings->config().thresholds) == nullptr) {
    reasons.push_back("no fresh reading of host memory");
  }
  for (const SourceTrouble& trouble : view.snapshot->troubles) {
    reasons.push_back(fmt::format("{}: {}", trouble.source, trouble.error.message));
  }
  const store::StoreHealth& store = view.daemon.store;
  if (store.enabled && !store.durable) {
    reasons.push_back("history is kept in memory only: " + store.reason);
  }
  return reasons;
}

/// The id after which a stream goes on: a browser that reconnects sends Last-Event-ID and, in the
/// address, the `since` it began with, so the header goes first.
Result<std::optional<std::uint64_t>> resume_after(const Call& call) {
  const std::string* since = call.query.find("since");
  const std::string& header = call.request.last_event_id;
  if (header.empty() && since == nullptr) {
    return std::nullopt;
  }
  const std::string& text = header.empty() ? *since : header;
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is {}, which is no event id",
                            header.empty() ? "since" : "Last-Event-ID", in_quotes(text)),
                "send the id of the last event you saw, or 0 for all that are kept");
  }
  return id;
}

/// The frames of the kept events after `id`, and how many are missing in between.
std::string replay(const std::vector<StreamedEvent>& events, std::uint64_t id) {
  std::string frames;
  if (events.empty()) {
    return frames;
  }
  // Ids begin anew with each start of the daemon: a higher one is from before it.
  if (id > events.back().id) {
    id = 0;
  }
  if (id + 1 < events.front().id) {
    frames += fmt::format(": {} events before {} are no longer kept\n\n",
                          events.front().id - id - 1, events.front().id);
  }
  for (const StreamedEvent& event : events) {
    if (event.id > id) {
      frames += Api::frame(event);
    }
  }
  return frames;
}

}  // namespace

std::chrono::nanoseconds stall_limit(const View& view) {
  const std::chrono::nanoseconds interval = view.settings->config().monitoring_interval;
  return std::max<std::chrono::nanoseconds>(std::chrono::seconds{5}, 3 * interval);
}

Result<Response> get_index(const Call& /*call*/) {
  ordered_json list = ordered_json::array();
  for (const Route& route : routes()) {
    list.push_back({{"method", route.method},
                    {"path", route.path},
                    {"query", ordered_json(route.query)},
                    {"summary", route.summary}});
  }
  return json_response(
      ordered_json{{"name", "levee"}, {"version", LEVEE_VERSION}, {"routes", std::move(list)}});
}

Result<Response> get_health(const Call& call) {
  if (!call.view) {
    return stalled_response("starting", Error{.code = ErrorCode::unavailable,
                                              .message = "nothing has been measured yet",
                                              .hint = "ask again in a second"});
  }
  const View& view = *call.view;
  const Now now = call.ports.now();
  const Snapshot& snapshot = *view.snapshot;
  const auto tick_age = now.mono - snapshot.at.mono;
  if (tick_age >= stall_limit(view)) {
    return stalled_response(
        "stalled",
        Error{
            .code = ErrorCode::unavailable,
            .message = fmt::format("nothing was measured for {:.1f} s", Seconds(tick_age).count()),
            .hint = "look at the daemon's log; a source may hang, or the machine may be out of "
                    "processor time or memory"});
  }
  ordered_json reasons = reasons_json(view);
  return json_response(ordered_json{
      {"status", reasons.empty() ? "ok" : "degraded"},
      {"reasons", std::move(reasons)},
      {"health", to_string(view.health)},
      {"sample_age_seconds", snapshot.host
                                 ? ordered_json(seconds_between(snapshot.host->read_at, now.mono))
                                 : ordered_json()},
      {"tick_age_seconds", seconds_between(snapshot.at.mono, now.mono)},
      {"store", store_json(view.daemon.store)},
      {"version", LEVEE_VERSION}});
}

Result<Response> get_metrics(const Call& call) {
  if (const std::string* wanted = call.query.find("format")) {
    if (*wanted == "dcgm") {
      return text_response(content_type(Exposition::prometheus), dcgm_page(*call.view));
    }
    return fail(ErrorCode::invalid_argument,
                fmt::format("format is {}, which is no format", in_quotes(*wanted)),
                "accepted: dcgm, or nothing for Levee's own names");
  }
  const Exposition format = negotiate(call.request.accept);
  return text_response(content_type(format),
                       metrics_page(*call.view, format, call.ports.now().mono));
}

Result<Response> get_events(const Call& call) {
  const auto after = resume_after(call);
  if (!after) {
    return std::unexpected(after.error());
  }
  std::string body = "retry: 2000\n: connected\n\n";
  if (*after) {
    body += replay(*call.view->events, **after);
  }
  Response response = text_response("text/event-stream", std::move(body));
  response.headers = {{"Cache-Control", "no-store"}};
  response.stream = call.request.method != "HEAD";
  return response;
}

}  // namespace levee::api
