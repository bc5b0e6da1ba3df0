// Generated workers for the bench of the leak detector: what a process has resident over a day,
// with a warm-up, a garbage collector's saw-tooth, load that comes in steps and drifts over the
// day, noise, and with or without a leak.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace levee::bench {

class Worker {
 public:
  double leak_per_hour = 0;  ///< Bytes; 0: healthy.
  double leaks_since = 0;    ///< Seconds.

  Worker(unsigned seed, bool tuning, bool leaks) : random_(seed) {
    const double wide = tuning ? 1.0 : 1.3;  // The test set goes further than what was tuned on.
    base_ = kMb * scaled(300, 4000 * wide);
    warm_size_ = base_ * uniform(0.02, 0.4 * wide);
    warm_seconds_ = 60 * scaled(1, 15 * wide);
    tooth_size_ = base_ * scaled(0.01, 0.3 * wide);
    tooth_seconds_ = scaled(20, 1200 * wide);
    tooth_uneven_ = uniform(0.05, 0.5);
    noise_ = base_ * scaled(0.0005, 0.005 * wide);
    drift_ = uniform(0, 1) < 0.3 ? base_ * uniform(0.01, 0.08 * wide) : 0;
    drift_phase_ = uniform(0, 2 * M_PI);
    step_hours_ = scaled(0.5, 8);
    step_size_ = uniform(0, 1) < 0.6 ? base_ * uniform(0.02, 0.25 * wide) : 0;
    for (double t = 0; t < 30 * 3600;) {
      t += 3600 * step_hours_ * uniform(0.3, 1.7);
      steps_.emplace_back(t, step_size_ * std::floor(uniform(0, 4)));
    }
    if (leaks) {
      leak_per_hour = kMb * scaled(1, 500);
      leaks_since = uniform(0, 1) < 0.5 ? 0 : 3600 * uniform(0, 6);
    }
  }

  /// To be called with rising `t`, in seconds.
  double bytes_at(double t) {
    if (t >= tooth_end_) {
      tooth_begin_ = t;
      tooth_end_ = t + tooth_seconds_ * (1 + tooth_uneven_ * uniform(-1, 1));
      tooth_floor_ = tooth_size_ * 0.1 * uniform(0, tooth_uneven_);
    }
    const double tooth = (t - tooth_begin_) / (tooth_end_ - tooth_begin_);
    const auto next = std::ranges::upper_bound(steps_, t, {}, &std::pair<double, double>::first);
    const double load = next == steps_.begin() ? 0 : std::prev(next)->second;
    noise_now_ = 0.9 * noise_now_ + 0.44 * noise_ * std::normal_distribution<double>()(random_);
    const double leaked = leak_per_hour * std::max(0.0, t - leaks_since) / 3600;
    return std::max(0.0, base_ + warm_size_ * (1 - std::exp(-t / warm_seconds_)) + tooth_floor_ +
                             tooth_size_ * tooth + load +
                             drift_ * std::sin(drift_phase_ + 2 * M_PI * t / 86400) + noise_now_ +
                             leaked);
  }

  [[nodiscard]] std::string describe() const {
    return fmt::format(
        "base {:.0f} MB, warm-up {:.0f} MB in {:.0f} s, teeth {:.0f} MB of {:.0f} s, "
        "steps {:.0f} MB every {:.1f} h, drift {:.0f} MB, noise {:.1f} MB",
        base_ / kMb, warm_size_ / kMb, warm_seconds_, tooth_size_ / kMb, tooth_seconds_,
        step_size_ / kMb, step_hours_, drift_ / kMb, noise_ / kMb);
  }

 private:
  static constexpr double kMb = 1024 * 1024;

  double uniform(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }
  double scaled(double low, double high) {
    return std::exp(uniform(std::log(low), std::log(high)));
  }

  std::mt19937 random_;
  double base_ = 0;
  double warm_size_ = 0;
  double warm_seconds_ = 0;
  double tooth_size_ = 0;
  double tooth_seconds_ = 0;
  double tooth_uneven_ = 0;
  double tooth_begin_ = 0;
  double tooth_end_ = 0;
  double tooth_floor_ = 0;
  double noise_ = 0;
  double noise_now_ = 0;
  double drift_ = 0;
  double drift_phase_ = 0;
  double step_hours_ = 0;
  double step_size_ = 0;
  std::vector<std::pair<double, double>> steps_;
};

}  // namespace levee::bench
