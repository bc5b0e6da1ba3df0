#include "policy/state.hpp"

#include <algorithm>

namespace levee::policy {
namespace {

/// Bounds as G2 draws them: lower ends inclusive, the last band inclusive at the top.
Level band(double percent, const Thresholds& t) {
  if (percent < t.memory_optimal) {
    return Level::optimal;
  }
  if (percent < t.memory_normal) {
    return Level::normal;
  }
  if (percent <= t.memory_critical) {
    return Level::throttled;
  }
  return Level::critical;
}

}  // namespace

Level memory_level(std::optional<double> percent, Level previous, const Thresholds& thresholds) {
  if (!percent) {
    return Level::unavailable;
  }
  const Level now = band(*percent, thresholds);
  if (previous == Level::unavailable || now >= previous) {
    return now;
  }
  // On the way down a state is left only once the reading is `hysteresis` points below its bound.
  return std::min(previous, band(*percent + thresholds.hysteresis, thresholds));
}

const HostReading* fresh_host(const Snapshot& snapshot, const Thresholds& thresholds) {
  if (!snapshot.host || snapshot.at.mono - snapshot.host->read_at > thresholds.stale_after) {
    return nullptr;
  }
  return &snapshot.host->value;
}

bool counts_as_recent(const Alert& alert, MonoTime now) {
  return !alert.resolved_at || now - alert.last_active < kAlertWindow;
}

Health health(Level level, std::span<const Alert> alerts, MonoTime now) {
  if (level == Level::unavailable) {
    return Health::unknown;
  }
  bool warned = false;
  for (const Alert& alert : alerts) {
    if (!counts_as_recent(alert, now)) {
      continue;
    }
    if (alert.last_critical && now - *alert.last_critical < kAlertWindow) {
      return Health::critical;
    }
    warned = true;
  }
  if (level == Level::critical) {
    return Health::critical;
  }
  return warned ? Health::moderate : Health::healthy;
}

}  // namespace levee::policy
