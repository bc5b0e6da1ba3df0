#include "engine/gpu_tracks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/state_events.hpp"
#include "policy/xid.hpp"

namespace levee::engine {
namespace {

constexpr std::chrono::seconds kGrowthWindow{30};

Event xid_event(const GpuXid& xid, Now now) {
  Event event = plain_event(EventKind::xid,
                            fmt::format("The driver reported XID {} for {}: {}", xid.code, xid.uuid,
                                        policy::xid_meaning(xid.code)),
                            now);
  event.details = {{"xid", fmt::format("{}", xid.code)}, {"uuid", xid.uuid}};
  return event;
}

/// One pool: what the host has is what the device has (GB10, Jetson, integrated GPUs).
GpuMemory memory_of(const HostReading& host) {
  return {.total = host.total, .used = host.used(), .free = host.available, .reserved = {}};
}

/// Seconds on the monotonic clock.
double seconds_of(MonoTime time) { return Seconds(time.time_since_epoch()).count(); }

Forecast forecast_of(const history::Blocks<history::GpuSample>& past, const GpuReading& gpu,
                     MonoTime now) {
  return forecast_memory(memory_points(past, now),
                         {.now = seconds_of(now),
                          .limit = gpu.memory ? std::optional(gpu.memory->total) : std::nullopt});
}

policy::GpuJudgement judgement_of(const policy::GpuLevels& levels, const Forecast& forecast,
                                  const GpuReading& gpu) {
  policy::GpuJudgement judged{.levels = levels};
  if (forecast.projected && gpu.memory && gpu.memory->total > Bytes{}) {
    judged.projected_percent =
        100 * forecast.projected->bytes / static_cast<double>(gpu.memory->total.count);
    judged.is_filling = forecast.bytes_per_second.value_or(0) > 0;
  }
  return judged;
}

}  // namespace

void GpuTracks::complete(std::vector<GpuReading>& gpus,
                         const std::optional<Sampled<HostReading>>& host) {
  for (GpuReading& gpu : gpus) {
    if (gpu.identity->unified_memory && host) {
      gpu.memory = memory_of(host->value);
    }
    Track& track = tracks_[gpu.identity->uuid];
    if (!gpu.processes) {
      continue;
    }
    std::set<pid_t> present;
    for (GpuProcess& process : *gpu.processes) {
      present.insert(process.pid);
      if (!process.memory) {
        continue;
      }
      sources::GrowthMarks& marks = track.growth[process.pid];
      if (const auto growth = marks.until(gpu.read_at, *process.memory, kGrowthWindow)) {
        process.growth_per_second = growth->bytes_per_second;
      }
      marks.add(gpu.read_at, *process.memory, kGrowthWindow);
    }
    std::erase_if(track.growth, [&](const auto& entry) { return !present.contains(entry.first); });
  }
}

GpuTracks::Step GpuTracks::step(const Snapshot& snapshot, const config::Config& config) {
  Step step;
  samples_.clear();
  for (const GpuXid& xid : snapshot.xids) {
    std::vector<GpuXid>& remembered = tracks_[xid.uuid].xids;
    remembered.push_back(xid);
    if (remembered.size() > api::kRememberedXids) {
      remembered.erase(remembered.begin());
    }
    step.events.push_back(xid_event(xid, snapshot.at));
  }
  for (const GpuReading& gpu : snapshot.gpus) {
    Track& track = tracks_[gpu.identity->uuid];
    const bool is_new = track.read_at == MonoTime{};
    const bool is_fresh = policy::is_judged(gpu, config.thresholds, snapshot.at.mono);
    if (is_fresh && gpu.read_at != track.read_at) {
      const history::GpuSample sample = history::gpu_sample(gpu, snapshot.at);
      track.past.append(sample, config.history_seconds);
      samples_.emplace_back(gpu.identity->uuid, sample);
    }
    track.read_at = gpu.read_at;
    const Level before = track.levels.device;
    track.levels = policy::gpu_levels(gpu, track.levels, config.thresholds, snapshot.at.mono);
    tell_changes(step.events, gpu, track, is_new, before, config.thresholds, snapshot.at);
    const control::Advice advice = control::capped_by_load(
        control::step(track.throttle, track.levels.device, config.throttle_cooldown,
                      snapshot.at.mono),
        is_fresh ? gpu.utilization_percent : std::nullopt, config.thresholds.load_throttle_percent);
    const Forecast forecast = forecast_of(track.past, gpu, snapshot.at.mono);
    step.judged.push_back(judgement_of(track.levels, forecast, gpu));
    step.views.push_back({.reading = &gpu,
                          .levels = track.levels,
                          .advice = advice,
                          .fresh = is_fresh,
                          .past = track.past,
                          .forecast = forecast,
                          .xids = track.xids});
  }
  return step;
}

void GpuTracks::tell_changes(std::vector<Event>& events, const GpuReading& gpu, Track& track,
                             bool is_new, Level before, const policy::Thresholds& thresholds,
                             Now now) const {
  const GpuIdentity& who = *gpu.identity;
  const auto tell = [&](Event event) { events.push_back(about(who, std::move(event))); };

  const bool is_lost = gpu.condition == GpuCondition::lost;
  if (is_lost && !track.is_lost) {
    tell(plain_event(
        EventKind::gpu_lost,
        fmt::format("{} ({}) is lost: {}", name_of(who), who.name,
                    gpu.condition_detail.empty() ? "it is no longer listed" : gpu.condition_detail),
        now));
  } else if (!is_lost && (is_new || track.is_lost)) {
    tell(plain_event(
        EventKind::gpu_found,
        fmt::format("{} ({}) is {}", name_of(who), who.name, is_new ? "watched" : "back"), now));
  }
  track.is_lost = is_lost;

  const Level after = track.levels.device;
  if (after != before && (!is_new || is_throttling(after))) {
    tell(state_event(name_of(who), before, track.known, after, now));
  }
  if (after != Level::unavailable) {
    track.known = after;
    const bool is_overheated = gpu.temperature_celsius.value_or(0) > thresholds.temp_critical;
    if (is_overheated && !track.is_overheated) {
      tell(plain_event(EventKind::overheat,
                       fmt::format("{} has {:.0f} °C, above temp_critical = {:g} °C", name_of(who),
                                   *gpu.temperature_celsius, thresholds.temp_critical),
                       now));
    }
    track.is_overheated = is_overheated;
  }
}

std::vector<MemoryPoint> memory_points(const history::Blocks<history::GpuSample>& past,
                                       MonoTime now) {
  std::vector<MemoryPoint> points;
  past.for_each(
      now, std::chrono::ceil<std::chrono::seconds>(ForecastQuestion{}.window),
      [&](const history::GpuSample& sample) {
        if (sample.memory) {
          const Bytes taken = sample.memory->taken_without_balloons();
          points.push_back({seconds_of(sample.at.mono), static_cast<double>(taken.count)});
        }
      });
  return points;
}

std::optional<std::size_t> most_pressed(const std::vector<api::GpuView>& gpus) {
  const auto fullness = [](const api::GpuView& gpu) {
    return gpu.fresh && !gpu.reading->identity->is_instance() && gpu.reading->memory
               ? gpu.reading->memory->percent_without_balloons()
               : -1.0;
  };
  const auto fullest = std::ranges::max_element(gpus, {}, fullness);
  if (fullest == gpus.end() || fullness(*fullest) < 0) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(fullest - gpus.begin());
}

}  // namespace levee::engine
