// MonitorSession: one run of a MemoryMonitor, from start() to stop(). A thread looks at the machine
// and turns the engine; another runs the program's callbacks, one at a time.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/view.hpp"
#include "client/callback_worker.hpp"
#include "config/settings.hpp"
#include "engine/inbox.hpp"
#include "engine/published.hpp"
#include "engine/recovery.hpp"
#include "levee/monitor.hpp"
#include "recorder/items.hpp"

namespace levee::engine {

/// A strategy that the program registered.
struct OfferedRecovery {
  ReclaimStrategy strategy = ReclaimStrategy::clear_cache;
  MemoryScope scope = MemoryScope::gpus;
  MemoryMonitor::RecoveryCallback callback;
};

/// What a session tells the program. Called on the callbacks' thread.
struct Callbacks {
  std::function<void(const MemoryAlert&, bool is_resolved)> alert;
  std::function<void(const RecoveryOutcome&)> outcome;
  /// What a strategy said; an error when it threw.
  std::function<Result<bool>(const OfferedRecovery&, const RecoveryRequest&)> recover;
};

class MonitorSession : public std::enable_shared_from_this<MonitorSession> {
 public:
  MonitorSession(std::shared_ptr<const config::Settings> settings,
                 std::vector<std::string> gpu_helper, Callbacks callbacks);

  /// Throws std::system_error when no thread is to be had.
  void start(std::vector<std::shared_ptr<const OfferedRecovery>> offers);
  /// Waits for a callback that is running, for `patience` at most.
  void stop(std::chrono::milliseconds patience);

  void offer(std::shared_ptr<const OfferedRecovery> offer);
  void want(api::ReportShortage shortage);

  /// As it was after the last look; null before the first.
  [[nodiscard]] std::shared_ptr<const api::View> view() const { return view_.get(); }
  [[nodiscard]] std::uint64_t looks() const noexcept { return looks_; }
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  using Job = std::function<void()>;

  // The looking thread.
  void run();
  [[nodiscard]] Recovery::Hands hands();
  [[nodiscard]] std::shared_ptr<const reclaim::Roster> roster(
      const recorder::Readings& readings) const;
  void tell(const Event& event);
  void tell_outcomes(const api::View& view);
  void ask(const std::string& client, const reclaim::Ask& ask, api::ReclaimPort::Answer answer);

  // The callbacks' thread.
  void enqueue(Job job, bool may_be_dropped);
  void begin_next();

  const std::shared_ptr<const config::Settings> settings_;
  const std::vector<std::string> gpu_helper_;
  const Callbacks callbacks_;
  Inbox inbox_;
  std::atomic<bool> is_stopping_ = false;
  std::atomic<std::uint64_t> looks_ = 0;
  Published<api::View> view_;
  Recovery recovery_;                                           ///< The looking thread's.
  reclaim::Caller self_;                                        ///< This process, and the
  std::vector<std::shared_ptr<const OfferedRecovery>> offers_;  ///< looking thread's, both.
  std::thread looker_;

  mutable std::mutex mutex_;  // guards the members below
  std::deque<Job> jobs_;
  std::uint64_t dropped_ = 0;
  client::CallbackWorker worker_;
};

/// The memory of one GPU, or of the host.
[[nodiscard]] std::optional<MemoryStats> stats_of(const api::GpuView& gpu);
[[nodiscard]] std::optional<MemoryStats> host_stats_of(const api::View& view);

}  // namespace levee::engine
