#include "engine/state_events.hpp"

#include <fmt/format.h>

namespace levee::engine {

Event plain_event(EventKind kind, std::string message, Now now) {
  return Event{.id = 0,
               .at = now.wall,
               .kind = kind,
               .severity = {},
               .message = std::move(message),
               .alert = {},
               .details = {}};
}

Event state_event(std::string_view subject, Level before, Level known, Level after, Now now) {
  std::string_view name = "state_change";
  if (after == Level::critical) {
    name = "critical";
  } else if (after == Level::throttled) {
    name = "throttle";
  } else if (after != Level::unavailable && is_throttling(known)) {
    name = "resume";
  }
  Event event = plain_event(
      EventKind::state_change,
      fmt::format("{} is {} (was {})", subject, to_string(after), to_string(before)), now);
  event.details = {{"event", std::string(name)},
                   {"from", std::string(to_string(before))},
                   {"to", std::string(to_string(after))}};
  return event;
}

Event about(const GpuIdentity& gpu, Event event) {
  event.details.emplace_back("gpu", fmt::format("{}", gpu.index));
  event.details.emplace_back("uuid", gpu.uuid);
  return event;
}

std::string name_of(const GpuIdentity& gpu) {
  if (!gpu.is_instance()) {
    return fmt::format("GPU {}", gpu.index);
  }
  return fmt::format("GPU {} instance {} ({})", gpu.index, gpu.gpu_instance.value_or(0),
                     gpu.mig_profile);
}

}  // namespace levee::engine
