#include "engine/engine.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

#include "api/json.hpp"
#include "engine/state_events.hpp"
#include "policy/culprit.hpp"
#include "policy/state.hpp"

namespace levee::engine {
namespace {

constexpr std::size_t kStreamedEvents = 256;

/// Twice what the usual rhythm needs: an alarm or a stall adds ticks of its own.
std::size_t capacity_for(const config::Config& config) {
  return static_cast<std::size_t>(2 * (config.history_seconds / config.monitoring_interval) + 1);
}

void add_pressed_gpu(history::HostSample& sample, const std::vector<api::GpuView>& gpus) {
  if (const auto pressed = most_pressed(gpus)) {
    const GpuReading& gpu = *gpus[*pressed].reading;
    sample.gpu_memory_percent = gpu.memory->percent_without_balloons();
    sample.gpu_utilization = gpu.utilization_percent;
  }
}

/// The worst state of the machine; a GPU that is not judged does not count.
Level worst_level(Level host, const std::vector<api::GpuView>& gpus) {
  Level worst = host;
  for (const api::GpuView& gpu : gpus) {
    if (host != Level::unavailable && gpu.levels.device != Level::unavailable) {
      worst = std::max(worst, gpu.levels.device);
    }
  }
  return worst;
}

/// What the host's memory comes to. Its total is the tightest cgroup's where one is in force, so
/// the forecast is that cgroup's, then.
Forecast forecast_of(std::span<const history::HostSample> samples, const HostReading* host,
                     MonoTime now) {
  const auto seconds_of = [](MonoTime time) { return Seconds(time.time_since_epoch()).count(); };
  const ForecastQuestion question{.now = seconds_of(now),
                                  .limit = host ? std::optional(host->total) : std::nullopt};
  std::vector<MemoryPoint> points;
  for (const history::HostSample& sample :
       history::latest(samples, now, std::chrono::ceil<std::chrono::seconds>(question.window))) {
    const Bytes used = sample.total - sample.available;
    points.push_back({seconds_of(sample.at.mono), static_cast<double>(used.count)});
  }
  return forecast_memory(points, question);
}

/// Where recovery has told work to pause, that is the advice.
void hold_back(const api::RecoveryView* recovery, control::Advice& host,
               std::vector<api::GpuView>& gpus) {
  if (recovery == nullptr) {
    return;
  }
  if (recovery->is_paused(kReclaimHost)) {
    host = control::paused(host);
  }
  for (api::GpuView& gpu : gpus) {
    if (recovery->is_paused(gpu.reading->identity->uuid)) {
      gpu.advice = control::paused(gpu.advice);
    }
  }
}

/// Said once on a small machine, whose lines are not the configured ones (contract F-31).
Event cap_event(Bytes total, const policy::HostLines& lines, Now now) {
  return plain_event(
      EventKind::config_changed,
      fmt::format("This machine has {}: available memory warns below {} and is "
                  "an emergency below {}",
                  format_bytes(total), format_bytes(lines.warning), format_bytes(lines.emergency)),
      now);
}

}  // namespace

Engine::Engine(std::shared_ptr<const config::Settings> settings, std::string hostname,
               std::uint64_t first_event_id)
    : settings_(std::move(settings)),
      hostname_(std::move(hostname)),
      next_event_id_(first_event_id),
      history_(settings_->config().history_seconds, capacity_for(settings_->config())),
      models_(settings_->config()) {}

Tick Engine::tick(Readings readings, const api::GuardView& guard, const api::DaemonView& daemon,
                  Now now) {
  const config::Config& config = settings_->config();
  Tick tick;

  // The machine as it is.
  const auto snapshot = fold(std::move(readings), guard, now);
  const HostReading* host = policy::fresh_host(*snapshot, config.thresholds);

  // What it means.
  const Level before = std::exchange(
      level_, policy::memory_level(host ? std::optional{host->used_percent()} : std::nullopt,
                                   level_, config.thresholds));
  control::Advice advice = control::step(throttle_, level_, config.throttle_cooldown, now.mono);
  GpuTracks::Step gpus = gpu_tracks_.step(*snapshot, config);
  hold_back(daemon.recovery.get(), advice, gpus.views);
  const auto culprit = policy::find_culprit(snapshot->processes);

  // What is to be told.
  std::vector<Event> events = source_changes(*snapshot);
  std::ranges::move(host_changes(before, host, now), std::back_inserter(events));
  std::ranges::move(gpus.events, std::back_inserter(events));
  std::ranges::move(
      policy::update_alerts(alerts_, *snapshot, gpus.judged, config.thresholds, culprit),
      std::back_inserter(events));
  for (Event& event : events) {
    tick.events.push_back(record(std::move(event)));
  }

  // What is remembered and shown.
  if (host != nullptr && snapshot->host->read_at == now.mono) {
    tick.sample = history::host_sample(*host, now);
    add_pressed_gpu(*tick.sample, gpus.views);
    history_.append(*tick.sample);
  }
  tick.gpu_samples = gpu_tracks_.samples();
  tick.view = make_view(snapshot, advice, std::move(gpus.views), guard, daemon);
  return tick;
}

std::vector<Event> Engine::host_changes(Level before, const HostReading* host, Now now) {
  std::vector<Event> events;
  if (level_ != before && (sequence_ > 1 || is_throttling(level_))) {
    events.push_back(state_event("Host memory", before, known_level_, level_, now));
  }
  if (level_ != Level::unavailable) {
    known_level_ = level_;
  }
  if (host != nullptr && !told_cap_) {
    const policy::HostLines lines = policy::host_lines(host->total, settings_->config().thresholds);
    if (lines.capped) {
      told_cap_ = true;
      events.push_back(cap_event(host->total, lines, now));
    }
  }
  return events;
}

std::shared_ptr<const Snapshot> Engine::fold(Readings readings, const api::GuardView& guard,
                                             Now now) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->sequence = ++sequence_;
  snapshot->at = now;
  snapshot->hostname = hostname_;
  snapshot->brake_line_reached = guard.at_line;
  snapshot->troubles = std::move(readings.troubles);
  std::ranges::move(readings.gpus.troubles, std::back_inserter(snapshot->troubles));
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
  snapshot->gpus = std::move(readings.gpus.gpus);
  snapshot->gpus_known = readings.gpus.is_known;
  snapshot->xids = std::move(readings.gpus.xids);
  gpu_tracks_.complete(snapshot->gpus, snapshot->host);
  return snapshot;
}

