#include "recorder/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "config/settings.hpp"
#include "recorder/story.hpp"

namespace levee::recorder {
namespace {

/// A rise or a growth below this share of the whole is no part of the story.
constexpr double kNotablePercent = 5;
constexpr double kFullPercent = 80;
constexpr Bytes kNotableGrowth = mib(16);

Bytes share_of(Bytes whole, double percent) {
  return Bytes{static_cast<std::uint64_t>(static_cast<double>(whole.count) * percent / 100)};
}

/// The rise to the highest point: from the last time that use was near its lowest before it.
Filled filled_of(const Series& series) {
  Filled filled{.kind = series.kind,
                .name = series.name,
                .key = series.key,
                .total = series.total,
                .before = {},
                .peak = {},
                .since = {},
                .peak_at = {},
                .bytes_per_second = {}};
  if (series.points.empty()) {
    return filled;
  }
  const auto peak = std::ranges::max_element(series.points, {}, &Point::used);
  const auto lowest =
      std::min_element(series.points.begin(), std::next(peak),
                       [](const auto& a, const auto& b) { return a.used < b.used; });
  const Bytes near = lowest->used + share_of(peak->used - lowest->used, kNotablePercent);
  const auto begin =
      std::find_if(std::make_reverse_iterator(std::next(peak)), std::make_reverse_iterator(lowest),
                   [&](const Point& point) { return point.used <= near; });
  const Point& from = begin == std::make_reverse_iterator(lowest) ? *lowest : *begin;
  filled.peak = peak->used;
  filled.peak_at = peak->at.wall;
  if (peak->used > from.used) {
    filled.before = from.used;
    filled.since = from.at.wall;
    const double seconds = Seconds(peak->at.mono - from.at.mono).count();
    if (seconds > 0) {
      filled.bytes_per_second = static_cast<double>((peak->used - from.used).count) / seconds;
    }
  }
  return filled;
}

/// How much of the story a resource is: what the incident is about first, then how full it was.
double weight_of(const Filled& filled, const std::optional<Incident>& incident) {
  constexpr double kNamed = 1000;
  double weight = percent_of(filled.peak, filled.total);
  if (incident) {
    const auto is_limit = [&](const sources::OomKill& kill) {
      return filled.kind == Filled::Kind::cgroup ? kill.cgroup == filled.key
                                                 : filled.key.empty() && kill.cgroup.empty();
    };
    const bool is_named =
        std::ranges::any_of(incident->victims, is_limit) ||
        (filled.kind == Filled::Kind::gpu && std::ranges::count(incident->gpus, filled.key) > 0);
    weight += is_named ? kNamed : 0;
  }
  return weight;
}

bool is_notable(const Filled& filled, const std::optional<Incident>& incident) {
  const Bytes rise = filled.peak - filled.before.value_or(filled.peak);
  return weight_of(filled, incident) >= kFullPercent ||
         (filled.total.count > 0 && percent_of(rise, filled.total) >= kNotablePercent);
}

std::vector<Filled> what_filled(const Story& story) {
  std::vector<Filled> all;
  for (const auto& [key, series] : story.series) {
    all.push_back(filled_of(series));
  }
  if (story.incident) {
    // A limit that was reached within a second, before anybody looked.
    for (const sources::OomKill& kill : story.incident->victims) {
      if (!kill.cgroup.empty() && !story.series.contains(kill.cgroup) &&
          std::ranges::count(all, kill.cgroup, &Filled::key) == 0) {
        all.push_back({.kind = Filled::Kind::cgroup,
                       .name = "cgroup " + kill.cgroup,
                       .key = kill.cgroup,
                       .total = kill.limit.value_or(Bytes{}),
                       .before = {},
                       .peak = kill.limit.value_or(Bytes{}),
                       .since = {},
                       .peak_at = {},
                       .bytes_per_second = {}});
      }
    }
  }
  for (Filled& filled : all) {
    // The kernel kills where there is nothing left, however little of it we saw.
    const bool was_reached =
        filled.kind == Filled::Kind::cgroup && weight_of(filled, story.incident) > 1000;
    filled.peak = was_reached ? std::max(filled.peak, filled.total) : filled.peak;
  }
  std::ranges::stable_sort(all, std::ranges::greater{},
                           [&](const Filled& filled) { return weight_of(filled, story.incident); });
  std::erase_if(all, [&](const Filled& filled) { return !is_notable(filled, story.incident); });
  return all;
}

/// The lease that `pid` or one of its ancestors owns; empty: none of those we saw.
std::string lease_of(const Story& story, pid_t pid) {
  constexpr int kDeepest = 64;
  for (int depth = 0; depth < kDeepest && pid > 1; ++depth) {
    for (const auto& [id, report] : story.leases) {
      if (report.lease.owner.pid == pid) {
        return id;
      }
    }
    const auto actor = story.actors.lower_bound({pid, 0});
    if (actor == story.actors.end() || actor->first.first != pid || !actor->second.identity) {
      break;
    }
    pid = actor->second.identity->parent;
  }
  return {};
}

/// Whether a process is one of those that could fill it. A machine with both versions of cgroups
/// may show another path of a victim than the kernel does.
bool is_on(const Story& story, const Filled& filled, const Actor& actor, pid_t pid) {
  return filled.kind != Filled::Kind::cgroup ||
         (actor.identity && is_within(actor.identity->cgroup, filled.key)) ||
         (story.incident &&
          std::ranges::count(story.incident->victims, pid, &sources::OomKill::pid) > 0);
}

Grower grower_of(const Story& story, const Actor& actor, pid_t pid, const Filled& filled) {
  const bool is_gpu = filled.kind == Filled::Kind::gpu;
  const auto held = actor.holdings.find(is_gpu ? filled.key : std::string());
  const Holding holding = held == actor.holdings.end() ? Holding{} : held->second;
  return {.pid = pid,
          .user = actor.identity ? actor.identity->user : "",
          .command = actor.identity ? actor.identity->command : "",
          .gpu = is_gpu ? filled.name.substr(0, filled.name.find(" (")) : "",
          .before = holding.first,
          .peak = holding.peak,
          .began = actor.first_seen.mono > story.begin->mono,
          .ended = actor.last_seen.mono < story.end.mono,
          .killed = false,
          .lease = lease_of(story, pid)};
}

/// Marks whom the kernel killed, and adds those whom nobody saw alive.
void add_victims(const Story& story, std::vector<Grower>& growers) {
  if (!story.incident) {
    return;
  }
  for (const sources::OomKill& kill : story.incident->victims) {
    auto known = std::ranges::find(growers, kill.pid, &Grower::pid);
    if (known == growers.end()) {
      growers.push_back({.pid = kill.pid,
                         .user = kill.uid ? fmt::format("uid {}", *kill.uid) : "",
                         .command = kill.comm,
                         .gpu = {},
                         .before = {},
                         .peak = {},
                         .began = true,
                         .ended = true,
                         .killed = false,
                         .lease = lease_of(story, kill.pid)});
      known = std::prev(growers.end());
    }
    known->killed = true;
    known->ended = true;
    if (known->gpu.empty()) {
      known->peak = std::max(known->peak, kill.rss.value_or(Bytes{}));
    }
  }
}

std::vector<Grower> who_grew(const Story& story, const Filled& filled) {
  std::vector<Grower> growers;
  for (const auto& [id, actor] : story.actors) {
    if (is_on(story, filled, actor, id.first)) {
      growers.push_back(grower_of(story, actor, id.first, filled));
    }
  }
  if (filled.kind != Filled::Kind::gpu) {
    add_victims(story, growers);
  }
  std::erase_if(growers, [](const Grower& g) { return !g.killed && g.grown() < kNotableGrowth; });
  std::ranges::stable_sort(growers, std::ranges::greater{}, &Grower::grown);
  return growers;
}

std::vector<UserGrowth> by_user(const std::vector<Grower>& growers) {
  std::vector<UserGrowth> users;
  for (const Grower& grower : growers) {
    const auto known = std::ranges::find(users, grower.user, &UserGrowth::user);
    if (known == users.end()) {
      users.push_back({grower.user, grower.grown()});
    } else {
      known->grown += grower.grown();
    }
  }
  std::ranges::stable_sort(users, std::ranges::greater{}, &UserGrowth::grown);
  return users;
}

std::string name_of(const Story& story, const std::string& uuid) {
  const auto series = story.series.find(uuid);
  return series == story.series.end()
             ? uuid
             : series->second.name.substr(0, series->second.name.find(" ("));
}

std::vector<OverPromise> over_promises(const Story& story) {
  std::vector<OverPromise> over;
  for (const auto& [id, report] : story.leases) {
    if (!report.lease.demand.within.empty()) {
      continue;  // Its use counts as that of another.
    }
    const auto add = [&](std::string resource, Bytes promised, Bytes used) {
      if (promised.count > 0 && used > promised) {
        over.push_back({.lease = id,
                        .name = report.lease.name,
                        .user = report.user,
                        .resource = std::move(resource),
                        .promised = promised,
                        .used = used});
      }
    };
    add("host memory", report.lease.demand.host, report.peak.host);
    for (const ledger::DeviceShare& share : report.lease.shares) {
      const auto used =
          std::ranges::find(report.peak.devices, share.uuid, &ledger::DeviceShare::uuid);
      if (used != report.peak.devices.end()) {
        add(name_of(story, share.uuid), share.bytes, used->bytes);
      }
    }
  }
  std::ranges::stable_sort(over, std::ranges::greater{},
                           [](const OverPromise& o) { return o.used - o.promised; });
  return over;
}

// --- what would have helped

std::string span_text(std::chrono::nanoseconds span) {
  return format_duration(std::chrono::floor<std::chrono::seconds>(span));
}

/// When use went beyond `percent` for the last time before the peak; nothing when it was beyond it
/// from the start, or never.
std::optional<Now> crossed(const Series& series, double percent) {
  const auto peak = std::ranges::max_element(series.points, {}, &Point::used);
  std::optional<Now> at;
  bool was_below = false;
  for (auto point = series.points.begin(); point != series.points.end() && point <= peak; ++point) {
    const bool is_beyond = percent_of(point->used, series.total) > percent;
    if (is_beyond && was_below && !at) {
      at = point->at;
    }
    if (!is_beyond) {
      was_below = true;
      at.reset();
    }
  }
  return at;
}

/// The warning that would have come earlier, had its threshold been lower.
void advise_threshold(const Story& story, const Filled& filled, std::vector<std::string>& helps) {
  const auto series = story.series.find(filled.key);
  if (filled.kind == Filled::Kind::cgroup || series == story.series.end() || !story.opening) {
    return;
  }
  const auto settings = config::Settings::of_layers(story.opening->settings);
  if (!settings) {
    return;
  }
  const policy::Thresholds& lines = settings->config().thresholds;
  const bool is_gpu = filled.kind == Filled::Kind::gpu;
  const double set = is_gpu ? lines.gpu_memory_warning : lines.cpu_memory_warning;
  const auto warned = crossed(series->second, set);
  const auto peak = std::ranges::max_element(series->second.points, {}, &Point::used);
  const MonoTime when = warned ? warned->mono : peak->at.mono;
  // The one that changes least and still gives time to act.
  constexpr std::chrono::seconds kWorthwhile{20};
  for (const double less : {5.0, 10.0, 20.0, 30.0, 40.0}) {
    const auto earlier = crossed(series->second, set - less);
    if (earlier && when - earlier->mono >= kWorthwhile) {
      const std::string what = fmt::format("{} = {:g} would have warned at {} UTC",
                                           is_gpu ? "gpu_memory_warning" : "cpu_memory_warning",
                                           set - less, to_iso8601(earlier->wall).substr(11, 8));
      const std::string gain = span_text(when - earlier->mono);
      helps.push_back(warned
                          ? fmt::format("{}, {} earlier than {:g} did", what, gain, set)
                          : fmt::format("{}, {} before the peak; {:g} was never passed meanwhile",
                                        what, gain, set));
      return;
    }
  }
}

void advise_limit(const Story& story, const Filled& filled, std::vector<std::string>& helps) {
  if (filled.kind != Filled::Kind::cgroup || filled.total.count == 0) {
    return;
  }
  helps.push_back(fmt::format(
      "the limit of {} is {}, and that was reached{}: raise it, or make what runs there smaller",
      filled.name, format_bytes(filled.total),
      story.host_available ? fmt::format("; the machine itself had {} available",
                                         format_bytes(*story.host_available))
                           : std::string()));
}

void advise_promise(const Verdict& verdict, std::vector<std::string>& helps) {
  for (const OverPromise& over : verdict.over) {
    helps.push_back(
        fmt::format("lease {}{} was promised {} of {} and used {}: ask for at least that next time",
                    over.lease, over.name.empty() ? "" : " (" + over.name + ")",
                    format_bytes(over.promised), over.resource, format_bytes(over.used)));
  }
  if (verdict.filled.empty() || verdict.growers.empty()) {
    return;
  }
  const Filled& filled = verdict.filled.front();
  const Grower& first = verdict.growers.front();
  const Bytes rise = filled.peak - filled.before.value_or(Bytes{});
  constexpr double kMuchPercent = 25;
  if (first.lease.empty() && percent_of(first.grown(), rise) >= kMuchPercent &&
      filled.kind != Filled::Kind::cgroup) {
    helps.push_back(fmt::format(
        "process {} held no promise: `levee run --{} {:.1f}GB -- …` would have let it begin only "
        "where so much was free",
        first.pid, first.gpu.empty() ? "host-mem" : "gpu-mem",
        std::ceil(10 * to_gb(first.peak)) / 10));
  }
}

/// Promised memory that others took.
void advise_balloon(const Story& story, const Filled& filled, std::vector<std::string>& helps) {
  if (filled.kind != Filled::Kind::gpu || percent_of(filled.peak, filled.total) < kFullPercent) {
    return;
  }
  for (const auto& [id, report] : story.leases) {
    const auto share =
        std::ranges::find(report.lease.shares, filled.key, &ledger::DeviceShare::uuid);
    if (report.lease.demand.kind != ledger::LeaseKind::booking ||
        share == report.lease.shares.end()) {
      continue;
    }
    const auto used =
        std::ranges::find(report.used.devices, filled.key, &ledger::DeviceShare::uuid);
    const Bytes has = used == report.used.devices.end() ? Bytes{} : used->bytes;
    const Bytes missing = share->bytes - has;
    if (missing > filled.total - filled.peak) {
      helps.push_back(fmt::format(
          "lease {} had {} of the {} that it was promised, and less than the rest was free: held "
          "as a balloon (`levee run --hold`) nobody else could have taken it",
          id, format_bytes(has), format_bytes(share->bytes)));
    }
  }
}

}  // namespace

Verdict judge(const std::vector<Item>& items) {
  Story story = tell_story(items);
  Verdict verdict;
  verdict.incident = story.incident;
  verdict.lost = story.lost;
  verdict.happened = std::move(story.happened);
  verdict.left_out = story.left_out;
  if (story.opening) {
    verdict.hostname = story.opening->hostname;
    verdict.version = story.opening->version;
  }
  if (!story.begin) {
    return verdict;
  }
  verdict.from = story.begin->wall;
  verdict.to = story.end.wall;
  verdict.filled = what_filled(story);
  verdict.over = over_promises(story);
  // Without anything that filled, host memory is what everybody has.
  verdict.growers = who_grew(story, verdict.filled.empty() ? Filled{} : verdict.filled.front());
  verdict.users = by_user(verdict.growers);
  if (!verdict.filled.empty()) {
    advise_limit(story, verdict.filled.front(), verdict.helps);
    advise_threshold(story, verdict.filled.front(), verdict.helps);
  }
  advise_promise(verdict, verdict.helps);
  if (!verdict.filled.empty()) {
    advise_balloon(story, verdict.filled.front(), verdict.helps);
  }
  if (verdict.growers.size() > kMostGrowers) {
    verdict.growers.resize(kMostGrowers);
  }
  return verdict;
}

}  // namespace levee::recorder
