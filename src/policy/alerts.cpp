#include "policy/alerts.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "policy/state.hpp"

namespace levee::policy {
namespace {

/// How one alert type stands at this instant: nothing crossed, or the worst threshold crossed.
struct Crossing {
  Severity severity;
  double value;
  double threshold;
  std::string message;
};

struct Judgement {
  bool known = false;  ///< False: the reading is missing or stale; nothing may change.
  std::optional<Crossing> crossing;
};

/// `cpu_memory`: percent of host memory used; strictly greater fires.
Judgement judge_cpu_memory(const Snapshot& snapshot, const Thresholds& t) {
  const HostReading* host = fresh_host(snapshot, t);
  if (host == nullptr) {
    return {};
  }
  const double percent = host->used_percent();
  if (percent > t.cpu_memory_critical) {
    return {true, Crossing{Severity::critical, percent, t.cpu_memory_critical,
                           "Critical CPU memory usage"}};
  }
  if (percent > t.cpu_memory_warning) {
    return {true,
            Crossing{Severity::warning, percent, t.cpu_memory_warning, "High CPU memory usage"}};
  }
  return {true, std::nullopt};
}

/// `host_available`: GB that may still be allocated; strictly less fires. The guard, which looks
/// more often and ahead, counts too: at its word the line is reached, even between two readings.
Judgement judge_host_available(const Snapshot& snapshot, const Thresholds& t) {
  const HostReading* host = fresh_host(snapshot, t);
  if (host == nullptr) {
    return {};
  }
  const HostLines lines = host_lines(host->total, t);
  const double available = to_gb(host->available);
  const bool is_below = host->available < lines.emergency;
  if (is_below || snapshot.brake_line_reached) {
    return {true,
            Crossing{Severity::emergency, available, to_gb(lines.emergency),
                     is_below ? "Available memory is below the emergency line"
                              : "Available memory just touched the emergency line, or soon will"}};
  }
  if (host->available < lines.warning) {
    return {true, Crossing{Severity::warning, available, to_gb(lines.warning),
                           "Available memory is low"}};
  }
  return {true, std::nullopt};
}

struct Rule {
  AlertType type;
  Judgement (*judge)(const Snapshot&, const Thresholds&);
};

constexpr std::array kRules{Rule{AlertType::cpu_memory, judge_cpu_memory},
                            Rule{AlertType::host_available, judge_host_available}};

std::vector<std::string> recommendations(Severity severity, const std::optional<Culprit>& culprit) {
  std::vector<std::string> advice;
  if (culprit) {
    const char* what = culprit->growth_per_second ? "grows" : "is the largest process";
    advice.push_back(fmt::format("Look at process {} ({}, user {}): it {}", culprit->id.pid,
                                 culprit->comm, culprit->user, what));
  }
  advice.emplace_back("Reduce batch sizes, data-loader workers or model caches of running jobs");
  if (severity >= Severity::critical) {
    advice.emplace_back("Stop or restart a job before the kernel kills one");
  }
  return advice;
}

/// The value is beyond a threshold: fires, escalates, repeats, or stays silent.
std::optional<Event> cross(AlertBook& book, AlertBook::Entry& entry, AlertType type,
                           const Crossing& crossing, const Thresholds& thresholds,
                           const std::optional<Culprit>& culprit, Now now) {
  if (!entry.active) {
    const bool reopened = entry.alert.id != 0 && now.mono - entry.alert.last_active < kReopenWithin;
    if (!reopened) {
      entry = AlertBook::Entry{};
      entry.alert.id = book.next_id++;
      entry.alert.type = type;
      entry.alert.timestamp = now.wall;
    }
    entry.active = true;
    entry.alert.resolved_at.reset();
  }
  entry.alert.severity = crossing.severity;
  entry.alert.value = crossing.value;
  entry.alert.threshold = crossing.threshold;
  entry.alert.message = crossing.message;
  entry.alert.last_active = now.mono;
  if (crossing.severity >= Severity::critical) {
    entry.alert.last_critical = now.mono;
  }

  const bool is_worse = entry.announced_at && crossing.severity > entry.announced_severity;
  const bool is_due =
      !entry.announced_at || now.mono - *entry.announced_at >= thresholds.alert_repeat;
  if (!is_worse && !is_due) {
    return std::nullopt;
  }
  entry.announced_at = now.mono;
  entry.announced_severity = crossing.severity;
  entry.alert.culprit = culprit;
  entry.alert.recommendations = recommendations(crossing.severity, culprit);
  if (!entry.worst || crossing.severity >= entry.worst->severity) {
    entry.worst = entry.alert;
  }
  return Event{.id = 0,
               .at = now.wall,
               .kind = EventKind::alert,
               .severity = crossing.severity,
               .message = entry.alert.message,
               .alert = entry.alert,
               .details = {}};
}

/// The value is back on the good side: resolves once, aloud only if the alert was announced.
std::optional<Event> end(AlertBook::Entry& entry, Now now) {
  const bool was_announced = entry.worst.has_value();
  if (was_announced) {
    entry.worst->last_critical = entry.alert.last_critical;
    entry.alert = *std::exchange(entry.worst, std::nullopt);
  }
  entry.active = false;
  entry.alert.last_active = now.mono;
  entry.alert.resolved_at = now.wall;
  if (!was_announced) {
    return std::nullopt;
  }
  return Event{.id = 0,
               .at = now.wall,
               .kind = EventKind::resolved,
               .severity = entry.alert.severity,
               .message = "Resolved: " + entry.alert.message,
               .alert = entry.alert,
               .details = {}};
}

/// Keeps `recent` in step: one element per alert id, newest first.
void remember(AlertBook& book, const Alert& alert) {
  const auto known =
      std::ranges::find_if(book.recent, [&](const Alert& a) { return a.id == alert.id; });
  if (known != book.recent.end()) {
    *known = alert;
    return;
  }
  book.recent.push_front(alert);
  if (book.recent.size() > kRecentAlerts) {
    book.recent.pop_back();
  }
}

}  // namespace

std::vector<Event> update_alerts(AlertBook& book, const Snapshot& snapshot,
                                 const Thresholds& thresholds,
                                 const std::optional<Culprit>& culprit) {
  std::vector<Event> events;
  for (const Rule& rule : kRules) {
    const Judgement judgement = rule.judge(snapshot, thresholds);
    AlertBook::Entry& entry = book.entries[rule.type];
    if (!judgement.known || (!judgement.crossing && !entry.active)) {
      continue;
    }
    auto event = judgement.crossing ? cross(book, entry, rule.type, *judgement.crossing, thresholds,
                                            culprit, snapshot.at)
                                    : end(entry, snapshot.at);
    remember(book, entry.alert);
    if (event) {
      events.push_back(std::move(*event));
    }
  }
  return events;
}

std::vector<Alert> active_alerts(const AlertBook& book) {
  std::vector<Alert> alerts;
  for (const auto& [type, entry] : book.entries) {
    if (entry.active) {
      alerts.push_back(entry.alert);
    }
  }
  std::ranges::sort(alerts, [](const Alert& a, const Alert& b) {
    return a.severity != b.severity ? a.severity > b.severity : a.type < b.type;
  });
  return alerts;
}

}  // namespace levee::policy
