// View: everything a reader may see, as it was after one tick. The engine publishes a new one in
// one atomic swap; nobody changes it afterwards. Safe to read from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actions/protect.hpp"
#include "api/ledger_port.hpp"
#include "api/recovery_view.hpp"
#include "config/settings.hpp"
#include "control/throttle.hpp"
#include "core/alert.hpp"
#include "core/snapshot.hpp"
#include "estimate/model_cache.hpp"
#include "estimate/requirements.hpp"
#include "history/gpu_sample.hpp"
#include "history/host_sample.hpp"
#include "levee/forecast.hpp"
#include "levee/level.hpp"
#include "policy/gpu.hpp"
#include "policy/thresholds.hpp"
#include "reclaim/roster.hpp"
#include "sources/self.hpp"
#include "store/store_worker.hpp"

namespace levee::api {

/// One GPU as it was judged.
struct GpuView {
  const GpuReading* reading = nullptr;  ///< In the View's own snapshot. Never null.
  policy::GpuLevels levels;
  control::Advice advice;
  bool fresh = false;  ///< False: lost, or the reading is too old to judge by.
  history::Blocks<history::GpuSample> past;
  Forecast forecast;         ///< Of its memory; the limit is its total.
  std::vector<GpuXid> xids;  ///< The newest last, at most kRememberedXids.
};

inline constexpr std::size_t kRememberedXids = 16;

/// What the guard thread last saw.
struct GuardView {
  std::optional<Bytes> available;
  std::optional<Bytes> line;
  bool at_line = false;                  ///< The brake line is reached, or will be in a moment.
  std::chrono::nanoseconds interval{0};  ///< Until its next look.
  std::uint64_t looks = 0;
  std::size_t victims = 0;           ///< Processes in its prepared table.
  double fill_bytes_per_second = 0;  ///< The assumed or learned fastest fill rate.
};

/// How one sink does its work.
struct SinkView {
  std::string name;
  std::uint64_t written = 0;
  std::uint64_t failed = 0;         ///< Given up, retries included.
  std::uint64_t dropped = 0;        ///< Lost because its queue was full.
  std::optional<Error> last_error;  ///< Of the last event that failed, if one did.
};

/// The daemon's own use and work.
struct DaemonView {
  pid_t pid = 0;
  WallTime started;
  sources::SelfUse self;
  std::optional<double> cpu_percent;      ///< Of one core, since the previous tick.
  std::chrono::nanoseconds tick_time{0};  ///< How long the last tick took, reading included.
  std::uint64_t ticks = 0;
  std::uint64_t commands_dropped = 0;
  actions::ProtectionReport protection;
  store::StoreHealth store;
  std::vector<SinkView> sinks;
  std::shared_ptr<const LedgerView> ledger;        ///< Null: there is none, or not yet.
  std::shared_ptr<const reclaim::Roster> reclaim;  ///< Who can give memory back; null: no daemon.
  std::shared_ptr<const RecoveryView> recovery;    ///< Null: there is none, or not yet.
};

/// A past event as the stream sends it.
struct StreamedEvent {
  std::uint64_t id = 0;
  std::string kind;
  std::string json;
};

using AlertCounts = std::map<std::pair<AlertType, Severity>, std::uint64_t>;

struct View {
  std::shared_ptr<const Snapshot> snapshot;  ///< Never null.
  Level level = Level::unavailable;          ///< The host's state.
  control::Advice advice;
  Health health = Health::unknown;
  bool pressure = false;  ///< Host memory use is beyond memory_pressure_threshold.
  policy::HostLines lines;
  Forecast host_forecast;  ///< Of the host's memory, cgroup limits included.
  std::shared_ptr<const std::vector<history::HostSample>> samples;  ///< Never null.
  std::shared_ptr<const std::vector<Alert>> active;                 ///< Never null.
  std::shared_ptr<const std::vector<Alert>> recent;                 ///< Newest first.
  std::shared_ptr<const std::vector<StreamedEvent>> events;         ///< Oldest first, ≤ 256.
  std::shared_ptr<const AlertCounts> alert_counts;                  ///< Since start.
  std::shared_ptr<const config::Settings> settings;                 ///< Never null.
  std::vector<GpuView> gpus;                                        ///< In the snapshot's order.
  std::optional<std::size_t> pressed_gpu;  ///< The whole device with the fullest memory (F-29).
  std::shared_ptr<const estimate::ModelRegistry> models;    ///< Null: those that are built in.
  std::shared_ptr<const estimate::ModelCache> model_cache;  ///< Null: nothing is cached.
  GuardView guard;
  DaemonView daemon;
};

}  // namespace levee::api
