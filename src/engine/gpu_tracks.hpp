// GpuTracks: what the engine remembers of each GPU between two ticks: its state, its throttle, its
// past, and how its processes grow. Keyed by UUID, so nothing moves when a device is lost. One
// owner thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/view.hpp"
#include "config/config.hpp"
#include "control/throttle.hpp"
#include "core/alert.hpp"
#include "core/snapshot.hpp"
#include "history/gpu_sample.hpp"
#include "levee/forecast.hpp"
#include "policy/gpu.hpp"
#include "sources/growth.hpp"

namespace levee::engine {

class GpuTracks {
 public:
  /// Completes fresh readings before they enter the snapshot: growth of each process, and the
  /// host's memory where a device has none of its own.
  void complete(std::vector<GpuReading>& gpus, const std::optional<Sampled<HostReading>>& host);

  struct Step {
    std::vector<api::GpuView> views;  ///< Their readings lie in `snapshot`.
    std::vector<policy::GpuJudgement> judged;
    std::vector<Event> events;
  };

  /// Moves every device of `snapshot` on by one tick.
  [[nodiscard]] Step step(const Snapshot& snapshot, const config::Config& config);

  /// What is new for the store: samples of this tick, with the UUIDs they belong to.
  [[nodiscard]] const std::vector<std::pair<std::string, history::GpuSample>>& samples() const {
    return samples_;
  }

 private:
  struct Track {
    policy::GpuLevels levels;
    Level known = Level::unavailable;  ///< The last state that came from a reading.
    bool is_lost = false;
    bool is_overheated = false;
    MonoTime read_at;
    control::Throttle throttle;
    history::Blocks<history::GpuSample> past;
    std::vector<GpuXid> xids;
    std::map<pid_t, sources::GrowthMarks> growth;
  };

  void tell_changes(std::vector<Event>& events, const GpuReading& gpu, Track& track, bool is_new,
                    Level before, const policy::Thresholds& thresholds, Now now) const;

  std::map<std::string, Track> tracks_;
  std::vector<std::pair<std::string, history::GpuSample>> samples_;
};

/// What was used of a GPU in the last five minutes, without balloons.
[[nodiscard]] std::vector<MemoryPoint> memory_points(
    const history::Blocks<history::GpuSample>& past, MonoTime now);

/// The whole device with the fullest memory among those that are judged.
[[nodiscard]] std::optional<std::size_t> most_pressed(const std::vector<api::GpuView>& gpus);

}  // namespace levee::engine
