#include "estimate/search.hpp"

#include <algorithm>

namespace levee::estimate {
namespace {

/// The largest number up to `most` for which `fits` holds, which must not begin again once it has
/// ceased; 0 where it does not hold for 1.
template <class Fits>
std::uint64_t largest(std::uint64_t most, Fits fits) {
  std::uint64_t good = 0;
  std::uint64_t bad = 1;
  while (bad <= most && fits(bad)) {
    good = bad;
    bad = bad > most / 2 ? most + 1 : 2 * bad;
  }
  while (bad - good > 1) {
    const std::uint64_t middle = good + (bad - good) / 2;
    (fits(middle) ? good : bad) = middle;
  }
  return good;
}

bool fits_surely(const ModelFacts& facts, const Job& job, Bytes free) {
  return judge(estimate(facts, job), free) == Fit::fits;
}

}  // namespace

std::string_view to_string(Fit fit) noexcept {
  switch (fit) {
    case Fit::fits:
      return "fits";
    case Fit::tight:
      return "tight";
    case Fit::does_not_fit:
      return "does_not_fit";
  }
  return "does_not_fit";
}

Fit judge(const Estimate& estimate, Bytes free) noexcept {
  if (estimate.total.high <= free) {
    return Fit::fits;
  }
  return estimate.total.expected <= free ? Fit::tight : Fit::does_not_fit;
}

std::uint64_t largest_batch(const ModelFacts& facts, Job job, Bytes free) {
  return largest(kMostSequences, [&](std::uint64_t batch) {
    job.batch = batch;
    return fits_surely(facts, job, free);
  });
}

std::uint64_t longest_context(const ModelFacts& facts, Job job, Bytes free) {
  const std::uint64_t most =
      facts.max_context > 0 ? std::min(facts.max_context, kMostContext) : kMostContext;
  return largest(most, [&](std::uint64_t context) {
    job.context = context;
    return fits_surely(facts, job, free);
  });
}

std::optional<std::uint64_t> fewest_devices(const ModelFacts& facts, Job job, Bytes free) {
  for (std::uint64_t devices = 1; devices <= kMostDevices && devices <= facts.heads; devices *= 2) {
    job.tensor_parallel = devices;
    if (facts.heads % devices == 0 && fits_surely(facts, job, free)) {
      return devices;
    }
  }
  return std::nullopt;
}

std::optional<WeightFormat> best_format(const ModelFacts& facts, Job job, Bytes free) {
  const double bits = job.weights.value_or(format_of(facts)).linear_bits;
  const auto& formats = job.framework == Framework::llama_cpp ? gguf_formats() : hub_formats();
  std::optional<WeightFormat> best;
  for (const WeightFormat& format : formats) {
    job.weights = format;
    const bool is_better = !best || format.linear_bits > best->linear_bits;
    if (format.linear_bits < bits && is_better && fits_surely(facts, job, free)) {
      best = format;
    }
  }
  return best;
}

}  // namespace levee::estimate
