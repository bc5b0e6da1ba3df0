// Ladder: what is done about a device whose memory runs out, from what harms nobody to what does
// (contract G5). Each device has its own.
//
// It takes one remedy at a time: the lowest rung that the pressure allows, on it the one of the
// lowest priority, and of those the newest. It waits for the answer, looks at the device again,
// says what came of it, and goes on only while the pressure lasts. A remedy that was tried rests
// for a while, and longer each time it gave nothing, so that a device that is simply full does not
// nag those who have nothing to give. What was paused goes on when there has been no pressure for a
// while, and after `longest_pause` in any case.
//
// Pure: what a remedy does, and whether it is done at all (a dry run), is not known here.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/time.hpp"
#include "levee/bytes.hpp"
#include "levee/level.hpp"

namespace levee::control {

enum class Rung {
  notify,
  clear_cache,
  deflate_balloon,
  reduce_batch,
  offload,
  pause,
  brake,
  restart,
  kill,
};

[[nodiscard]] std::string_view to_string(Rung rung) noexcept;

/// The last rung that pressure of this severity allows.
[[nodiscard]] Rung highest_rung(Severity pressure) noexcept;

/// Something that can be done, to somebody.
struct Remedy {
  Rung rung = Rung::notify;
  std::string target;          ///< Names it, among the remedies of its rung.
  int priority = 0;            ///< The lowest goes first.
  WallTime since;              ///< Of those, the newest.
  std::optional<Bytes> offer;  ///< What it says it can give.

  bool operator==(const Remedy&) const = default;
};

/// Whether `a` is tried before `b`.
[[nodiscard]] bool goes_before(const Remedy& a, const Remedy& b) noexcept;

/// A device at one moment.
struct LadderLook {
  std::optional<Severity> pressure = {};  ///< Absent: there is none.
  Bytes used;
  Bytes line;        ///< Above it there is pressure.
  MonoTime read_at;  ///< When `used` was read.
  std::vector<Remedy> remedies;
};

struct LadderRules {
  std::chrono::seconds rest{60};              ///< Before a remedy is tried again; doubles,
  std::chrono::seconds longest_rest{1'800};   ///< up to this.
  std::chrono::milliseconds deadline{5'000};  ///< For an answer.
  std::chrono::seconds calm{30};              ///< Without pressure, before what is paused goes on.
  std::chrono::seconds longest_pause{300};
};

/// A remedy that is being tried.
struct LadderStep {
  std::uint64_t number = 0;  ///< Never used twice by a ladder.
  Remedy remedy;
  std::optional<Severity> pressure;  ///< Absent: it is a part of a sweep.
  Bytes wanted;                      ///< To be below the line, or all there is for a sweep.
  Bytes before;
  MonoTime begun;
  MonoTime until;  ///< Later answers count as none.

  bool operator==(const LadderStep&) const = default;
};

enum class StepEnd { done, refused, failed, silent };

[[nodiscard]] std::string_view to_string(StepEnd end) noexcept;

struct StepAnswer {
  std::uint64_t number = 0;
  StepEnd end = StepEnd::done;
  std::optional<Bytes> said;  ///< What it says it gave.
  std::string message;        ///< For people; may be empty.

  bool operator==(const StepAnswer&) const = default;
};

/// What came of a step.
struct StepReport {
  LadderStep step;
  StepAnswer answer;
  Bytes after;

  /// 0 when more is used than before.
  [[nodiscard]] Bytes freed() const noexcept { return step.before - after; }
  bool operator==(const StepReport&) const = default;
};

/// Remedies from `first` to `last`, each once, whatever the pressure (a cleanup by hand).
struct Sweep {
  Rung first = Rung::clear_cache;
  Rung last = Rung::deflate_balloon;
};

struct LadderMove {
  std::optional<StepReport> ended;
  std::optional<LadderStep> begun;  ///< To be done now, and answered.
  std::vector<Remedy> lifted;       ///< Paused before, to go on now.
  bool swept = false;               ///< The sweep that was asked for is over.
};

/// One owner thread.
class Ladder {
 public:
  /// Call it with every new reading, and after every answer.
  [[nodiscard]] LadderMove look(const LadderLook& look, const LadderRules& rules, MonoTime now);

  /// The first answer to the step that is under way counts; others are ignored.
  void answer(StepAnswer answer, MonoTime now);

  /// A later sweep replaces an earlier one.
  void sweep(Sweep sweep);

  [[nodiscard]] const std::optional<LadderStep>& under_way() const noexcept { return step_; }
  [[nodiscard]] const std::vector<Remedy>& paused() const noexcept { return paused_; }

 private:
  using Key = std::pair<Rung, std::string>;
  struct Rest {
    MonoTime until;
    unsigned misses = 0;  ///< Times in a row that it gave nothing.
  };
  struct Swept {
    Sweep sweep;
    std::vector<Key> tried;
  };
  struct Answered {
    StepAnswer answer;
    MonoTime at;
  };

  [[nodiscard]] std::optional<StepReport> finish(const LadderLook& look, const LadderRules& rules,
                                                 MonoTime now);
  [[nodiscard]] std::vector<Remedy> lift(const LadderLook& look, const LadderRules& rules,
                                         MonoTime now);
  [[nodiscard]] const Remedy* next(const LadderLook& look, MonoTime now) const;
  [[nodiscard]] bool is_allowed(const Remedy& remedy, std::optional<Severity> pressure,
                                MonoTime now) const;
  void let_rest(const StepReport& report, const LadderRules& rules, MonoTime now);

  std::uint64_t last_number_ = 0;
  std::optional<LadderStep> step_;
  std::optional<Answered> answered_;
  std::optional<Swept> sweep_;
  std::map<Key, Rest> rests_;
  std::vector<Remedy> paused_;
  MonoTime paused_at_;
  std::optional<MonoTime> calm_since_;
};

}  // namespace levee::control
