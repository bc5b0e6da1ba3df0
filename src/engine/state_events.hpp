// Which of the documented events a change of state is (contract G2). Pure.
#pragma once

#include <string>

#include "core/alert.hpp"
#include "core/gpu.hpp"
#include "core/time.hpp"
#include "levee/level.hpp"

namespace levee::engine {

[[nodiscard]] inline bool is_throttling(Level level) {
  return level == Level::throttled || level == Level::critical;
}

/// `subject` changed its state. `known` is the last state before `after` that was no mere absence
/// of readings: a reading that is lost resumes nobody, and one that comes back resumes who was
/// throttled before.
[[nodiscard]] Event state_event(std::string_view subject, Level before, Level known, Level after,
                                Now now);

/// An event without further parts.
[[nodiscard]] Event plain_event(EventKind kind, std::string message, Now now);

/// `event` with the device it is about in its details.
[[nodiscard]] Event about(const GpuIdentity& gpu, Event event);

/// "GPU 0", "GPU 0 instance 3 (3g.40gb)".
[[nodiscard]] std::string name_of(const GpuIdentity& gpu);

}  // namespace levee::engine
