// PruneClock: what time it is for deleting old history.
//
// The wall clock may be wrong: a dead battery, a slip of the hand, a time service that is late.
// What it makes look too old is then deleted for good, so a clock that jumped ahead is not believed
// at once: time goes on from where it was believed last (at the start, the newest data that is
// stored) as fast as the monotonic clock, until the wall clock has run on steadily for an hour. A
// machine that was off, or asleep, deletes an hour late; that is all it costs. Pure.
//
// Not covered: a clock that stays wrong for more than an hour, or a daemon that is started anew
// after it stored data by a clock that was ahead.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "core/time.hpp"

namespace levee::store {

class PruneClock {
 public:
  static constexpr std::chrono::hours kJump{1};    ///< More than this ahead is a jump.
  static constexpr std::chrono::hours kSteady{1};  ///< So long it must run on to be believed.

  /// `newest`: the newest data stored by then; absent: there is none, and nothing to lose.
  PruneClock(std::optional<WallTime> newest, Now now)
      : believed_(newest.value_or(now.wall)), last_(now), steady_since_(now.mono) {}

  /// What to take for the time at `now`; never later than the wall clock says.
  [[nodiscard]] WallTime at(Now now) {
    using std::chrono::milliseconds;
    const auto elapsed = std::chrono::duration_cast<milliseconds>(now.mono - last_.mono);
    if (std::chrono::abs((now.wall - last_.wall) - elapsed) > kJump) {
      steady_since_ = now.mono;
    }
    believed_ += elapsed;
    last_ = now;
    if (now.wall <= believed_ + kJump || now.mono - steady_since_ >= kSteady) {
      believed_ = now.wall;
    }
    return std::min(believed_, now.wall);
  }

 private:
  WallTime believed_;
  Now last_;
  MonoTime steady_since_;
};

}  // namespace levee::store
