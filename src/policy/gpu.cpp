#include "policy/gpu.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "policy/culprit.hpp"
#include "policy/state.hpp"

namespace levee::policy {
namespace {

Level temperature_band(double celsius, const Thresholds& t) {
  if (celsius < t.temp_optimal) {
    return Level::optimal;
  }
  if (celsius < t.temp_normal) {
    return Level::normal;
  }
  if (celsius <= t.temp_throttle) {
    return Level::throttled;
  }
  return Level::critical;
}

/// The worse of two states of one device; an unknown one does not count.
Level worse(Level a, Level b) {
  if (a == Level::unavailable || b == Level::unavailable) {
    return std::min(a, b);
  }
  return std::max(a, b);
}

/// The process in the words of an alert; who it is may be unknown.
Culprit culprit_of(const GpuProcess& process) {
  Culprit culprit;
  if (process.identity) {
    const ProcessIdentity& who = *process.identity;
    culprit = {.id = who.id,
               .user = who.user,
               .comm = who.comm,
               .command = who.command,
               .rss = {},
               .gpu_memory = {},
               .growth_per_second = {}};
  }
  culprit.id.pid = process.pid;
  culprit.rss = process.rss.value_or(Bytes{});
  culprit.gpu_memory = process.memory;
  return culprit;
}

}  // namespace

bool is_judged(const GpuReading& gpu, const Thresholds& thresholds, MonoTime now) {
  return gpu.condition == GpuCondition::ok && now - gpu.read_at <= thresholds.stale_after;
}

Level temperature_level(std::optional<double> celsius, Level previous,
                        const Thresholds& thresholds) {
  if (!celsius) {
    return Level::unavailable;
  }
  const Level now = temperature_band(*celsius, thresholds);
  if (previous == Level::unavailable || now >= previous) {
    return now;
  }
  return std::min(previous, temperature_band(*celsius + thresholds.hysteresis, thresholds));
}

GpuLevels gpu_levels(const GpuReading& gpu, const GpuLevels& previous, const Thresholds& thresholds,
                     MonoTime now) {
  if (!is_judged(gpu, thresholds, now)) {
    return {};
  }
  GpuLevels levels;
  levels.temperature = temperature_level(gpu.temperature_celsius, previous.temperature, thresholds);
  levels.memory = memory_level(
      gpu.memory ? std::optional(gpu.memory->percent_without_balloons()) : std::nullopt,
      previous.memory, thresholds);
  levels.device = worse(levels.temperature, levels.memory);
  return levels;
}

std::optional<Bytes> unattributed_memory(const GpuReading& gpu) {
  if (!gpu.memory || !gpu.processes || gpu.identity->unified_memory) {
    return std::nullopt;
  }
  Bytes attributed;
  for (const GpuProcess& process : *gpu.processes) {
    if (!process.memory) {
      return std::nullopt;
    }
    attributed += *process.memory;
  }
  return gpu.memory->used - attributed;
}

std::optional<Bytes> grantable_memory(const GpuReading& gpu, Bytes reserve) {
  if (!gpu.memory) {
    return std::nullopt;
  }
  // Never total − used: what the driver keeps for itself is neither used nor free.
  return gpu.memory->free - reserve;
}

std::vector<UserMemory> memory_by_user(const GpuReading& gpu) {
  std::map<std::string, UserMemory> totals;
  for (const GpuProcess& process : gpu.processes.value_or(std::vector<GpuProcess>{})) {
    const std::string user = process.identity ? process.identity->user : "?";
    UserMemory& total = totals[user];
    total.user = user;
    total.memory += process.memory.value_or(Bytes{});
    total.complete = total.complete && process.memory.has_value();
    ++total.processes;
  }
  std::vector<UserMemory> users;
  users.reserve(totals.size());
  for (auto& [name, total] : totals) {
    users.push_back(std::move(total));
  }
  std::ranges::sort(users, [](const UserMemory& a, const UserMemory& b) {
    return std::tie(b.memory, a.user) < std::tie(a.memory, b.user);
  });
  return users;
}

std::optional<Culprit> find_gpu_culprit(const GpuReading& gpu) {
  if (!gpu.processes || gpu.processes->empty()) {
    return std::nullopt;
  }
  const auto growth = [](const GpuProcess& p) { return p.growth_per_second.value_or(0); };
  const GpuProcess& fastest = *std::ranges::max_element(*gpu.processes, {}, growth);
  if (growth(fastest) > 0) {
    Culprit culprit = culprit_of(fastest);
    culprit.growth_per_second = fastest.growth_per_second;
    return culprit;
  }
  const GpuProcess& largest = *std::ranges::max_element(
      *gpu.processes, {}, [](const GpuProcess& p) { return p.memory.value_or(Bytes{}); });
  return culprit_of(largest);
}

}  // namespace levee::policy
