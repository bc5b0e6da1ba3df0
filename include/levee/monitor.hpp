// MemoryMonitor: watches the memory of this machine's GPUs and of the host from within a program,
// says when it runs out, and runs what the program registered to free some. It needs no daemon: it
// is the daemon's engine on a thread of the program.
//
//   levee::MemoryMonitor monitor;
//   monitor.on_alert(levee::Severity::critical, [](const levee::MemoryAlert& alert) {
//     std::cerr << alert.message << '\n';
//   });
//   monitor.on_recovery(levee::ReclaimStrategy::clear_cache,
//                       [&](const levee::RecoveryRequest& request) {
//                         return cache.clear(*request.memory.gpu_id);
//                       });
//   if (const auto started = monitor.start(); !started) { …started.error().message… }
//
// Strategies are tried from the least to the most disruptive, one at a time; after each the device
// is looked at again, and nothing more is done once it is below the line. What gave nothing rests
// (docs/recovery.md). Callbacks run one at a time on a thread of their own; what they throw is
// counted, and for a strategy means that it failed.
//
// Thread-safe, but for the constructor and the destructor; callbacks may call everything here.
// After fork() the child has no monitor: the copy it sees does nothing, and may be destroyed.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "levee/bytes.hpp"
#include "levee/level.hpp"
#include "levee/reclaim_strategy.hpp"
#include "levee/result.hpp"

namespace levee {

/// The memory of a GPU, or of the host, as it was at the last look.
struct MemoryStats {
  std::optional<int> gpu_id;  ///< As the driver counts; absent: the host.
  std::string device;         ///< The GPU's UUID, or "host".
  std::string name;           ///< "NVIDIA A100-SXM4-80GB", "host memory".
  Bytes total;
  Bytes used;          ///< As nvidia-smi shows it; of the host what is not available.
  Bytes free;          ///< As the driver says; of the host what is available.
  double percent = 0;  ///< Of the total that is not free.
  Level level = Level::unavailable;
  double speed_multiplier = 1;  ///< How fast work should go: 0.0 … 1.0.
};

/// A threshold was crossed.
struct MemoryAlert {
  Severity severity = Severity::warning;
  std::string type;  ///< "gpu_memory", "gpu_projection", "cpu_memory" or "host_available".
  std::string message;
  std::optional<int> gpu_id;  ///< Absent: the host.
  std::string device;         ///< The GPU's UUID, or "host".
  double current_usage = 0;   ///< In `unit`.
  double threshold = 0;       ///< The one that was crossed, in `unit`.
  std::string unit;           ///< "percent", or "GB" of what is available.
  std::vector<std::string> recommendations;
};

/// What a strategy is asked for.
struct RecoveryRequest {
  ReclaimStrategy strategy = ReclaimStrategy::clear_cache;
  MemoryStats memory;  ///< Where; as it was a moment ago.
  Bytes bytes;         ///< So much is wanted; less is welcome, too.
};

/// What was done about a device, and what it brought.
struct RecoveryOutcome {
  std::string step;  ///< "notify", a strategy, or "pause": work should stand still.
  std::optional<int> gpu_id;
  std::string device;
  Bytes before;        ///< In use, without balloons.
  Bytes after;         ///< In use, when it was looked at again.
  std::string result;  ///< "done", "refused" (it returned false), "failed" or "silent".
  std::string message;
};

enum class MemoryScope { gpus, host, everything };

struct MonitorOptions {
  /// Keys of docs/configuration.md with their values: {{"gpu_memory_warning", "75"}}. What is not
  /// named has its built-in value; no file and no environment is read.
  std::map<std::string, std::string> settings = {};
  /// The program `levee`, which reads the GPUs; empty: looked for beside this program and in PATH.
  std::filesystem::path levee_program = {};
  /// How long stop() waits for a callback that is running.
  std::chrono::milliseconds stop_patience{1000};
};

struct MonitorStatus {
  bool is_running = false;
  std::uint64_t looks = 0;            ///< At the machine, since it was started.
  std::uint64_t callbacks_threw = 0;  ///< Since it was made.
  std::uint64_t dropped = 0;          ///< Alerts and outcomes: the callbacks did not keep up.
  std::vector<std::string> troubles;  ///< What could not be read at the last look, and why.
};

class MemoryMonitor {
 public:
  using AlertCallback = std::function<void(const MemoryAlert&)>;
  /// Whether it freed something; the next strategy is tried where it did not, or not enough.
  using RecoveryCallback = std::function<bool(const RecoveryRequest&)>;
  using OutcomeCallback = std::function<void(const RecoveryOutcome&)>;

  explicit MemoryMonitor(MonitorOptions options = {});
  ~MemoryMonitor();  ///< As stop().
  MemoryMonitor(const MemoryMonitor&) = delete;
  MemoryMonitor& operator=(const MemoryMonitor&) = delete;

  /// Called with every alert of exactly that severity, when it fires and again while it lasts;
  /// several are called in the order in which they came. Also while it runs, as all of these.
  void on_alert(Severity severity, AlertCallback callback);
  /// Called when an alert has ended.
  void on_resolved(AlertCallback callback);
  /// Offers something that frees memory. Of the same strategy the first that came is tried first.
  void on_recovery(ReclaimStrategy strategy, RecoveryCallback callback,
                   MemoryScope scope = MemoryScope::gpus);
  /// Called after each step that was taken.
  void on_outcome(OutcomeCallback callback);

  /// Begins to watch, and returns at once; nothing happens where it runs already.
  /// `invalid_argument` for settings that are none; `resource_exhausted` when no thread is to be
  /// had. May be called again after stop().
  Result<void> start();

  /// Ends it. Waits for a callback that is running, for `stop_patience` at most: what a longer one
  /// refers to must stay until it returns. From within a callback it does not wait.
  void stop();

  /// As it was at the last look; where none has been yet, one is taken, which may take two seconds.
  /// `not_found` for a GPU that is not there, `unavailable` where its memory cannot be read.
  [[nodiscard]] Result<MemoryStats> memory_stats(int gpu_id = 0) const;
  [[nodiscard]] Result<MemoryStats> host_stats() const;
  /// The GPUs that are there and can be read.
  [[nodiscard]] std::vector<MemoryStats> gpus() const;

  /// How full a GPU's memory will be `ahead` of now, in percent, by what was seen in the last five
  /// minutes. Nothing where no projection can be made.
  [[nodiscard]] std::optional<double> project_memory_usage(
      int gpu_id = 0, std::chrono::duration<double> ahead = std::chrono::seconds(60)) const;

  /// An allocation of so much failed: for a minute that much is wanted free there. `not_found` for
  /// a GPU that is not there, `unavailable` while it does not run.
  Result<void> allocation_failed(int gpu_id, Bytes bytes);

  [[nodiscard]] MonitorStatus status() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace levee
