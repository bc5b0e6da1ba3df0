#include "engine/engine.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

#include "api/json.hpp"
#include "policy/culprit.hpp"
#include "policy/state.hpp"

namespace levee::engine {
namespace {

constexpr std::size_t kStreamedEvents = 256;

/// Twice what the usual rhythm needs: an alarm or a stall adds ticks of its own.
std::size_t capacity_for(const config::Config& config) {
  return static_cast<std::size_t>(2 * (config.history_seconds / config.monitoring_interval) + 1);
}

bool is_throttling(Level level) { return level == Level::throttled || level == Level::critical; }

/// The host's state changed: which of the documented events that is (contract G2). `known` is the
/// last state before `after` that was no mere absence of readings: a reading that is lost resumes
/// nobody, and one that comes back resumes who was throttled before.
Event state_event(Level before, Level known, Level after, Now now) {
  std::string_view name = "state_change";
  if (after == Level::critical) {
    name = "critical";
  } else if (after == Level::throttled) {
    name = "throttle";
  } else if (after != Level::unavailable && is_throttling(known)) {
    name = "resume";
  }
  return Event{
      .id = 0,
      .at = now.wall,
      .kind = EventKind::state_change,
      .severity = {},
      .message = fmt::format("Host memory is {} (was {})", to_string(after), to_string(before)),
      .alert = {},
      .details = {{"event", std::string(name)},
                  {"from", std::string(to_string(before))},
                  {"to", std::string(to_string(after))}}};
}

/// Said once on a small machine, whose lines are not the configured ones (contract F-31).
Event cap_event(Bytes total, const policy::HostLines& lines, Now now) {
  return Event{.id = 0,
               .at = now.wall,
               .kind = EventKind::config_changed,
               .severity = {},
               .message = fmt::format("This machine has {}: available memory warns below {} and is "
                                      "an emergency below {}",
                                      format_bytes(total), format_bytes(lines.warning),
                                      format_bytes(lines.emergency)),
               .alert = {},
               .details = {}};
}

}  // namespace

Engine::Engine(std::shared_ptr<const config::Settings> settings, std::string hostname)
    : settings_(std::move(settings)),
      hostname_(std::move(hostname)),
      history_(settings_->config().history_seconds, capacity_for(settings_->config())) {}

Tick Engine::tick(Readings readings, const api::GuardView& guard, const api::DaemonView& daemon,
                  Now now) {
  const config::Config& config = settings_->config();
  Tick tick;

  // The machine as it is, and as it was.
  const auto snapshot = fold(std::move(readings), guard, now);
  const HostReading* host = policy::fresh_host(*snapshot, config.thresholds);
  if (host != nullptr && snapshot->host->read_at == now.mono) {
    tick.sample = history::host_sample(*host, now);
    history_.append(*tick.sample);
  }

  // What it means.
  const auto percent = host ? std::optional{host->used_percent()} : std::nullopt;
  const Level before =
      std::exchange(level_, policy::memory_level(percent, level_, config.thresholds));
  const control::Advice advice =
      control::step(throttle_, level_, config.throttle_cooldown, now.mono);
  const auto culprit = policy::find_culprit(snapshot->processes);

  // What is to be told.
  std::vector<Event> events = source_changes(*snapshot);
  if (level_ != before && sequence_ > 1) {
    events.push_back(state_event(before, known_level_, level_, now));
  }
  if (level_ != Level::unavailable) {
    known_level_ = level_;
  }
  if (host != nullptr && !told_cap_) {
    const policy::HostLines lines = policy::host_lines(host->total, config.thresholds);
    if (lines.capped) {
      told_cap_ = true;
      events.push_back(cap_event(host->total, lines, now));
    }
  }
  std::ranges::move(policy::update_alerts(alerts_, *snapshot, config.thresholds, culprit),
                    std::back_inserter(events));
  for (Event& event : events) {
    tick.events.push_back(record(std::move(event)));
  }

  tick.view = make_view(snapshot, advice, guard, daemon);
  return tick;
}

std::shared_ptr<const Snapshot> Engine::fold(Readings readings, const api::GuardView& guard,
                                             Now now) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->sequence = ++sequence_;
  snapshot->at = now;
  snapshot->hostname = hostname_;
  snapshot->brake_line_reached = guard.at_line;
  snapshot->troubles = std::move(readings.troubles);
  if (readings.host) {
    last_host_ = Sampled<HostReading>{std::move(*readings.host), now.mono};
  } else {
    snapshot->troubles.push_back({"host", readings.host.error()});
  }
  snapshot->host = last_host_;
  if (readings.processes) {
    snapshot->processes = std::move(readings.processes->processes);
    snapshot->processes_seen = readings.processes->seen;
  } else {
    snapshot->troubles.push_back({"processes", readings.processes.error()});
  }
  return snapshot;
}

