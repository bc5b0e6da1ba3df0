// Handler of /api/v1/monitoring/alerts: what happened since the daemon started, from memory; with
// window_seconds also what the store remembers of earlier runs.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "api/json.hpp"
#include "api/json_parts.hpp"
#include "api/route.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kMostAlerts = 1000;
constexpr std::uint64_t kUsualAlerts = 100;

/// Most stored events that one request reads: about a week of an alert that never ends, and a
/// quarter of a second.
constexpr std::size_t kMostEvents = 20'000;

struct Wish {
  std::size_t limit = kUsualAlerts;
  std::optional<Severity> severity;
  std::optional<std::chrono::seconds> window;
};

Result<Wish> parse_wish(const Query& query) {
  const auto limit = query.number("limit", 1, kMostAlerts, kUsualAlerts);
  if (!limit) {
    return std::unexpected(limit.error());
  }
  Wish wish{.limit = *limit, .severity = {}, .window = {}};
  if (const std::string* text = query.find("severity")) {
    wish.severity = parse_severity(*text);
    if (!wish.severity) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("severity is {}, which is no severity", in_quotes(*text)),
                  "accepted: warning, critical, emergency");
    }
  }
  if (query.find("window_seconds") != nullptr) {
    const auto seconds = query.number("window_seconds", 1, kLongestWindow, 1);
    if (!seconds) {
      return std::unexpected(seconds.error());
    }
    wish.window = std::chrono::seconds(*seconds);
  }
  return wish;
}

/// Alerts as the answer shows them, each one once. An alert is known by its id and its time: ids
/// begin anew with each start of the daemon.
class Alerts {
 public:
  void add(const ordered_json& alert) {
    if (known_.insert(key_of(alert)).second) {
      list_.push_back(alert);
    }
  }

  void sort() {
    std::ranges::sort(list_, std::greater{},
                      [](const ordered_json& alert) { return key_of(alert); });
  }

  /// `alerts`, `count` and `total`.
  [[nodiscard]] ordered_json page(const Wish& wish) const {
    ordered_json shown = ordered_json::array();
    std::size_t matching = 0;
    for (const ordered_json& alert : list_) {
      if (!wish.severity || alert["severity"] == to_string(*wish.severity)) {
        ++matching;
        if (shown.size() < wish.limit) {
          shown.push_back(alert);
        }
      }
    }
    const std::size_t count = shown.size();
    return {{"alerts", std::move(shown)}, {"count", count}, {"total", matching}};
  }

 private:
  using Key = std::pair<std::string, std::uint64_t>;

  /// Times in this form sort as text.
  static Key key_of(const ordered_json& alert) {
    return {alert["timestamp"].get<std::string>(), alert["id"].get<std::uint64_t>()};
  }

  std::set<Key> known_;
  std::vector<ordered_json> list_;
};

/// What is in memory and was active within `window`; it also says whether the alert lasts.
void add_from_memory(Alerts& alerts, const View& view, std::chrono::seconds window) {
  const Snapshot& snapshot = *view.snapshot;
  for (const auto* list : {view.recent.get(), view.active.get()}) {
    for (const Alert& alert : *list) {
      if (snapshot.at.mono - alert.last_active <= window) {
        ordered_json json = to_json(alert, snapshot.hostname);
        json["lasts"] = !alert.resolved_at.has_value();
        alerts.add(json);
      }
    }
  }
}

/// The alert within a stored event. One that nobody saw end, because the daemon was stopped or
/// killed before, has `lasts` null and the time at which it was told last.
std::optional<ordered_json> alert_of(const store::StoredEvent& event) {
  const auto json = ordered_json::parse(event.json, nullptr, /*allow_exceptions=*/false);
  const auto found = json.is_object() ? json.find("alert") : json.end();
  if (found == json.end() || !found->is_object()) {
    return std::nullopt;
  }
  ordered_json alert = *found;
  if (!alert["id"].is_number_unsigned() || !alert["timestamp"].is_string() ||
      !alert["severity"].is_string()) {
    return std::nullopt;
  }
  if (alert["resolved_at"].is_string()) {
    alert["lasts"] = false;
  } else {
    alert["lasts"] = nullptr;
    alert["last_seen"] = to_iso8601(event.at);
  }
  return alert;
}

ordered_json merged(const View& view, const Result<std::vector<store::StoredEvent>>& stored,
                    const Wish& wish) {
  Alerts alerts;
  add_from_memory(alerts, view, *wish.window);  // First: it is the newest state of what it knows.
  ordered_json note;
  if (!stored) {
    note = fmt::format("alerts of earlier runs cannot be read: {}", stored.error().message);
  } else {
    for (const store::StoredEvent& event : *stored) {
      if (const auto alert = alert_of(event)) {
        alerts.add(*alert);
      }
    }
    if (stored->size() == kMostEvents) {
      note = fmt::format("only the newest {} stored events were read, back to {}", kMostEvents,
                         to_iso8601(stored->back().at));
    }
  }
  alerts.sort();
  ordered_json json = alerts.page(wish);
  json["window_seconds"] = wish.window->count();
  json["note"] = std::move(note);
  return json;
}

ordered_json of_this_run(const View& view, const Wish& wish) {
  Alerts alerts;
  for (const Alert& alert : *view.recent) {
    alerts.add(to_json(alert, view.snapshot->hostname));
  }
  return alerts.page(wish);
}

}  // namespace

Result<void> get_alerts(const Call& call, Responder respond) {
  const auto wish = parse_wish(call.query);
  if (!wish) {
    return std::unexpected(wish.error());
  }
  if (!wish->window) {
    respond(json_response(of_this_run(*call.view, *wish)));
    return {};
  }
  call.ports.stored_events(
      store::EventQuery{.kinds = {std::string(to_string(EventKind::alert)),
                                  std::string(to_string(EventKind::resolved))},
                        .since = call.ports.now().wall - *wish->window,
                        .limit = kMostEvents},
      // Memory is looked at after the store: what the store knows of this run, the View does too.
      [wish = *wish, view = call.ports.view,
       respond = std::move(respond)](const Result<std::vector<store::StoredEvent>>& stored) {
        try {
          respond(json_response(merged(*view(), stored, wish)));
        } catch (const std::exception& exception) {
          respond(defect_response(exception));
        }
      });
  return {};
}

}  // namespace levee::api
