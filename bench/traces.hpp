// Generated memory series for the benches of the forecast and of the leak detector. Every series is
// made by a seed and by ranges of its parameters; the tuning set and the test set differ in both.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "levee/forecast.hpp"

namespace levee::bench {

struct Trace {
  std::string kind;
  double limit = 0;
  std::vector<MemoryPoint> points;  ///< One a second.
  double blind = 1200;      ///< Seconds at the end of which it is not known what comes after them.
  double rises_since = 0;   ///< What fills it goes on since then.
  std::vector<char> rises;  ///< At each point: it really goes up, and not for a tooth.

  /// When it is full for the first time.
  [[nodiscard]] std::optional<double> full_at() const {
    const auto full =
        std::ranges::find_if(points, [&](const MemoryPoint& p) { return p.bytes >= limit; });
    return full == points.end() ? std::nullopt : std::optional(full->seconds);
  }
};

/// What differs between the two sets, apart from the seeds.
struct Ranges {
  double limit_gib = 24;
  double noise_most = 0.004;      ///< Of the limit.
  double full_least_minutes = 2;  ///< How long a rise takes until the memory is full.
  double full_most_minutes = 30;
  double tooth_least_seconds = 15;
  double tooth_most_seconds = 150;
  double load_least_seconds = 5;  ///< How long a model takes to load.
  double load_most_seconds = 40;
};

inline constexpr Ranges kTuning{};
inline constexpr Ranges kTest{.limit_gib = 80,
                              .noise_most = 0.006,
                              .full_least_minutes = 1.5,
                              .full_most_minutes = 40,
                              .tooth_least_seconds = 12,
                              .tooth_most_seconds = 180,
                              .load_least_seconds = 4,
                              .load_most_seconds = 60};

class TraceMaker {
 public:
  TraceMaker(const Ranges& ranges, unsigned seed) : ranges_(ranges), random_(seed) {}

  static std::vector<std::string> kinds() {
    return {"ramp",       "accelerating", "stairs",  "leak under load", "recovery, then a rise",
            "step",       "saw-tooth",    "plateau", "noisy flat",      "recovery",
            "come and go"};
  }

  Trace make(const std::string& kind) {
    const double minutes = 45;
    const int seconds = static_cast<int>(minutes * 60);
    const double noise = uniform(0, ranges_.noise_most);
    // The share of the limit that is used after t seconds, without noise.
    const std::function<double(double)> share = shape(kind);
    const double memory = kind == "noisy flat" ? uniform(0, 0.95) : uniform(0, 0.5);
    const double rough = kind == "noisy flat" ? uniform(0.002, 0.03) : noise;
    double drift = 0;
    Trace trace{.kind = kind,
                .limit = ranges_.limit_gib * 1024 * 1024 * 1024,
                .points = {},
                .blind = 1200,
                .rises_since = rises_since_,
                .rises = {}};
    for (int t = 0; t < seconds; ++t) {
      drift = memory * drift + std::sqrt(1 - memory * memory) * rough * normal();
      const double value = std::clamp(share(t), 0.0, 1.0);
      // Full is full: noise alone neither fills a memory nor hides that it is.
      const double shown = value >= 1 ? 1 : std::clamp(value + drift, 0.0, 0.999);
      const bool goes_up = share(t) > share(t - 4) && kind != "saw-tooth" && kind != "noisy flat";
      trace.rises.push_back(static_cast<char>(goes_up));
      trace.points.push_back({static_cast<double>(t), shown * trace.limit});
      if (value >= 1) {
        break;
      }
    }
    return trace;
  }

 private:
  double uniform(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }
  double normal() { return std::normal_distribution<double>()(random_); }
  /// Spread evenly over orders of magnitude.
  double scaled(double low, double high) {
    return std::exp(uniform(std::log(low), std::log(high)));
  }
  double seconds_to_full() {
    return 60 * scaled(ranges_.full_least_minutes, ranges_.full_most_minutes);
  }
  double tooth_seconds() { return scaled(ranges_.tooth_least_seconds, ranges_.tooth_most_seconds); }
  double load_seconds() { return scaled(ranges_.load_least_seconds, ranges_.load_most_seconds); }

