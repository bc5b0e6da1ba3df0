// The table of routes.
#include "api/route.hpp"

namespace levee::api {
namespace {

constexpr std::array<std::string_view, 3> kAlertQuery{"severity", "limit", "window_seconds"};
constexpr std::array<std::string_view, 1> kCleanupQuery{"force"};
constexpr std::array<std::string_view, 1> kHistoryQuery{"window_seconds"};
constexpr std::array<std::string_view, 1> kEventQuery{"since"};
constexpr std::array<std::string_view, 3> kProcessQuery{"limit", "user", "sort"};

constexpr std::array kRoutes{
    Route{"GET", "/", Action::read, {}, Takes::no_body, Needs::nothing, get_index, "This list"},
    Route{"GET",
          "/healthz",
          Action::read,
          {},
          Takes::no_body,
          Needs::nothing,
          get_health,
          "200 while Levee watches, 503 with the reason when it does not"},
    Route{"GET",
          "/metrics",
          Action::read,
          {},
          Takes::no_body,
          Needs::view,
          get_metrics,
          "Prometheus or OpenMetrics text"},
    Route{"GET",
          "/api/v1/monitoring/status",
          Action::read,
          {},
          Takes::no_body,
          Needs::view,
          get_status,
          "The machine now"},
    Route{"GET",
          "/api/v1/monitoring/report",
          Action::read,
          {},
          Takes::no_body,
          Needs::view,
          get_report,
          "The machine now, its last five minutes and its alerts"},
    Route{"GET", "/api/v1/monitoring/alerts", Action::read, kAlertQuery, Takes::no_body,
          Needs::view, get_alerts,
          "Alerts, newest first; with window_seconds also those of earlier runs"},
    Route{"GET",
          "/api/v1/monitoring/optimization-suggestions",
          Action::read,
          {},
          Takes::no_body,
          Needs::view,
          get_suggestions,
          "What would help now"},
    Route{"POST", "/api/v1/monitoring/cleanup", Action::administer, kCleanupQuery, Takes::no_body,
          Needs::nothing, post_cleanup, "Free what can be freed without harm"},
    Route{"GET", "/api/v1/monitoring/history", Action::read, kHistoryQuery, Takes::no_body,
          Needs::view, get_history, "The past window_seconds (300 unless given)"},
    Route{"GET", "/api/v1/events", Action::read, kEventQuery, Takes::no_body, Needs::view,
          get_events, "Server-sent events, from now or after an event's id"},
    Route{"GET", "/api/v1/processes", Action::read, kProcessQuery, Takes::no_body, Needs::view,
          get_processes,
          "The largest processes, or the fastest growing ones (sort=growth); of all or one user"},
    Route{"GET",
          "/api/v1/config",
          Action::read,
          {},
          Takes::no_body,
          Needs::view,
          get_config,
          "Every setting: value, origin, default, meaning"},
    Route{"PUT",
          "/api/v1/config",
          Action::administer,
          {},
          Takes::json_body,
          Needs::nothing,
          put_config,
          "Change settings: a JSON object of key and value; all of them or none"},
    Route{"GET",
          "/api/v1/overview",
          Action::read,
          {},
          Takes::no_body,
          Needs::view,
          get_overview,
          "Everything `levee status` shows"},
};

}  // namespace

std::span<const Route> routes() { return kRoutes; }

}  // namespace levee::api