std::shared_ptr<const api::View> Engine::make_view(std::shared_ptr<const Snapshot> snapshot,
                                                   const control::Advice& advice,
                                                   const api::GuardView& guard,
                                                   const api::DaemonView& daemon) const {
  const policy::Thresholds& thresholds = settings_->config().thresholds;
  const HostReading* host = policy::fresh_host(*snapshot, thresholds);
  auto recent = std::make_shared<std::vector<Alert>>(alerts_.recent.begin(), alerts_.recent.end());

  auto view = std::make_shared<api::View>();
  view->level = advice.level;
  view->advice = advice;
  view->health = policy::health(advice.level, *recent, snapshot->at.mono);
  view->pressure =
      host != nullptr && host->used_percent() > 100 * thresholds.memory_pressure_threshold;
  view->lines = policy::host_lines(host ? host->total : Bytes{}, thresholds);
  view->samples = std::make_shared<std::vector<history::HostSample>>(history_.all().begin(),
                                                                     history_.all().end());
  view->active = std::make_shared<const std::vector<Alert>>(policy::active_alerts(alerts_));
  view->recent = std::move(recent);
  view->events = events_;
  view->alert_counts = std::make_shared<const api::AlertCounts>(alert_counts_);
  view->settings = settings_;
  view->guard = guard;
  view->daemon = daemon;
  view->snapshot = std::move(snapshot);
  return view;
}

std::vector<Event> Engine::source_changes(const Snapshot& snapshot) {
  std::vector<std::string> lost;
  std::vector<Event> events;
  const auto tell = [&](EventKind kind, std::string message) {
    events.push_back(Event{.id = 0,
                           .at = snapshot.at.wall,
                           .kind = kind,
                           .severity = {},
                           .message = std::move(message),
                           .alert = {},
                           .details = {}});
  };
  for (const SourceTrouble& trouble : snapshot.troubles) {
    if (std::ranges::count(lost, trouble.source)) {
      continue;  // a source may have several troubles; it is lost once
    }
    lost.push_back(trouble.source);
    if (!std::ranges::count(lost_sources_, trouble.source)) {
      tell(EventKind::source_lost,
           fmt::format("Cannot read {}: {}", trouble.source, trouble.error.message));
    }
  }
  for (const std::string& source : lost_sources_) {
    if (!std::ranges::count(lost, source)) {
      tell(EventKind::source_back, fmt::format("Reading {} works again", source));
    }
  }
  lost_sources_ = std::move(lost);
  return events;
}

Told Engine::apply(std::shared_ptr<const config::Settings> settings, Now now) {
  const auto changed = config::changed_keys(settings_->config(), settings->config());
  settings_ = std::move(settings);
  history_.resize(settings_->config().history_seconds, capacity_for(settings_->config()));
  return record(
      Event{.id = 0,
            .at = now.wall,
            .kind = EventKind::config_changed,
            .severity = {},
            .message = changed.empty()
                           ? std::string("Configuration read again; nothing changed")
                           : fmt::format("Configuration changed: {}", fmt::join(changed, ", ")),
            .alert = {},
            .details = {}});
}

Told Engine::record(Event event) {
  event.id = next_event_id_++;
  if (event.kind == EventKind::alert && event.alert) {
    ++alert_counts_[{event.alert->type, event.alert->severity}];
  }
  std::string json = api::dump(api::to_json(event, hostname_));
  auto streamed = *events_;
  if (streamed.size() >= kStreamedEvents) {
    streamed.erase(streamed.begin());
  }
  streamed.push_back({event.id, std::string(to_string(event.kind)), json});
  events_ = std::make_shared<const std::vector<api::StreamedEvent>>(std::move(streamed));
  return std::make_shared<const sinks::Notification>(std::move(event), std::move(json));
}

}  // namespace levee::engine
