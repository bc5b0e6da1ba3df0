// LeakDetector: does a process keep what it takes? Start with add() and verdict().
//
//   levee::LeakDetector detector;
//   for (…) detector.add({seconds, resident_bytes});              // as often as you like
//   const auto report = detector.verdict(now, levee::gib(8));
//   if (report.verdict == levee::LeakVerdict::leaking) { …report.bytes_per_hour->likely… }
//
// It looks at the lowest use of each span of time, for spans of half a minute to half an hour, so
// that garbage collection and requests that come and go do not matter, and asks of the last 24
// minutes, 1.6, 6.4 and 26 hours whether those lows rise: by more than chance, all along, and not
// ever more slowly, as a warm-up does. docs/forecast.md says how soon and how often it errs.
//
// A detector takes about 3 kB, whatever it is fed. A value; not thread-safe; no clock.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "levee/bytes.hpp"
#include "levee/forecast.hpp"

namespace levee {

enum class LeakVerdict {
  unknown,  ///< Not watched for long enough, or not of late.
  none,     ///< Nothing that could be told from chance, load or warming up.
  leaking,
};

[[nodiscard]] std::string_view to_string(LeakVerdict verdict) noexcept;

struct LeakReport {
  LeakVerdict verdict = LeakVerdict::unknown;
  double watched_seconds = 0;   ///< From the first sample to the newest.
  double evidence_seconds = 0;  ///< The span whose lows rise; 0 where it does not leak.
  /// Growth in an hour, with the interval that holds the true value in about nine of ten cases.
  struct Growth {
    double likely = 0;
    double low = 0;
    double high = 0;
  };
  std::optional<Growth> bytes_per_hour;    ///< Set exactly where it leaks.
  std::optional<double> seconds_to_limit;  ///< Where it leaks and there is a limit.
};

class LeakDetector {
 public:
  /// Nothing is said of the first `warm_up`.
  explicit LeakDetector(std::chrono::duration<double> warm_up = std::chrono::minutes(30));

  /// What was used at one instant. Of an earlier instant than the newest, or no number: left out.
  void add(const MemoryPoint& point);

  /// What is known at `now`; `limit` is what the process may use.
  [[nodiscard]] LeakReport verdict(double now, std::optional<Bytes> limit = std::nullopt) const;

 private:
  /// The lows of even spans of time, the newest last.
  struct Lows {
    double width = 0;
    std::vector<MemoryPoint> done;   ///< Where each low was.
    std::optional<MemoryPoint> low;  ///< Of the span that is under way.
    double begin = 0;                ///< And when that began.
  };

  double warm_up_;
  std::array<Lows, 4> lows_;
  std::optional<double> first_;
  MemoryPoint newest_;
};

}  // namespace levee
