// GuardThread: the fast look at the host's counters.
//
// It sleeps as long as the distance to the brake line allows (control/guard.hpp), so that a quiet
// machine pays one look a second and a machine near the line one every few milliseconds. When the
// line is reached, or will be within the look-ahead, it says so at once. It is the only thread
// beside the engine's that judges anything, and it judges only this. Public functions are
// thread-safe.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "api/view.hpp"
#include "control/guard.hpp"
#include "engine/victims.hpp"
#include "policy/thresholds.hpp"
#include "sources/fast_counters.hpp"

namespace levee::engine {

class GuardThread {
 public:
  /// `on_alarm` is called on the guard's thread each time the line is newly reached or left; it
  /// must only wake somebody.
  GuardThread(sources::FastCounters counters, control::GuardRhythm rhythm,
              policy::Thresholds thresholds, std::function<void()> on_alarm);

  /// Uses other limits from the next look on, and looks now.
  void configure(control::GuardRhythm rhythm, policy::Thresholds thresholds);

  /// Hands over a new table of candidates.
  void prepare(std::shared_ptr<const VictimTable> victims);

  /// What it saw; `at_line` is also true when the line was reached and left again since the last
  /// call: then it raises an alarm, for a tick that finds it left. Called by the engine, once per
  /// tick.
  [[nodiscard]] api::GuardView collect();

 private:
  void run(const std::stop_token& stop);
  /// One look; returns how long to wait for the next, and whether the line was crossed just now.
  std::pair<std::chrono::nanoseconds, bool> look(MonoTime now);

  sources::FastCounters counters_;  // the guard's thread only
  std::optional<Sampled<Bytes>> previous_;
  const std::function<void()> on_alarm_;

  std::mutex mutex_;
  std::condition_variable_any wake_;  // the members below are guarded by mutex_
  control::GuardRhythm rhythm_;
  policy::Thresholds thresholds_;
  std::shared_ptr<const VictimTable> victims_;
  api::GuardView view_;
  bool reached_since_collect_ = false;
  bool look_now_ = false;

  std::jthread thread_;  // last: starts when all else is there, ends first
};

}  // namespace levee::engine
