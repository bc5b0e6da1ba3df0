// What the doctor's facts mean.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/doctor.hpp"
#include "cli/doctor_gpus.hpp"
#include "levee/version.hpp"

namespace levee::cli {
namespace {

constexpr Bytes kLittleSpace = mib(256);  // Some years of rolled-up history, and the logs.

Check bad(Grade grade, std::string what, const Error& error) {
  return {grade, std::move(what), error.message, error.hint};
}

std::optional<double> pid_of(const Facts& facts) {
  return facts.daemon && facts.daemon->overview
             ? number_at(*facts.daemon->overview, "daemon", "pid")
             : std::nullopt;
}

Check daemon(const Facts& facts) {
  constexpr const char* kWhat = "daemon";
  if (!facts.daemon) {
    return {Grade::warn, kWhat, facts.daemon.error().message,
            facts.daemon.error().hint +
                "; until then alerts and history are not kept, and status "
                "and check take one look by themselves"};
  }
  const std::string at = facts.daemon->socket.string();
  if (!facts.daemon->health) {
    return bad(Grade::fail, kWhat, facts.daemon->health.error());
  }
  const Json& health = *facts.daemon->health;
  const std::string version = text_at(health, "version").value_or("-");
  std::vector<std::string> reasons;
  for (const Json& reason : list_at(health, "reasons")) {
    reasons.push_back(reason.is_string() ? reason.get<std::string>() : "-");
  }
  if (version != kVersion) {
    reasons.push_back(fmt::format("it is version {}, and this program {}", version, kVersion));
  }
  const auto pid = pid_of(facts);
  const std::string who =
      fmt::format("answers at {}{}", at, pid ? fmt::format(" (pid {:.0f})", *pid) : std::string{});
  if (!reasons.empty()) {
    return {Grade::warn, kWhat, fmt::format("{}, but: {}", who, fmt::join(reasons, "; ")),
            "look at the daemon's log in its state directory"};
  }
  return {Grade::ok, kWhat, who, {}};
}

Check host_memory(const Facts& facts) {
  if (!facts.host) {
    return bad(Grade::fail, "host memory", facts.host.error());
  }
  const HostReading& host = *facts.host;
  return {Grade::ok,
          "host memory",
          fmt::format("{} of {} available", format_bytes(host.available), format_bytes(host.total)),
          {}};
}

Check cgroup(const Facts& facts) {
  constexpr const char* kWhat = "cgroup limit";
  const auto trouble = std::ranges::find(facts.host_troubles, "cgroup", &SourceTrouble::source);
  if (trouble != facts.host_troubles.end()) {
    return bad(Grade::warn, kWhat, trouble->error);
  }
  if (!facts.host || !facts.host->ceiling) {
    return {Grade::ok, kWhat, "none above this process: the whole machine counts", {}};
  }
  const MemoryCeiling& ceiling = *facts.host->ceiling;
  return {Grade::ok,
          kWhat,
          fmt::format("{} (cgroup v{}, {}), {} left below it", format_bytes(ceiling.limit),
                      ceiling.version == CgroupVersion::v1 ? 1 : 2, ceiling.path,
                      format_bytes(ceiling.headroom())),
          {}};
}

Check pressure(const Facts& facts) {
  constexpr const char* kWhat = "memory pressure";
  if (!facts.host || !facts.host->pressure) {
    const auto trouble = std::ranges::find(facts.host_troubles, "pressure", &SourceTrouble::source);
    return {Grade::warn, kWhat,
            trouble == facts.host_troubles.end() ? "/proc/pressure/memory cannot be read"
                                                 : trouble->error.message,
            "boot with psi=1 (the kernel needs CONFIG_PSI); nothing else is lost without it"};
  }
  if (!facts.pressure_window) {
    return {Grade::info, kWhat,
            "readable, but no trigger can be armed: " + facts.pressure_window.error().message,
            facts.pressure_window.error().hint};
  }
  const double seconds = Seconds(*facts.pressure_window).count();
  if (seconds > 1) {
    return {Grade::info, kWhat,
            fmt::format("readable; only windows of {:.0f} s are allowed instead of 1 s", seconds),
            "CAP_SYS_RESOURCE allows shorter ones: use the systemd unit"};
  }
  return {Grade::ok, kWhat, "readable, with triggers of 1 s", {}};
}

Check processes(const Facts& facts) {
  constexpr const char* kWhat = "processes";
  if (!facts.processes) {
    return bad(Grade::fail, kWhat, facts.processes.error());
  }
  const ProcessFacts& seen = *facts.processes;
  if (seen.hidden > 0) {
    return {Grade::warn, kWhat,
            fmt::format("{} seen, {} of them may not be read (hidepid?)", seen.seen, seen.hidden),
            "run the daemon as root or with CAP_SYS_PTRACE, so that it can name every culprit"};
  }
  return {Grade::ok, kWhat, fmt::format("{} seen, all readable", seen.seen), {}};
}

Check user_names(const Facts& facts) {
  constexpr const char* kWhat = "user names";
  const std::size_t nameless = facts.processes ? facts.processes->nameless : 0;
  if (nameless > 0) {
    return {Grade::info, kWhat,
            fmt::format("{} processes belong to users without a name here; their number is shown",
                        nameless),
            "in a container, mount the host's /etc/passwd to see names"};
  }
  return {Grade::ok, kWhat, "every process's user has a name", {}};
}

Check state_dir(const Facts& facts) {
  constexpr const char* kWhat = "state directory";
  const StateDirFacts& dir = facts.state_dir;
  const std::string path = dir.path.string();
  if (!dir.writable) {
    return {Grade::warn, kWhat, fmt::format("{} cannot be written by this user", path),
            "history would be kept in memory only; use --state-dir or $LEVEE_STATE_DIR"};
  }
  const std::string free = dir.free ? format_bytes(*dir.free) + " free" : "free space unknown";
  if (dir.free && *dir.free < kLittleSpace) {
    return {Grade::warn, kWhat, fmt::format("{} has only {}", path, free),
            "free some space, or history will be kept in memory only"};
  }
  return {Grade::ok,
          kWhat,
          fmt::format("{} ({}{})", path, dir.exists ? "" : "will be made; ", free),
          {}};
}

Check port(const Facts& facts) {
  constexpr const char* kWhat = "HTTP port";
  if (!facts.listen) {
    return bad(Grade::fail, kWhat, facts.listen.error());
  }
  if (!*facts.listen) {
    return {Grade::ok, kWhat, "off: the Unix socket only", {}};
  }
  const auto port = (*facts.listen)->port;
  if (port == 0) {
    return {Grade::ok, kWhat, "0: any that is free", {}};
  }
  if (!facts.port_holder) {
    return {Grade::ok, kWhat, fmt::format("{} is free", port), {}};
  }
  const sources::PortHolder& holder = *facts.port_holder;
  const auto daemon_pid = pid_of(facts);
  if (holder.pid && daemon_pid && static_cast<double>(*holder.pid) == *daemon_pid) {
    return {Grade::ok, kWhat, fmt::format("{} is the daemon's", port), {}};
  }
  const std::string who =
      holder.pid ? fmt::format("pid {} ({})", *holder.pid, holder.command)
                 : fmt::format("a process of user id {} that this user may not see", holder.uid);
  // With a daemon that answers, the port may be its own and only its pid hidden.
  return {facts.daemon ? Grade::info : Grade::fail, kWhat,
          fmt::format("{} is held by {}", port, who),
          facts.daemon ? "" : "start with --listen 127.0.0.1:PORT or --listen off"};
}

double count_at(const Json& json, std::string_view name) {
  return number_at(json, name).value_or(0);
}

/// Whether those who want to be told are told; only a running daemon knows.
Check sinks(const Json& overview) {
  constexpr const char* kWhat = "sinks";
  std::vector<std::string> losses;
  std::string hint;
  const Json& all = member_at(overview, "daemon", "sinks");
  for (const auto& [name, sink] : all.items()) {
    const double failed = count_at(sink, "failed");
    const double dropped = count_at(sink, "dropped");
    if (failed > 0) {
      losses.push_back(fmt::format("{}: {:.0f} events failed, the last one: {}", name, failed,
                                   text_at(sink, "last_error", "detail").value_or("not known")));
      hint = text_at(sink, "last_error", "hint").value_or("");
    }
    if (dropped > 0) {
      losses.push_back(fmt::format("{}: {:.0f} events dropped, it was too slow", name, dropped));
    }
  }
  if (!losses.empty()) {
    return {Grade::warn, kWhat, fmt::format("{}", fmt::join(losses, "; ")), hint};
  }
  return {Grade::ok, kWhat, fmt::format("{} at work, nothing lost", all.size()), {}};
}

Check history(const Json& overview) {
  constexpr const char* kWhat = "history";
  const Json& store = member_at(overview, "store");
  const double points = count_at(store, "dropped_points");
  const double events = count_at(store, "dropped_events");
  if (points > 0 || events > 0) {
    return {Grade::warn, kWhat,
            fmt::format("{:.0f} points and {:.0f} events were lost since the daemon started",
                        points, events),
            "it could not be written for too long; the reason is in the daemon's log"};
  }
  return {Grade::ok, kWhat, "nothing lost", {}};
}

Check protection(std::string what, bool in_force, std::string detail, std::string hint) {
  return {in_force ? Grade::ok : Grade::info, std::move(what), std::move(detail), std::move(hint)};
}

/// A running daemon knows best what is in force; without one, what this user would be allowed.
std::vector<Check> protections(const Facts& facts) {
  if (facts.daemon && facts.daemon->overview) {
    const Json& report = member_at(*facts.daemon->overview, "daemon", "protection");
    const auto from = [&](std::string what, std::string_view name) {
      return protection(std::move(what), truth_at(report, name, "in_force").value_or(false),
                        text_at(report, name, "detail").value_or("not known"),
                        text_at(report, name, "hint").value_or(""));
    };
    return {from("memory lock", "memory_lock"), from("OOM score", "oom_score")};
  }
  const auto from = [](std::string what, const actions::Protection& each) {
    return protection(std::move(what), each.in_force, each.detail, each.hint);
  };
  return {from("memory lock", facts.protection.memory_lock),
          from("OOM score", facts.protection.oom_score)};
}

Check clock(const Facts& facts) {
  constexpr WallTime kBeforeLevee{std::chrono::sys_days{std::chrono::year{2024} / 1 / 1}};
  if (facts.now < kBeforeLevee) {
    return {Grade::warn, "clock", fmt::format("says {}", to_iso8601(facts.now)),
            "set it: alerts and history carry its time (no decision depends on it)"};
  }
  if (facts.clock_synchronised == false) {
    return {Grade::info, "clock",
            fmt::format("{}, not synchronised as far as this system knows", to_iso8601(facts.now)),
            "a time service (chrony, systemd-timesyncd) keeps times of several machines together"};
  }
  return {Grade::ok, "clock", to_iso8601(facts.now), {}};
}

Check configuration(const Facts& facts) {
  constexpr const char* kWhat = "configuration";
  if (!facts.settings) {
    return bad(Grade::fail, kWhat, facts.settings.error());
  }
  if (!facts.settings->notes().empty()) {
    return {Grade::info, kWhat, fmt::format("{}", fmt::join(facts.settings->notes(), "; ")),
            "`levee config show` tells what is in force"};
  }
  if (const auto& file = facts.settings->file()) {
    return {Grade::ok, kWhat, fmt::format("{} is valid", file->string()), {}};
  }
  std::vector<std::string> looked;
  std::ranges::transform(facts.config_candidates, std::back_inserter(looked),
                         [](const auto& path) { return path.string(); });
  return {Grade::ok,
          kWhat,
          fmt::format("no file, built-in settings (looked at {})", fmt::join(looked, ", ")),
          {}};
}

}  // namespace

std::vector<Check> examine(const Facts& facts) {
  std::vector<Check> checks{daemon(facts),    host_memory(facts), cgroup(facts),    pressure(facts),
                            processes(facts), user_names(facts),  state_dir(facts), port(facts)};
  if (facts.daemon && facts.daemon->overview) {
    checks.push_back(history(*facts.daemon->overview));
    checks.push_back(sinks(*facts.daemon->overview));
  }
  std::ranges::move(protections(facts), std::back_inserter(checks));
  checks.push_back(clock(facts));
  checks.push_back(configuration(facts));
  std::ranges::move(examine_gpus(facts.gpus), std::back_inserter(checks));
  return checks;
}

}  // namespace levee::cli
