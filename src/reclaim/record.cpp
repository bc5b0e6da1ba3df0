#include "reclaim/record.hpp"

#include <algorithm>
#include <limits>

namespace levee::reclaim {
namespace {

constexpr std::chrono::seconds kFirstTime{60};
constexpr unsigned kMostDoublings = 5;  // 32 minutes

/// `bytes` as a number that can be compared with a signed one.
std::int64_t signed_count(Bytes bytes) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  return bytes.count > static_cast<std::uint64_t>(kMost) ? kMost
                                                         : static_cast<std::int64_t>(bytes.count);
}

void note_fault(Record& record, MonoTime now) {
  ++record.faults_in_a_row;
  record.passed_over_until = now + pass_over_time(record.faults_in_a_row);
}

}  // namespace

std::string_view to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::honest:
      return "honest";
    case Verdict::lied:
      return "lied";
    case Verdict::unclear:
      return "unclear";
  }
  return "unclear";
}

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::done:
      return "done";
    case Outcome::refused:
      return "refused";
    case Outcome::failed:
      return "failed";
    case Outcome::timed_out:
      return "timed_out";
    case Outcome::gone:
      return "gone";
  }
  return "gone";
}

Verdict judge(Bytes said, std::optional<std::int64_t> measured, Tolerance tolerance) {
  if (said == Bytes{}) {
    return Verdict::honest;  // Who promises nothing breaks no promise.
  }
  if (!measured) {
    return Verdict::unclear;
  }
  const double share = std::clamp(tolerance.share, 0.0, 1.0);
  const double expected = static_cast<double>(said.count) * (1 - share);
  if (static_cast<double>(*measured) >= expected) {
    return Verdict::honest;
  }
  if (said <= tolerance.least || *measured < -signed_count(tolerance.least)) {
    return Verdict::unclear;
  }
  const double missing = static_cast<double>(said.count) - static_cast<double>(*measured);
  return missing <= static_cast<double>(tolerance.least.count) ? Verdict::honest : Verdict::lied;
}

std::chrono::seconds pass_over_time(unsigned faults_in_a_row) {
  if (faults_in_a_row == 0) {
    return std::chrono::seconds{0};
  }
  return kFirstTime * (1U << std::min(faults_in_a_row - 1, kMostDoublings));
}

void note(Record& record, Outcome outcome, Bytes said, std::optional<std::int64_t> measured,
          Verdict verdict, MonoTime now) {
  ++record.asked;
  switch (outcome) {
    case Outcome::done:
      ++record.done;
      record.said += said;
      record.measured +=
          Bytes{static_cast<std::uint64_t>(std::max<std::int64_t>(measured.value_or(0), 0))};
      if (verdict == Verdict::lied) {
        ++record.lied;
        note_fault(record, now);
      } else if (verdict == Verdict::honest) {
        record.faults_in_a_row = 0;
      }
      return;
    case Outcome::refused:
      ++record.refused;
      return;
    case Outcome::failed:
      ++record.failed;
      return;
    case Outcome::timed_out:
      ++record.hung;
      note_fault(record, now);
      return;
    case Outcome::gone:
      return;
  }
}

}  // namespace levee::reclaim
