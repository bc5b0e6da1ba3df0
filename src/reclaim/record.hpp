// Record: how far a process can be believed that was asked for memory. What it says it freed is
// judged by what was measured; one that lies or hangs is passed over for a while, each time for
// longer. Pure; thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee::reclaim {

/// How far what was said may be from what was measured.
struct Tolerance {
  double share = 0.1;     ///< Of what was said.
  Bytes least = mib(16);  ///< Measurements of a process that works are not better than this.
};

enum class Verdict { honest, lied, unclear };

[[nodiscard]] std::string_view to_string(Verdict verdict) noexcept;

/// `measured`: by how many bytes the process's use fell, negative where it rose; absent: unknown.
/// It is unclear what a process freed that grew meanwhile, or that says less than can be measured.
[[nodiscard]] Verdict judge(Bytes said, std::optional<std::int64_t> measured,
                            Tolerance tolerance = {});

/// How a request ended.
enum class Outcome {
  done,       ///< The process says that it freed something.
  refused,    ///< It says that it will not now.
  failed,     ///< It says that it could not.
  timed_out,  ///< It did not answer in time.
  gone,       ///< It ended, or closed the connection.
};

[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

/// What is remembered of a process.
struct Record {
  std::uint64_t asked = 0;
  std::uint64_t done = 0;
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;
  std::uint64_t hung = 0;  ///< Did not answer in time.
  std::uint64_t late = 0;  ///< Answered after that.
  std::uint64_t lied = 0;  ///< Freed much less than it said.
  Bytes said;              ///< By all answers that came in time.
  Bytes measured;          ///< For the same answers, where it could be measured.
  unsigned faults_in_a_row = 0;
  std::optional<MonoTime> passed_over_until;

  [[nodiscard]] bool is_passed_over(MonoTime now) const {
    return passed_over_until && now < *passed_over_until;
  }
};

/// For how long the n-th fault in a row (from 1) has a process passed over.
[[nodiscard]] std::chrono::seconds pass_over_time(unsigned faults_in_a_row);

/// One more request, and how it ended. `verdict` and `measured` matter to `done` only.
void note(Record& record, Outcome outcome, Bytes said, std::optional<std::int64_t> measured,
          Verdict verdict, MonoTime now);

}  // namespace levee::reclaim
