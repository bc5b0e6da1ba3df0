// How soon the leak detector finds leaks of 1 to 500 MB an hour, and how often it accuses workers
// that do not leak: 200 generated workers, watched for a day each.
//
//   bench_leaks [--tuning]
#include <fmt/core.h>

#include <cstring>

#include "levee/leak.hpp"
#include "workers.hpp"

namespace {

using namespace levee;

constexpr double kMb = 1024 * 1024;
constexpr double kHour = 3600;
constexpr double kDay = 24 * kHour;
constexpr double kEvery = 10;  ///< Seconds between two samples.
constexpr double kAsk = 300;   ///< And between two questions.
constexpr int kWorkers = 200;

struct Band {
  double least;  ///< MB an hour.
  double most;
  std::vector<double> delays;  ///< Hours from the begin of the leak.
  std::vector<double> errors;  ///< Of the rate, at the time of the first verdict.
  int leaks = 0;
};

double middle(std::vector<double> values) {
  if (values.empty()) {
    return 0;
  }
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const bool tuning = argc > 1 && std::strcmp(argv[1], "--tuning") == 0;
  std::vector<Band> bands;
  for (const auto& [least, most] :
       {std::pair{1.0, 3.0}, {3.0, 10.0}, {10.0, 30.0}, {30.0, 100.0}, {100.0, 500.0}}) {
    bands.push_back({least, most, {}, {}, 0});
  }
  int healthy = 0;
  int accused = 0;
  int false_verdicts = 0;
  int verdicts = 0;
  int too_early = 0;
  for (unsigned i = 0; i < kWorkers; ++i) {
    bench::Worker worker((tuning ? 7000U : 900000U) + i, tuning, i % 2 == 0);
    LeakDetector detector;
    std::optional<double> found;
    bool was_accused = false;
    double next_question = kAsk;
    for (double t = 0; t < kDay; t += kEvery) {
      detector.add({t, worker.bytes_at(t)});
      if (t < next_question) {
        continue;
      }
      next_question += kAsk;
      const LeakReport report = detector.verdict(t);
      const bool says_so = report.verdict == LeakVerdict::leaking;
      if (worker.leak_per_hour == 0 || t < worker.leaks_since) {
        ++verdicts;
        false_verdicts += says_so;
        was_accused = was_accused || says_so;
      } else if (says_so && !found) {
        found = t - worker.leaks_since;
        for (Band& band : bands) {
          if (worker.leak_per_hour >= band.least * kMb && worker.leak_per_hour < band.most * kMb) {
            band.delays.push_back(*found / kHour);
            band.errors.push_back(
                std::abs(report.bytes_per_hour->likely / worker.leak_per_hour - 1));
          }
        }
      }
    }
    if (worker.leak_per_hour == 0) {
      ++healthy;
      accused += was_accused;
      if (was_accused) {
        fmt::print("accused, but healthy: {}\n", worker.describe());
      }
    } else {
      too_early += was_accused;
      for (Band& band : bands) {
        band.leaks +=
            worker.leak_per_hour >= band.least * kMb && worker.leak_per_hour < band.most * kMb;
      }
    }
  }
  fmt::print("{} workers ({} set), watched for 24 h, a sample every {} s, a question every {} s\n",
             kWorkers, tuning ? "tuning" : "test", kEvery, kAsk);
  fmt::print("{:>14} {:>7} {:>7} {:>16} {:>12}\n", "MB an hour", "leaking", "found", "median delay",
             "rate off by");
  for (const Band& band : bands) {
    fmt::print("{:>6} to {:>4} {:>7} {:>7} {:>14.1f} h {:>10.0f} %\n", band.least, band.most,
               band.leaks, band.delays.size(), middle(band.delays), 100 * middle(band.errors));
  }
  fmt::print(
      "healthy workers: {}, accused at least once: {}; leaking ones accused too early: {}\n"
      "verdicts on memory that did not leak: {}, false: {} ({:.3f} %)\n",
      healthy, accused, too_early, verdicts, false_verdicts, 100.0 * false_verdicts / verdicts);
}
