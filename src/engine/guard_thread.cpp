#include "engine/guard_thread.hpp"

#include <algorithm>
#include <utility>

namespace levee::engine {
namespace {

/// A fall is measured over at least this, or the granularity of the counters would be the rate.
constexpr std::chrono::milliseconds kShortestFall{2};

}  // namespace

GuardThread::GuardThread(sources::FastCounters counters, control::GuardRhythm rhythm,
                         policy::Thresholds thresholds, std::function<void()> on_alarm)
    : counters_(std::move(counters)),
      on_alarm_(std::move(on_alarm)),
      rhythm_(rhythm),
      thresholds_(thresholds),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void GuardThread::configure(control::GuardRhythm rhythm, policy::Thresholds thresholds) {
  {
    const std::lock_guard lock(mutex_);
    rhythm_ = rhythm;
    thresholds_ = thresholds;
    look_now_ = true;
  }
  wake_.notify_one();
}

void GuardThread::prepare(std::shared_ptr<const VictimTable> victims) {
  // The old table is let go outside the lock: closing descriptors is a system call each.
  const std::lock_guard lock(mutex_);
  view_.victims = victims->size();
  victims_.swap(victims);
}

api::GuardView GuardThread::collect() {
  std::unique_lock lock(mutex_);
  api::GuardView collected = view_;
  const bool was_left_again = reached_since_collect_ && !view_.at_line;
  collected.at_line = std::exchange(reached_since_collect_, false) || view_.at_line;
  lock.unlock();
  if (was_left_again) {
    on_alarm_();  // This tick tells that it was reached; another one that it is over.
  }
  return collected;
}

void GuardThread::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto [wait, changed] = look(std::chrono::steady_clock::now());
    if (changed) {
      on_alarm_();
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, wait, [this] { return look_now_; });
    look_now_ = false;
  }
}

std::pair<std::chrono::nanoseconds, bool> GuardThread::look(MonoTime now) {
  const auto counters = counters_.look();
  const std::lock_guard lock(mutex_);
  ++view_.looks;
  if (!counters) {
    // Blind: say nothing about the line, look again at the resting rhythm; the engine's own
    // reading fails as well and tells why.
    view_.available.reset();
    view_.interval = rhythm_.resting;
    return {rhythm_.resting, std::exchange(view_.at_line, false)};
  }
  control::GuardLook look{.available = counters->available,
                          .line = policy::host_lines(counters->total, thresholds_).emergency,
                          .fall_bytes_per_second = {}};
  if (previous_ && now - previous_->read_at >= kShortestFall) {
    const double elapsed = Seconds(now - previous_->read_at).count();
    look.fall_bytes_per_second =
        (static_cast<double>(previous_->value.count) - static_cast<double>(look.available.count)) /
        elapsed;
    // Faster than thought possible: from now on that is what the rhythm reckons with.
    control::learn_fill_rate(rhythm_, *look.fall_bytes_per_second);
  }
  previous_ = Sampled<Bytes>{look.available, now};

  view_.available = look.available;
  view_.line = look.line;
  view_.interval = control::next_look(look, rhythm_);
  view_.fill_bytes_per_second = rhythm_.fill_bytes_per_second;
  const bool at_line = control::at_brake_line(look, rhythm_);
  reached_since_collect_ = reached_since_collect_ || at_line;
  return {view_.interval, std::exchange(view_.at_line, at_line) != at_line};
}

}  // namespace levee::engine
