#include "api/metric_catalogue.hpp"

#include <algorithm>
#include <array>
#include <functional>

namespace levee::api {
namespace {

using From = const MetricSource&;
using To = Samples&;
using enum MetricType;

constexpr std::array kSeverities{Severity::warning, Severity::critical, Severity::emergency};
constexpr std::array kLevels{Level::optimal, Level::normal, Level::throttled, Level::critical,
                             Level::unavailable};
constexpr std::array kHealths{Health::healthy, Health::moderate, Health::critical, Health::unknown};

/// A member of the host's fresh reading.
template <auto kMember>
void host(From from, To to) {
  if (from.host != nullptr) {
    to.add(std::optional(std::invoke(kMember, *from.host)));
  }
}

/// A member of the tightest cgroup limit.
template <auto kMember>
void ceiling(From from, To to) {
  if (from.host != nullptr && from.host->ceiling) {
    to.add(std::optional(std::invoke(kMember, *from.host->ceiling)));
  }
}

/// A counter of the account of cached models.
template <auto kMember>
void model_cache(From from, To to) {
  if (from.view.model_cache) {
    to.add_count(std::invoke(kMember, *from.view.model_cache));
  }
}

/// A counter of the daemon.
template <auto kMember>
void daemon(From from, To to) {
  to.add_count(from.view.daemon.*kMember);
}

/// A counter of the store, if there is one.
template <auto kMember>
void store(From from, To to) {
  if (from.view.daemon.store.enabled) {
    to.add_count(from.view.daemon.store.*kMember);
  }
}

/// A counter of each sink.
template <auto kMember>
void sinks(From from, To to) {
  for (const SinkView& sink : from.view.daemon.sinks) {
    to.add_count(sink.*kMember, {{"sink", sink.name}});
  }
}

void reclaim_clients(From from, To to) {
  if (const auto& roster = from.view.daemon.reclaim) {
    for (const ReclaimStrategy strategy : kReclaimStrategies) {
      const auto can = [&](const reclaim::Client& client) {
        return std::ranges::any_of(
            client.offers, [&](const reclaim::Offer& each) { return each.strategy == strategy; });
      };
      to.add_count(static_cast<std::uint64_t>(std::ranges::count_if(roster->clients, can)),
                   {{"strategy", to_string(strategy)}});
    }
  }
}

void reclaim_passed_over(From from, To to) {
  if (const auto& roster = from.view.daemon.reclaim) {
    to.add_count(static_cast<std::uint64_t>(std::ranges::count_if(
        roster->clients,
        [&](const reclaim::Client& client) { return client.record.is_passed_over(from.now); })));
  }
}

void reclaim_requests(From from, To to) {
  if (const auto& roster = from.view.daemon.reclaim) {
    const reclaim::Totals& totals = roster->totals;
    const std::pair<std::string_view, std::uint64_t> counts[] = {
        {"done", totals.done - totals.lied}, {"lied", totals.lied},
        {"refused", totals.refused},         {"failed", totals.failed},
        {"timed_out", totals.timed_out},     {"gone", totals.gone}};
    for (const auto& [outcome, count] : counts) {
      to.add_count(count, {{"outcome", outcome}});
    }
  }
}

void reclaim_freed(From from, To to) {
  if (const auto& roster = from.view.daemon.reclaim) {
    to.add_count(roster->totals.freed.count);
  }
}

const PressureLine* pressure(From from, std::optional<PressureLine> Pressure::* kind) {
  if (from.host == nullptr || !from.host->pressure) {
    return nullptr;
  }
  const auto& line = (*from.host->pressure).*kind;
  return line ? &*line : nullptr;
}

template <auto kKind>
void stalled_ratio(From from, To to) {
  if (const PressureLine* line = pressure(from, kKind)) {
    to.add(line->avg10 / 100);
  }
}

void stalled_seconds(From from, To to) {
  for (const auto& [name, kind] : {std::pair{"some", &Pressure::some}, {"full", &Pressure::full}}) {
    if (const PressureLine* line = pressure(from, kind)) {
      to.add(static_cast<double>(line->total_us) / 1e6, {{"kind", name}});
    }
  }
}

/// Zero stands for what is not known yet.
void add_known(Bytes bytes, To to) {
  if (bytes > Bytes{}) {
    to.add(bytes);
  }
}

/// Every alert there can be has a sample from the first scrape on: a rate needs the zero before.
template <class Add>
void for_each_alert(Add add) {
  for (const AlertType type : kAlertTypes) {
    for (const Severity severity : kSeverities) {
      add(type, severity);
    }
  }
}

void alerts(From from, To to) {
  for_each_alert([&](AlertType type, Severity severity) {
    const auto found = from.view.alert_counts->find({type, severity});
    to.add_count(found == from.view.alert_counts->end() ? 0 : found->second,
                 {{"type", to_string(type)}, {"severity", to_string(severity)}});
  });
}

void alert_active(From from, To to) {
  for_each_alert([&](AlertType type, Severity severity) {
    to.add_flag(std::ranges::any_of(*from.view.active,
                                    [&](const Alert& alert) {
                                      return alert.type == type && alert.severity == severity;
                                    }),
                {{"type", to_string(type)}, {"severity", to_string(severity)}});
  });
}

double seconds(std::chrono::nanoseconds duration) { return Seconds(duration).count(); }

constexpr std::array kMetrics{
    Metric{"levee_build", info, "", "Version of the running daemon.",
           [](From, To to) { to.add_flag(true, {{"version", LEVEE_VERSION}}); }},
    Metric{"levee_up", gauge, "",
           "1 when host memory was read recently enough to judge by it, else 0.",
           [](From from, To to) { to.add_flag(from.host != nullptr); }},
    Metric{"levee_sample_age_seconds", gauge, "seconds", "Age of the last reading of host memory.",
           [](From from, To to) {
             if (const auto& sample = from.view.snapshot->host) {
               to.add(seconds(from.now - sample->read_at));
             }
           }},

    Metric{"levee_host_memory_total_bytes", gauge, "bytes",
           "Memory this machine or its container may use.", host<&HostReading::total>},
    Metric{"levee_host_memory_available_bytes", gauge, "bytes",
           "Memory that can be allocated without swapping, container limits included.",
           host<&HostReading::available>},
    Metric{"levee_host_memory_used_bytes", gauge, "bytes", "Total less available memory.",
           host<&HostReading::used>},
    Metric{"levee_host_memory_used_ratio", gauge, "ratio",
           "Share of the total memory that is used, 0 to 1.",
           host<[](const HostReading& reading) { return reading.used_percent() / 100; }>},
    Metric{"levee_host_swap_total_bytes", gauge, "bytes", "Size of all swap areas.",
           host<&HostReading::swap_total>},
    Metric{"levee_host_swap_free_bytes", gauge, "bytes", "Swap that is not used.",
           host<&HostReading::swap_free>},
    Metric{"levee_host_cgroup_limit_bytes", gauge, "bytes",
           "The cgroup memory limit with the least headroom above the daemon.",
           ceiling<&MemoryCeiling::limit>},
    Metric{"levee_host_cgroup_headroom_bytes", gauge, "bytes",
           "What may still be allocated below that limit, droppable file pages included.",
           ceiling<&MemoryCeiling::headroom>},
    Metric{"levee_host_cpu_used_ratio", gauge, "ratio",
           "Busy share of all processor cores since the previous reading, 0 to 1.",
           [](From from, To to) {
             if (from.host != nullptr && from.host->cpu_percent) {
               to.add(*from.host->cpu_percent / 100);
             }
           }},
    Metric{"levee_host_pressure_some_ratio", gauge, "ratio",
           "Share of the last 10 s in which some task waited for memory.",
           stalled_ratio<&Pressure::some>},
    Metric{"levee_host_pressure_full_ratio", gauge, "ratio",
           "Share of the last 10 s in which all tasks waited for memory.",
           stalled_ratio<&Pressure::full>},
    Metric{"levee_host_pressure_stalled_seconds", counter, "seconds",
           "Time that some task, or all of them, waited for memory since boot.", stalled_seconds},
    Metric{"levee_processes", gauge, "", "Processes on this machine.",
           [](From from, To to) {
             if (const auto seen = from.view.snapshot->processes_seen; seen > 0) {
               to.add_count(seen);
             }
           }},

    Metric{"levee_host_state", gauge, "", "1 for the state host memory is in, else 0.",
           [](From from, To to) {
             for (const Level level : kLevels) {
               to.add_flag(from.view.level == level, {{"state", to_string(level)}});
             }
           }},
    Metric{"levee_host_speed_multiplier", gauge, "", "How fast jobs should run, 0 to 1.",
           [](From from, To to) { to.add(from.view.advice.speed_multiplier); }},
    Metric{"levee_host_warning_line_bytes", gauge, "bytes",
           "Available memory below which an alert warns.",
           [](From from, To to) { add_known(from.view.lines.warning, to); }},
    Metric{"levee_host_brake_line_bytes", gauge, "bytes",
           "Available memory below which the guard acts.",
           [](From from, To to) { add_known(from.view.lines.emergency, to); }},
    Metric{"levee_host_seconds_to_full", gauge, "",
           "Seconds until the memory is full if it fills as it does; absent without an estimate.",
           [](From from, To to) {
             if (const auto& full = from.view.host_forecast.full) {
               to.add(full->in);
             }
           }},
    Metric{"levee_health", gauge, "", "1 for the health of this machine, else 0.",
           [](From from, To to) {
             for (const Health health : kHealths) {
               to.add_flag(from.view.health == health, {{"health", to_string(health)}});
             }
           }},
    Metric{"levee_alerts", counter, "",
           "Alerts that were raised, grew more severe or were repeated.", alerts},
    Metric{"levee_alert_active", gauge, "", "1 while such an alert lasts, else 0.", alert_active},

    Metric{"levee_guard_interval_seconds", gauge, "seconds",
           "Time until the guard's next look at available memory.",
           [](From from, To to) {
             if (from.view.guard.looks > 0) {
               to.add(seconds(from.view.guard.interval));
             }
           }},
    Metric{"levee_guard_looks", counter, "", "Looks the guard has taken.",
           [](From from, To to) { to.add_count(from.view.guard.looks); }},

    Metric{"levee_daemon_resident_memory_bytes", gauge, "bytes",
           "Resident memory of the daemon itself.",
           [](From from, To to) { add_known(from.view.daemon.self.rss, to); }},
    Metric{"levee_daemon_cpu_seconds", counter, "seconds",
           "Processor time the daemon itself has used.",
           [](From from, To to) { to.add(from.view.daemon.self.cpu_seconds); }},
    Metric{"levee_daemon_start_time_seconds", gauge, "seconds",
           "When the daemon started, in seconds since the Unix epoch.",
           [](From from, To to) { to.add(seconds(from.view.daemon.started.time_since_epoch())); }},
    Metric{"levee_daemon_tick_duration_seconds", gauge, "seconds",
           "How long the last tick took, reading included.",
           [](From from, To to) { to.add(seconds(from.view.daemon.tick_time)); }},
    Metric{"levee_daemon_ticks", counter, "", "Ticks since the daemon started.",
           daemon<&DaemonView::ticks>},
    Metric{"levee_daemon_commands_dropped", counter, "",
           "Requests for a change that found the queue full.",
           daemon<&DaemonView::commands_dropped>},
    Metric{"levee_store_durable", gauge, "",
           "1 while history is written to disk, 0 while it is kept in memory only.",
           [](From from, To to) {
             if (from.view.daemon.store.enabled) {
               to.add_flag(from.view.daemon.store.durable);
             }
           }},
    Metric{"levee_store_dropped_points", counter, "",
           "Points of history lost because the memory for waiting ones is bounded.",
           store<&store::StoreHealth::dropped_points>},
    Metric{"levee_store_dropped_events", counter, "",
           "Alerts and other events that were lost for the same reason.",
           store<&store::StoreHealth::dropped_events>},
    Metric{"levee_model_cache_models", gauge, "", "Models that jobs say they keep loaded.",
           [](From from, To to) {
             if (from.view.model_cache) {
               to.add_count(from.view.model_cache->models().size());
             }
           }},
    Metric{"levee_model_cache_hits", counter, "", "Uses of a model that was loaded already.",
           model_cache<&estimate::ModelCache::hits>},
    Metric{"levee_model_cache_misses", counter, "", "Loads of a model.",
           model_cache<&estimate::ModelCache::misses>},
    Metric{"levee_reclaim_clients", gauge, "",
           "Processes that can be asked for memory by this strategy.", reclaim_clients},
    Metric{"levee_reclaim_passed_over_clients", gauge, "",
           "Of all of them, those that are passed over for a while because they lied or hung.",
           reclaim_passed_over},
    Metric{"levee_reclaim_requests", counter, "", "Requests for memory, by what came of them.",
           reclaim_requests},
    Metric{"levee_reclaim_freed_bytes", counter, "bytes",
           "What they brought, as measured, not as the processes say.", reclaim_freed},
    Metric{"levee_sink_written", counter, "", "Events that a sink has told.",
           sinks<&SinkView::written>},
    Metric{"levee_sink_failed", counter, "",
           "Events that a sink could not tell; the status says why the last one.",
           sinks<&SinkView::failed>},
    Metric{"levee_sink_dropped", counter, "", "Events lost because a sink was too slow.",
           sinks<&SinkView::dropped>},
};

static_assert(is_well_formed(kMetrics));

}  // namespace

std::span<const Metric> metric_catalogue() { return kMetrics; }

}  // namespace levee::api
