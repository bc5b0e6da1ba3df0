#include "engine/flight_desk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "levee/version.hpp"
#include "sources/processes.hpp"

namespace levee::engine {
namespace {

using recorder::Incident;
using recorder::IncidentKind;

/// Whose counters of kills are watched: those of the largest processes.
constexpr std::size_t kWatchedProcesses = 32;
/// An owner that vanishes so long after memory was short is no coincidence.
constexpr std::chrono::seconds kShortAgo{10};

/// The cgroups of the largest processes, and the one whose limit is nearest to us.
std::vector<std::string> watched_cgroups(const Snapshot& snapshot) {
  std::set<std::string> cgroups;
  for (std::size_t i = 0; i < std::min(snapshot.processes.size(), kWatchedProcesses); ++i) {
    cgroups.insert(snapshot.processes[i].identity->cgroup);
  }
  if (snapshot.host && snapshot.host->value.ceiling) {
    cgroups.insert(snapshot.host->value.ceiling->path);
  }
  cgroups.erase("");
  return {cgroups.begin(), cgroups.end()};
}

std::string detail(const Event& event, std::string_view name) {
  const auto found = std::ranges::find(event.details, name, [](const auto& d) { return d.first; });
  return found == event.details.end() ? std::string() : found->second;
}

bool is_short(const api::View& view) {
  const auto is_bad = [](Level level) {
    return level == Level::throttled || level == Level::critical;
  };
  return is_bad(view.level) || std::ranges::any_of(view.gpus, [&](const api::GpuView& gpu) {
           return is_bad(gpu.levels.device);
         });
}

std::string reason_of(const sources::OomKill& kill) {
  return fmt::format("The kernel killed process {} ({}){}: {}", kill.pid, kill.comm,
                     kill.rss ? fmt::format(", which had {}", format_bytes(*kill.rss)) : "",
                     kill.cgroup.empty()
                         ? std::string("the machine's memory was gone")
                         : fmt::format("the limit of cgroup {} was reached", kill.cgroup));
}

template <class Command>
std::optional<recorder::Item> model_item(const Command& command, Now now) {
  if constexpr (requires { recorder::CommandItem{.command = command, .now = now}; }) {
    return recorder::CommandItem{.command = command, .now = now};
  } else {
    return std::nullopt;
  }
}

}  // namespace

recorder::Limits limits_of(const config::Recorder& config) {
  return {.ring = {.keep = config.keep, .memory = config.memory},
          .aftermath = config.aftermath,
          .incidents = config.incidents_max_size,
          .file = config.max_size};
}

FlightDesk::FlightDesk(Options options, const config::Settings& settings)
    : options_(std::move(options)), oom_(options_.root) {
  const config::Recorder& config = settings.config().recorder;
  recorder_ = std::make_unique<recorder::FlightRecorder>(recorder::FlightRecorder::Options{
      .version = std::string(kVersion),
      .hostname = options_.hostname,
      .boot = sources::read_boot_id(options_.root),
      .began = options_.clock(),
      .settings = settings.layers(),
      .limits = limits_of(config),
      .incidents =
          options_.state_dir ? std::optional(*options_.state_dir / "incidents") : std::nullopt,
      .why_not = options_.why_no_state_dir,
      .file =
          config.file.empty() ? std::nullopt : std::optional(std::filesystem::path(config.file)),
      .tell = [this](EventKind kind, std::string message, const std::string& incident) {
        options_.tell({.id = 0,
                       .at = options_.clock().wall,
                       .kind = kind,
                       .severity = {},
                       .message = std::move(message),
                       .alert = {},
                       .details = incident.empty()
                                      ? std::vector<std::pair<std::string, std::string>>{}
                                      : std::vector<std::pair<std::string, std::string>>{
                                            {"incident", incident}}});
      }});
}

recorder::Context FlightDesk::context(std::uint64_t next_event_id) const {
  return {.next_event_id = next_event_id, .active = view_ ? view_->active : nullptr};
}

void FlightDesk::feed(const Readings& readings, const api::GuardView& guard,
                      const api::DaemonView& daemon, Now now, const Engine& engine) {
  tick_ = {.readings = readings, .guard = guard, .daemon = daemon, .now = now, .told = {}};
  // What readers of the View see only; and the list of pids is for other sources.
  tick_.daemon.store = {};
  tick_.daemon.sinks.clear();
  tick_.daemon.protection = {};
  tick_.daemon.reclaim = nullptr;
  tick_.daemon.recovery = nullptr;
  if (tick_.readings.processes) {
    tick_.readings.processes->listed = nullptr;
  }
  next_event_id_ = engine.next_event_id();
}

void FlightDesk::note(const Tick& tick) {
  for (const Told& told : tick.events) {
    tick_.told.push_back(told->json);
  }
  recorder_->offer(std::move(tick_), context(next_event_id_));
  view_ = tick.view;
  if (is_short(*view_)) {
    last_short_ = view_->snapshot->at.mono;
  }
  look_for_kills(tick);
  look_for_emergencies(tick);
}

void FlightDesk::note(const Told& told) {
  recorder_->offer(recorder::EventItem{.event = told->event, .told = told->json},
                   context(told->event.id));
  const Event& event = told->event;
  const Now now = options_.clock();
  if (event.kind == EventKind::lease_released && detail(event, "reason") == "owner_ended" &&
      last_short_ && now.mono - *last_short_ <= kShortAgo) {
    trigger(IncidentKind::owner_lost, now, event.message,
            [&](Incident& incident) { incident.leases.push_back(detail(event, "lease")); });
  }
}

void FlightDesk::note_settings(const Engine& engine, const Told& told, Now now) {
  recorder_->offer(
      recorder::SettingsItem{
          .settings = engine.settings()->layers(), .now = now, .told = told->json},
      context(told->event.id));
  configure(engine.settings()->config().recorder);
}

void FlightDesk::note(const api::Command& command, const Engine& engine, Now now) {
  if (auto item = std::visit([&](const auto& what) { return model_item(what, now); }, command)) {
    recorder_->offer(std::move(*item), context(engine.next_event_id()));
  }
}

void FlightDesk::configure(const config::Recorder& config) {
  recorder_->configure(limits_of(config));
}

void FlightDesk::trigger(IncidentKind kind, Now now, std::string reason,
                         const std::function<void(Incident&)>& more) {
  Incident incident;
  incident.kind = kind;
  incident.at = now;
  incident.reasons.push_back(std::move(reason));
  if (more) {
    more(incident);
  }
  recorder_->trigger(std::move(incident));
}

void FlightDesk::look_for_kills(const Tick& tick) {
  const Snapshot& snapshot = *tick.view->snapshot;
  const sources::OomReport report = oom_.look(watched_cgroups(snapshot));
  if (report.is_empty()) {
    return;
  }
  last_short_ = snapshot.at.mono;
  std::string reason =
      report.victims.empty()
          ? fmt::format("The kernel killed {} for want of memory{}",
                        report.kills == 1 ? std::string("a process")
                                          : fmt::format("{} processes", report.kills),
                        report.cgroups.empty() ? "" : " in cgroup " + report.cgroups.front())
          : reason_of(report.victims.front());
  trigger(IncidentKind::oom_kill, snapshot.at, std::move(reason), [&](Incident& incident) {
    incident.triggers = std::max<std::uint64_t>(report.kills, 1);
    incident.victims = report.victims;
    for (const sources::OomKill& kill : report.victims) {
      incident.pids.push_back(kill.pid);
      if (&kill != &report.victims.front() && incident.reasons.size() < recorder::kMostReasons) {
        incident.reasons.push_back(reason_of(kill));
      }
    }
  });
}

void FlightDesk::look_for_emergencies(const Tick& tick) {
  const Now now = tick.view->snapshot->at;
  for (const Told& told : tick.events) {
    const Event& event = told->event;
    if (event.kind == EventKind::xid) {
      trigger(IncidentKind::xid, now, event.message,
              [&](Incident& incident) { incident.gpus.push_back(detail(event, "uuid")); });
    } else if (event.kind == EventKind::alert && event.severity == Severity::emergency) {
      trigger(IncidentKind::emergency, now, event.message, [&](Incident& incident) {
        if (event.alert && !event.alert->gpu_uuid.empty()) {
          incident.gpus.push_back(event.alert->gpu_uuid);
        }
        if (event.alert && event.alert->culprit) {
          incident.pids.push_back(event.alert->culprit->id.pid);
        }
      });
    }
  }
}

api::IncidentPort FlightDesk::port() {
  return {.list = [this](const auto& answer) { recorder_->list(answer); },
          .show = [this](std::string id,
                         const auto& answer) { recorder_->show(std::move(id), answer); },
          .remove = [this](std::string id,
                           const auto& answer) { recorder_->remove(std::move(id), answer); },
          .record =
              [this](api::IncidentAsk ask, const auto& answer) {
                Incident incident;
                incident.at = options_.clock();
                incident.note = std::move(ask.note);
                const std::string by = ask.uid ? fmt::format(" (uid {})", *ask.uid) : "";
                if (ask.job) {
                  incident.kind = IncidentKind::job_killed;
                  incident.reasons.push_back(
                      fmt::format("Job \"{}\" ended {}{}", ask.job->command,
                                  ask.job->signal ? fmt::format("by signal {}", *ask.job->signal)
                                                  : std::string("with exit code 137"),
                                  by));
                  if (!ask.job->lease.empty()) {
                    incident.leases.push_back(std::move(ask.job->lease));
                  }
                  if (ask.job->pid) {
                    incident.pids.push_back(*ask.job->pid);
                  }
                } else {
                  incident.kind = IncidentKind::on_demand;
                  incident.reasons.push_back("Somebody asked" + by);
                }
                recorder_->trigger(std::move(incident), answer);
              }};
}

}  // namespace levee::engine
