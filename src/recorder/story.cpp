#include "recorder/story.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace levee::recorder {
namespace {

/// Reads the recorded minutes, one item after the other.
class Teller {
 public:
  void operator()(const Incident& incident) { story_.incident = incident; }
  void operator()(const Opening& opening) { story_.opening = opening; }
  void operator()(const SettingsItem& item) {
    if (story_.opening) {
      story_.opening->settings = item.settings;
    }
    tell(item.told);
  }
  void operator()(const EventItem& item) { tell(item.told); }
  void operator()(const CommandItem& /*item*/) {}
  void operator()(const GapItem& gap) { story_.lost += gap.lost; }
  void operator()(const TickItem& tick) {
    story_.begin = story_.begin.value_or(tick.now);
    story_.end = tick.now;
    add_host(tick);
    add_processes(tick);
    for (const GpuReading& gpu : tick.readings.gpus.gpus) {
      add_gpu(gpu, tick.now);
    }
    add_leases(tick);
    for (const std::string& told : tick.told) {
      tell(told);
    }
  }

  Story take() { return std::move(story_); }

 private:
  Series& series(Filled::Kind kind, const std::string& key, std::string name, Bytes total) {
    Series& found = story_.series[key];
    found.kind = kind;
    found.name = std::move(name);
    found.key = key;
    found.total = total;
    return found;
  }

  void add_host(const TickItem& tick) {
    if (!tick.readings.host) {
      return;
    }
    const HostReading& host = *tick.readings.host;
    story_.host_available = host.mem_available;
    series(Filled::Kind::host, "", "host memory", host.total)
        .points.push_back({tick.now, host.used()});
    if (host.ceiling) {
      const MemoryCeiling& ceiling = *host.ceiling;
      series(Filled::Kind::cgroup, ceiling.path, "cgroup " + ceiling.path, ceiling.limit)
          .points.push_back({tick.now, ceiling.used - ceiling.reclaimable});
    }
  }

  void add_processes(const TickItem& tick) {
    if (!tick.readings.processes) {
      return;
    }
    std::map<std::string, Bytes> in_cgroups;
    for (const ProcessReading& process : tick.readings.processes->processes) {
      Actor& actor = act(process.identity->id.pid, process.identity, tick.now);
      hold(actor, "", process.rss, tick.now);
      if (!story_.incident) {
        continue;
      }
      for (const sources::OomKill& kill : story_.incident->victims) {
        if (!kill.cgroup.empty() && is_within(process.identity->cgroup, kill.cgroup)) {
          in_cgroups[kill.cgroup] += process.rss;
          break;
        }
      }
    }
    for (const auto& [path, used] : in_cgroups) {
      const auto kill =
          std::ranges::find(story_.incident->victims, path, &sources::OomKill::cgroup);
      const bool is_ours = story_.series.contains(path) && !kill->limit;
      if (!is_ours) {
        series(Filled::Kind::cgroup, path, "cgroup " + path, kill->limit.value_or(Bytes{}))
            .points.push_back({tick.now, used});
      }
    }
  }

  void add_gpu(const GpuReading& gpu, Now now) {
    const GpuIdentity& who = *gpu.identity;
    if (gpu.memory && gpu.condition == GpuCondition::ok) {
      series(Filled::Kind::gpu, who.uuid,
             fmt::format("GPU {}{} ({})", who.index,
                         who.is_instance() ? " instance " + who.mig_profile : "", who.name),
             gpu.memory->total)
          .points.push_back({now, gpu.memory->total - gpu.memory->free});
    }
    if (!gpu.processes) {
      return;
    }
    for (const GpuProcess& process : *gpu.processes) {
      if (process.memory) {
        hold(act(process.pid, process.identity, now), who.uuid, *process.memory, now);
      }
    }
  }

  Actor& act(pid_t pid, const std::shared_ptr<const ProcessIdentity>& identity, Now now) {
    const auto [place, is_new] =
        story_.actors.try_emplace({pid, identity ? identity->id.start_ticks : 0});
    Actor& actor = place->second;
    if (is_new) {
      actor.first_seen = now;
    }
    actor.identity = identity ? identity : actor.identity;
    actor.last_seen = now;
    return actor;
  }

  void hold(Actor& actor, const std::string& key, Bytes bytes, Now now) {
    const bool was_there = now.mono == story_.begin->mono;
    const auto [place, is_new] = actor.holdings.try_emplace(key);
    Holding& holding = place->second;
    if (is_new && was_there) {
      holding.first = bytes;  // What begins later began with nothing.
    }
    holding.peak = std::max(holding.peak, bytes);
  }

  void add_leases(const TickItem& tick) {
    if (tick.daemon.ledger == nullptr) {
      return;
    }
    for (const api::LeaseReport& report : tick.daemon.ledger->leases) {
      if (!report.lease.is_granted()) {
        continue;
      }
      auto [place, is_new] = story_.leases.try_emplace(report.lease.id, report);
      const ledger::Use peak = is_new ? ledger::Use{} : place->second.peak;
      place->second = report;
      place->second.peak = higher(peak, report.used);
    }
  }

  static ledger::Use higher(ledger::Use a, const ledger::Use& b) {
    a.host = std::max(a.host, b.host);
    for (const ledger::DeviceShare& share : b.devices) {
      const auto known = std::ranges::find(a.devices, share.uuid, &ledger::DeviceShare::uuid);
      if (known == a.devices.end()) {
        a.devices.push_back(share);
      } else {
        known->bytes = std::max(known->bytes, share.bytes);
      }
    }
    return a;
  }

  /// `told`, the JSON of an event, as it is listed.
  void tell(const std::string& told) {
    const auto event = nlohmann::json::parse(told, nullptr, false);
    if (!event.is_object()) {
      return;
    }
    const auto text = [&event](const char* name) {
      const auto found = event.find(name);
      return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    story_.happened.push_back({.at = text("timestamp"),
                               .kind = text("kind"),
                               .severity = text("severity"),
                               .message = text("message")});
    if (story_.happened.size() > kMostHappened) {
      story_.happened.erase(story_.happened.begin());
      ++story_.left_out;
    }
  }

  Story story_;
};

}  // namespace

Story tell_story(const std::vector<Item>& items) {
  Teller teller;
  for (const Item& item : items) {
    std::visit(teller, item);
  }
  return teller.take();
}

bool is_within(std::string_view path, std::string_view cgroup) {
  return path.starts_with(cgroup) &&
         (path.size() == cgroup.size() || cgroup.ends_with('/') || path[cgroup.size()] == '/');
}

}  // namespace levee::recorder
