#include "recorder/incident_gate.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace levee::recorder {
namespace {

template <class T>
void add_new(std::vector<T>& all, std::vector<T>& more) {
  for (T& one : more) {
    if (std::ranges::find(all, one) == all.end() && all.size() < kMostReasons) {
      all.push_back(std::move(one));
    }
  }
}

/// `more` came while `incident` was pending: it is one story.
void join(Incident& incident, Incident more) {
  incident.triggers += more.triggers;
  // The kinds stand in the order of what they say: the kernel's word goes before ours.
  incident.kind = std::min(incident.kind, more.kind);
  if (incident.note.empty()) {
    incident.note = std::move(more.note);
  }
  add_new(incident.reasons, more.reasons);
  add_new(incident.victims, more.victims);
  add_new(incident.pids, more.pids);
  add_new(incident.leases, more.leases);
  add_new(incident.gpus, more.gpus);
}

}  // namespace

bool IncidentGate::offer(Incident trigger, std::chrono::seconds aftermath) {
  if (pending_) {
    join(*pending_, std::move(trigger));
    return true;
  }
  const auto before = saved_.find(trigger.kind);
  if (before != saved_.end() && trigger.at.mono - before->second.last < kIncidentGap) {
    before->second.unsaved += trigger.triggers;
    unsaved_ += trigger.triggers;
    return false;
  }
  due_ = trigger.at.mono + aftermath;
  pending_ = std::move(trigger);
  return true;
}

std::optional<Incident> IncidentGate::due(Now now) {
  return pending_ && now.mono >= due_ ? take() : std::nullopt;
}

std::optional<Incident> IncidentGate::take() {
  auto incident = std::exchange(pending_, std::nullopt);
  if (incident) {
    History& history = saved_[incident->kind];
    incident->unsaved_before = std::exchange(history.unsaved, 0);
    history.last = incident->at.mono;
    incident->id = name_of(*incident);
  }
  return incident;
}

std::string IncidentGate::name_of(const Incident& incident) {
  // "2026-01-31T08:05:09.123Z" without what a file's name had better not hold.
  std::string name;
  for (const char c : to_iso8601(incident.at.wall)) {
    if (c == '.') {
      break;
    }
    if (c != '-' && c != ':') {
      name += c;
    }
  }
  return name + "Z-" + std::string(to_string(incident.kind));
}

}  // namespace levee::recorder
