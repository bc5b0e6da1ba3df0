#include "policy/alerts.hpp"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "policy/alert_rules.hpp"

namespace levee::policy {
namespace {

/// The value is beyond a threshold: fires, escalates, repeats, or stays silent.
std::optional<Event> cross(AlertBook& book, AlertBook::Entry& entry, const Judgement& judgement,
                           const Thresholds& thresholds, const std::optional<Culprit>& culprit,
                           Now now) {
  const Crossing& crossing = *judgement.crossing;
  if (!entry.active) {
    const bool reopened = entry.alert.id != 0 && now.mono - entry.alert.last_active < kReopenWithin;
    if (!reopened) {
      entry = AlertBook::Entry{};
      entry.alert.id = book.next_id++;
      entry.alert.type = judgement.type;
      if (judgement.gpu != nullptr) {
        entry.alert.gpu_id = judgement.gpu->identity->index;
        entry.alert.gpu_uuid = judgement.gpu->identity->uuid;
      }
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
  entry.alert.recommendations = recommendations(judgement, culprit);
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
                                 std::span<const GpuJudgement> gpus, const Thresholds& thresholds,
                                 const std::optional<Culprit>& host_culprit) {
  std::vector<Event> events;
  for (const Judgement& judgement : judge(snapshot, gpus, thresholds)) {
    const GpuReading* gpu = judgement.gpu;
    const std::pair key{judgement.type, gpu != nullptr ? gpu->identity->uuid : std::string()};
    const auto known = book.entries.find(key);
    const bool is_active = known != book.entries.end() && known->second.active;
    if (!judgement.known || (!judgement.crossing && !is_active)) {
      continue;
    }
    AlertBook::Entry& entry = known != book.entries.end() ? known->second : book.entries[key];
    auto event = judgement.crossing
                     ? cross(book, entry, judgement, thresholds,
                             gpu != nullptr ? find_gpu_culprit(*gpu) : host_culprit, snapshot.at)
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
  for (const auto& [key, entry] : book.entries) {
    if (entry.active) {
      alerts.push_back(entry.alert);
    }
  }
  std::ranges::sort(alerts, [](const Alert& a, const Alert& b) {
    return std::tie(b.severity, a.type, a.gpu_id, a.id) <
           std::tie(a.severity, b.type, b.gpu_id, b.id);
  });
  return alerts;
}

}  // namespace levee::policy
