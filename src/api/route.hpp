// Routes: one typed row per method and path, and what a handler is given. Internal to the room.
#pragma once

#include <array>
#include <exception>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "api/api.hpp"

namespace levee::api {

/// Pages that are the same for everybody until the next tick, rendered when first asked for.
/// One thread.
class Pages {
 public:
  enum Slot : std::size_t { status, report, overview, suggestions, kSlots };

  /// The page of `slot` for `view`, rendered now if it is not there yet.
  [[nodiscard]] const std::shared_ptr<const std::string>& get(
      const std::shared_ptr<const View>& view, Slot slot, std::string (*render)(const View&));

 private:
  std::shared_ptr<const View> view_;  ///< Held, so that no other View can get its address.
  std::array<std::shared_ptr<const std::string>, kSlots> pages_;
};

/// The parameters of a request: each one accepted by its route and given at most once.
class Query {
 public:
  /// Refuses names that are not in `accepted`, and repeated ones.
  [[nodiscard]] static Result<Query> check(std::vector<std::pair<std::string, std::string>> given,
                                           std::span<const std::string_view> accepted);

  [[nodiscard]] const std::string* find(std::string_view name) const;

  /// The whole number called `name`, within [least, most]; `otherwise` when it was not given.
  [[nodiscard]] Result<std::uint64_t> number(std::string_view name, std::uint64_t least,
                                             std::uint64_t most, std::uint64_t otherwise) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

/// What a handler is given.
struct Call {
  const Ports& ports;
  Pages& pages;
  const Request& request;
  const Query& query;
  std::shared_ptr<const View> view;  ///< Null only for routes that work without one.
};

/// Answers at once.
using Answer = Result<Response> (*)(const Call&);

/// Answers when the engine or the store has; an error returned is answered at once.
using Start = Result<void> (*)(const Call&, Responder);

enum class Takes { no_body, json_body };
enum class Needs { nothing, view };

struct Route {
  std::string_view method;
  std::string_view path;  ///< May have one "{name}", which becomes that parameter.
  Action action;
  std::span<const std::string_view> query;  ///< Accepted parameters.
  Takes takes;
  Needs needs;
  std::variant<Answer, Start> handle;
  std::string_view summary;  ///< One line for people.
};

[[nodiscard]] std::span<const Route> routes();

/// 200 with `json`.
[[nodiscard]] Response json_response(const nlohmann::ordered_json& json);
[[nodiscard]] Response text_response(std::string_view content_type, std::string text);

/// 500: an exception that should not have been.
[[nodiscard]] Response defect_response(const std::exception& exception);

/// Answers with what `make` makes, or with the defect it throws.
template <class Make>
void respond_with(const Responder& respond, const Make& make) {
  try {
    respond(make());
  } catch (const std::exception& exception) {
    respond(defect_response(exception));
  }
}

/// The callback for a command: answers with what `make` makes of the outcome, or with its error.
template <class Done>
[[nodiscard]] std::function<void(const Result<Outcome>&)> answer_with(
    Responder respond, std::function<Response(const Done&)> make) {
  return [respond = std::move(respond), make = std::move(make)](const Result<Outcome>& outcome) {
    respond_with(respond, [&] {
      return outcome ? make(std::get<Done>(*outcome)) : error_response(outcome.error());
    });
  };
}

/// `make` for what was answered, an error for what was not; never throws.
template <class T, class Make>
[[nodiscard]] LedgerPort::Answer<T> answer_to(Responder respond, Make make) {
  return [respond = std::move(respond), make = std::move(make)](const Result<T>& result) {
    respond_with(respond, [&] { return result ? make(*result) : error_response(result.error()); });
  };
}

/// The JSON object a body holds; refuses broken or deeply nested text, other values than an object,
/// and names that occur twice. Says where.
[[nodiscard]] Result<nlohmann::ordered_json> parse_object(std::string_view body);

/// The refusal of a body that `route` cannot read: not JSON by its type, or where none belongs. A
/// form sent by a page on another origin ends here, too.
[[nodiscard]] std::optional<Response> refuse_body(const Route& route, const Request& request);

/// The settings a JSON object wants changed; refuses unknown keys and values no setting can have.
[[nodiscard]] Result<config::Values> to_values(const nlohmann::ordered_json& body);

/// One member of a body as a setting's value; which types and ranges are good is for the setting.
[[nodiscard]] Result<config::Value> to_value(const std::string& name,
                                             const nlohmann::ordered_json& json);

/// A setting's value as JSON.
[[nodiscard]] nlohmann::ordered_json to_json(const config::Value& value);

/// `response`, an error, in the documented form of the paths below /api/gpu/ (contract F-15).
[[nodiscard]] Response in_gpu_envelope(Response response);

/// `text` in quotes, shortened for a message.
[[nodiscard]] std::string in_quotes(std::string_view text);

/// The longest `window_seconds`: two years, as long as anything is kept.
inline constexpr std::uint64_t kLongestWindow = std::uint64_t{2} * 365 * 24 * 3600;

/// How long the last tick may lie back before the engine counts as stalled.
[[nodiscard]] std::chrono::nanoseconds stall_limit(const View& view);

// Handlers, by the file that holds them.

// monitoring.cpp
Result<Response> get_status(const Call& call);
Result<Response> get_report(const Call& call);
Result<Response> get_suggestions(const Call& call);
Result<Response> get_overview(const Call& call);
Result<Response> get_recovery(const Call& call);
Result<void> post_allocation_failure(const Call& call, Responder respond);
Result<void> post_cleanup(const Call& call, Responder respond);

// alerts.cpp
Result<void> get_alerts(const Call& call, Responder respond);

// processes.cpp
Result<Response> get_processes(const Call& call);

// history.cpp
Result<void> get_history(const Call& call, Responder respond);

// gpu_routes.cpp
Result<Response> get_gpus(const Call& call);
Result<Response> get_gpu_history(const Call& call);

// gpu_manager_routes.cpp
Result<Response> get_gpu_status(const Call& call);
Result<Response> get_gpu_status_all(const Call& call);
Result<Response> get_gpu_trend(const Call& call);
Result<Response> get_gpu_metrics(const Call& call);
Result<Response> get_gpu_metrics_history(const Call& call);
Result<Response> get_gpu_dashboard(const Call& call);
Result<Response> post_gpu_monitoring_start(const Call& call);
Result<Response> post_gpu_monitoring_stop(const Call& call);
Result<Response> get_gpu_config(const Call& call);
Result<void> put_gpu_config(const Call& call, Responder respond);

// balloon_routes.cpp
Result<void> get_balloons(const Call& call, Responder respond);
Result<void> post_balloon(const Call& call, Responder respond);
Result<void> put_balloon(const Call& call, Responder respond);
Result<void> post_balloon_pass_on(const Call& call, Responder respond);
Result<void> delete_balloon(const Call& call, Responder respond);

// reclaim_routes.cpp
Result<Response> get_reclaim(const Call& call);
Result<Response> get_reclaim_clients(const Call& call);
Result<void> post_reclaim_ask(const Call& call, Responder respond);

// lease_routes.cpp
Result<void> post_lease(const Call& call, Responder respond);
Result<void> get_leases(const Call& call, Responder respond);
Result<void> delete_lease(const Call& call, Responder respond);
Result<void> get_queue(const Call& call, Responder respond);
Result<void> post_gpu_allocate(const Call& call, Responder respond);
Result<void> post_gpu_deallocate(const Call& call, Responder respond);
Result<void> get_gpu_available(const Call& call, Responder respond);

// model_routes.cpp
Result<Response> get_models(const Call& call);
Result<void> put_model(const Call& call, Responder respond);
Result<void> delete_model(const Call& call, Responder respond);
Result<void> post_estimate(const Call& call, Responder respond);
Result<void> get_calibration(const Call& call, Responder respond);
Result<void> delete_calibration(const Call& call, Responder respond);
Result<Response> get_requirements(const Call& call);
Result<void> get_validate(const Call& call, Responder respond);
Result<void> post_validate(const Call& call, Responder respond);
Result<void> post_model_cache(const Call& call, Responder respond);
Result<void> delete_model_cache(const Call& call, Responder respond);

// service.cpp
Result<Response> get_index(const Call& call);
Result<Response> get_health(const Call& call);
Result<Response> get_metrics(const Call& call);
Result<Response> get_events(const Call& call);

// config_routes.cpp
Result<Response> get_config(const Call& call);
Result<void> put_config(const Call& call, Responder respond);

}  // namespace levee::api
