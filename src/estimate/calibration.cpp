#include "estimate/calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ranges>

namespace levee::estimate {
namespace {

/// A job that never had half of what is fixed ended while it loaded.
constexpr double kLoaded = 0.5;
/// One that stayed below what is fixed says that those terms were wrong, and nothing of the others.
constexpr double kTelling = 0.98;
/// One job alone moves the factor a third of the way.
constexpr double kDoubt = 2;
/// A factor beyond this is no matter of a framework, but of a job that is not what it was said to
/// be.
constexpr double kMostFactor = 4;
/// Fewer jobs than this say nothing of how far jobs lie apart.
constexpr std::size_t kJobsForSpread = 4;
constexpr double kLeastSpread = 0.05;
/// Of the median distance: about 2.7 standard deviations.
constexpr double kOutlier = 4;

double as_double(Bytes bytes) { return static_cast<double>(bytes.count); }

bool reached(const JobRecord& record, double share) noexcept {
  return as_double(record.peak) >= share * as_double(record.predicted.fixed);
}

bool is_telling(const JobRecord& record) noexcept {
  return !record.predicted.fills_memory && record.predicted.soft.count > 0 &&
         reached(record, kTelling);
}

/// The logarithm of how many times what was expected the soft terms were.
double log_ratio(const JobRecord& record) {
  const double rest = as_double(record.peak) - as_double(record.predicted.fixed);
  const double ratio = rest / as_double(record.predicted.soft);
  return std::log(std::clamp(ratio, 1 / kMostFactor, kMostFactor));
}

/// The value below which `share` of them lie; `values` in order, not empty.
double quantile(const std::vector<double>& values, double share) {
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - std::floor(at)) * (values[above] - values[below]);
}

/// How far jobs lie from `center`, but for those that are no such job by all appearance.
double spread_around(double center, const std::vector<double>& logs) {
  std::vector<double> apart(logs.size());
  std::ranges::transform(logs, apart.begin(),
                         [center](double log) { return std::abs(log - center); });
  std::ranges::sort(apart);
  const double usual = std::max(quantile(apart, 0.5), kLeastSpread);
  const auto most = std::ranges::upper_bound(apart, kOutlier * usual);
  // The largest of few is not the largest there will be.
  return std::max(*std::prev(most), kLeastSpread) * (1 + 2 / static_cast<double>(apart.size()));
}

/// From the logarithms of at least one job.
Correction correction_of(Framework framework, bool is_training, std::vector<double> logs) {
  std::ranges::sort(logs);
  const auto jobs = static_cast<double>(logs.size());
  const double center = quantile(logs, 0.5) * jobs / (jobs + kDoubt);
  Correction correction{.framework = framework,
                        .is_training = is_training,
                        .jobs = logs.size(),
                        .factor = std::exp(center),
                        .spread = {}};
  if (logs.size() >= kJobsForSpread) {
    correction.spread = spread_around(center, logs);
  }
  return correction;
}

Bytes scaled(Bytes bytes, double factor) {
  constexpr double kMost = 9.2e18;
  return Bytes{static_cast<std::uint64_t>(std::min(as_double(bytes) * factor, kMost))};
}

}  // namespace

bool is_soft(TermName name) noexcept {
  switch (name) {
    case TermName::activations:
    case TermName::compute_buffer:
    case TermName::context:
    case TermName::graphs:
    case TermName::slack:
      return true;
    case TermName::weights:
    case TermName::kv_cache:
    case TermName::gradients:
    case TermName::optimizer:
    case TermName::logits:
    case TermName::host:
      return false;
  }
  return false;
}

std::string_view to_string(Turnout turnout) noexcept {
  switch (turnout) {
    case Turnout::inside:
      return "inside";
    case Turnout::below:
      return "below";
    case Turnout::above:
      return "above";
    case Turnout::unloaded:
      return "unloaded";
    case Turnout::filling:
      return "filling";
  }
  return "inside";
}

Turnout turnout_of(const JobRecord& record) noexcept {
  const Prediction& predicted = record.predicted;
  if (predicted.fills_memory) {
    return Turnout::filling;
  }
  if (record.peak > predicted.high) {
    return Turnout::above;
  }
  if (!reached(record, kLoaded)) {
    return Turnout::unloaded;
  }
  return record.peak < predicted.low ? Turnout::below : Turnout::inside;
}

std::vector<Correction> learn(std::span<const JobRecord> records) {
  std::vector<Correction> corrections;
  for (const Framework framework :
       {Framework::vllm, Framework::llama_cpp, Framework::transformers}) {
    for (const bool is_training : {false, true}) {
      std::vector<double> logs;
      for (const JobRecord& record : records | std::views::reverse) {
        const Prediction& predicted = record.predicted;
        const bool is_of_kind =
            predicted.framework == to_string(framework) && predicted.is_training == is_training;
        if (is_of_kind && is_telling(record) && logs.size() < kJobsLearned) {
          logs.push_back(log_ratio(record));
        }
      }
      if (!logs.empty()) {
        corrections.push_back(correction_of(framework, is_training, std::move(logs)));
      }
    }
  }
  return corrections;
}

std::optional<Correction> correction_for(std::span<const Correction> corrections, const Job& job) {
  const auto found = std::ranges::find_if(corrections, [&job](const Correction& each) {
    return each.framework == job.framework && each.is_training == job.training.has_value();
  });
  return found == corrections.end() ? std::nullopt : std::optional(*found);
}

void correct(const Correction& correction, std::vector<Term>& terms) {
  for (Term& term : terms) {
    if (!is_soft(term.name)) {
      continue;
    }
    const Bytes expected = scaled(term.expected, correction.factor);
    if (correction.spread) {
      term.low = scaled(expected, std::exp(-*correction.spread));
      term.high = scaled(expected, std::exp(*correction.spread));
    } else {
      term.low = scaled(term.low, correction.factor);
      term.high = scaled(term.high, correction.factor);
    }
    term.expected = expected;
    term.reason += fmt::format("; times {:.2f}, by {} {} of this machine", correction.factor,
                               correction.jobs, correction.jobs == 1 ? "job" : "jobs");
  }
}

}  // namespace levee::estimate