  std::function<double(double)> shape(const std::string& kind) {
    const double rest = uniform(60, 300);
    rises_since_ = rest;
    if (kind == "ramp") {
      const double base = uniform(0.05, 0.6);
      const double rate = (1 - base) / seconds_to_full();
      return [=](double t) { return base + rate * std::max(0.0, t - rest); };
    }
    if (kind == "accelerating") {
      const double base = uniform(0.05, 0.5);
      const double full = seconds_to_full() + 120;
      const double tau = full / uniform(1.5, 4);
      const double size = (1 - base) / (std::exp(full / tau) - 1);
      return [=](double t) {
        return base + size * (std::exp(std::min(std::max(0.0, t - rest), 2 * full) / tau) - 1);
      };
    }
    if (kind == "stairs") {
      rises_since_ = 0;
      return stairs();
    }
    if (kind == "leak under load") {
      rises_since_ = 0;
      const double base = uniform(0.1, 0.4);
      const double size = uniform(0.03, 0.2);
      const double rate = (1 - base - size) / (seconds_to_full() + 300);
      const auto load = teeth(size, 0.3);
      return [=](double t) { return base + rate * t + load(t); };
    }
    if (kind == "step") {
      const double base = uniform(0.02, 0.3);
      const double high = uniform(base + 0.15, 0.93);
      const double middle = uniform(base, high);
      const double first = load_seconds();
      const double second = load_seconds();
      const double pause = uniform(100, 900);
      return [=](double t) {
        const double a = std::clamp((t - rest) / first, 0.0, 1.0);
        const double b = std::clamp((t - rest - first - pause) / second, 0.0, 1.0);
        return base + (middle - base) * a + (high - middle) * b;
      };
    }
    if (kind == "saw-tooth") {
      const double base = uniform(0.05, 0.4);
      return [base, load = teeth(uniform(0.1, 0.5), 0.08)](double t) { return base + load(t); };
    }
    if (kind == "plateau") {
      const double base = uniform(0.05, 0.3);
      const double top = uniform(0.45, 0.95);
      const double length = uniform(60, 480);
      const bool bends = uniform(0, 1) < 0.5;
      return [=](double t) {
        const double since = std::max(0.0, t - rest);
        const double done =
            bends ? 1 - std::exp(-3 * since / length) : std::min(1.0, since / length);
        return base + (top - base) * done;
      };
    }
    if (kind == "noisy flat") {
      return [level = uniform(0.2, 0.9)](double) { return level; };
    }
    if (kind == "come and go") {
      return jobs();
    }
    return recovery(kind == "recovery, then a rise", rest);
  }

  std::function<double(double)> recovery(bool rises_again, double rest) {
    const double base = uniform(0.1, 0.4);
    const double top = uniform(0.6, 0.93);
    const double length = uniform(60, 400);
    const double after = uniform(0.1, 0.45);
    const double pause = uniform(20, 200);
    const double rate = rises_again ? (1 - after) / seconds_to_full() : 0;
    rises_since_ = rest + length + 5 + pause;
    return [=](double t) {
      const double since = t - rest;
      if (since < length) {
        return base + (top - base) * std::max(0.0, since / length);
      }
      const double down = std::clamp((since - length) / 5, 0.0, 1.0);
      const double again = std::max(0.0, since - length - 5 - pause);
      return top + (after - top) * down + rate * again;
    };
  }

  /// Steps of uneven height at uneven times.
  std::function<double(double)> stairs() {
    const double base = uniform(0.05, 0.5);
    const double full = seconds_to_full() + 120;
    const double steps = std::floor(uniform(12, 80));
    std::vector<std::pair<double, double>> marks;
    double height = base;
    for (double t = 0; t < 3600;) {
      t += full / steps * uniform(0.5, 1.5);
      height += (1 - base) / steps * uniform(0.5, 1.5);
      marks.emplace_back(t, height);
    }
    return [=](double t) {
      const auto after = std::ranges::upper_bound(marks, t, {}, &std::pair<double, double>::first);
      return after == marks.begin() ? base : std::prev(after)->second;
    };
  }

  /// Rises of `size` that are cleared, each a bit other than the last.
  std::function<double(double)> teeth(double size, double unevenness) {
    struct Tooth {
      double begin;
      double length;
      double size;
      double fall;
    };
    const double period = tooth_seconds();
    const double fall = uniform(0.02, 0.3);
    std::vector<Tooth> all;
    for (double t = -uniform(0, period); t < 3600;) {
      const double length = period * (1 + unevenness * uniform(-1, 1));
      all.push_back({t, length, size * (1 + unevenness * uniform(-1, 0)), fall});
      t += length;
    }
    return [all](double t) {
      const auto after = std::ranges::upper_bound(all, t, {}, &Tooth::begin);
      const Tooth& tooth = after == all.begin() ? all.front() : *std::prev(after);
      const double done = std::clamp((t - tooth.begin) / tooth.length, 0.0, 1.0);
      const double up = 1 - tooth.fall;
      return tooth.size * (done < up ? done / up : 1 - (done - up) / tooth.fall);
    };
  }

  /// Jobs that load, stay for a while and go; never more than fits.
  std::function<double(double)> jobs() {
    struct Job {
      double begin;
      double load;
      double end;
      double size;
    };
    std::vector<Job> all;
    const std::size_t slots = 3;
    for (std::size_t slot = 0; slot < slots; ++slot) {
      for (double t = uniform(0, 200); t < 3600;) {
        const double end = t + scaled(30, 900);
        all.push_back({t, std::min(load_seconds(), (end - t) / 2), end, uniform(0.05, 0.29)});
        t = end + uniform(5, 200);
      }
    }
    return [all](double t) {
      double sum = 0.05;
      for (const Job& job : all) {
        if (t >= job.begin && t < job.end) {
          sum += job.size * std::min(1.0, (t - job.begin) / job.load);
        }
      }
      return sum;
    };
  }

  const Ranges& ranges_;
  double rises_since_ = 0;
  std::mt19937 random_;
};

}  // namespace levee::bench