std::shared_ptr<const api::View> Engine::make_view(std::shared_ptr<const Snapshot> snapshot,
                                                   const control::Advice& advice,
                                                   std::vector<api::GpuView> gpus,
                                                   const api::GuardView& guard,
                                                   const api::DaemonView& daemon) const {
  const policy::Thresholds& thresholds = settings_->config().thresholds;
  const HostReading* host = policy::fresh_host(*snapshot, thresholds);
  auto recent = std::make_shared<std::vector<Alert>>(alerts_.recent.begin(), alerts_.recent.end());

  auto view = std::make_shared<api::View>();
  view->level = advice.level;
  view->advice = advice;
  view->health = policy::health(worst_level(advice.level, gpus), *recent, snapshot->at.mono);
  view->pressure =
      host != nullptr && host->used_percent() > 100 * thresholds.memory_pressure_threshold;
  view->host_forecast = forecast_of(history_.all(), host, snapshot->at.mono);
  view->lines = policy::host_lines(host ? host->total : Bytes{}, thresholds);
  view->samples = std::make_shared<std::vector<history::HostSample>>(history_.all().begin(),
                                                                     history_.all().end());
  view->active = std::make_shared<const std::vector<Alert>>(policy::active_alerts(alerts_));
  view->recent = std::move(recent);
  view->events = events_;
  view->alert_counts = std::make_shared<const api::AlertCounts>(alert_counts_);
  view->settings = settings_;
  view->pressed_gpu = most_pressed(gpus);
  view->gpus = std::move(gpus);
  view->models = models_.registry();
  view->model_cache = models_.cache();
  view->guard = guard;
  view->daemon = daemon;
  view->snapshot = std::move(snapshot);
  return view;
}

std::vector<Event> Engine::source_changes(const Snapshot& snapshot) {
  std::vector<std::string> lost;
  std::vector<Event> events;
  const auto tell = [&](EventKind kind, std::string message) {
    events.push_back(plain_event(kind, std::move(message), snapshot.at));
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
  models_.configure(settings_->config());
  return record(plain_event(
      EventKind::config_changed,
      changed.empty() ? std::string("Configuration read again; nothing changed")
                      : fmt::format("Configuration changed: {}", fmt::join(changed, ", ")),
      now));
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
