// NVML: events. A set belongs to the process; the events themselves are the machine's.
#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "simgpu/nvml/exports.hpp"
#include "simgpu/nvml/library.hpp"

using namespace levee::simgpu;

namespace levee::nvml {

struct EventSetObject {
  struct Registration {
    Named device;
    std::uint64_t types;
  };
  std::mutex mutex;
  std::vector<Registration> registrations;
  std::uint64_t seen = 0;  ///< Number of the last event that was looked at.
};

}  // namespace levee::nvml

namespace {

constexpr std::uint64_t kPollNs = 20'000'000;
constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSupported =
    event::kSingleBitEcc | event::kDoubleBitEcc | event::kXidCriticalError;

/// All sets of this process, so that a stray pointer is refused and not followed.
class Sets {
 public:
  EventSet add() {
    const std::lock_guard lock(mutex_);
    return sets_.emplace_back(std::make_shared<EventSetObject>()).get();
  }
  std::shared_ptr<EventSetObject> find(EventSet set) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(sets_, set, &std::shared_ptr<EventSetObject>::get);
    return found == sets_.end() ? nullptr : *found;
  }
  bool remove(EventSet set) {
    const std::lock_guard lock(mutex_);
    return std::erase_if(sets_, [&](const auto& held) { return held.get() == set; }) > 0;
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<EventSetObject>> sets_;
};

Sets& sets() {
  static Sets all;
  return all;
}

/// The next event that `set` asked for; not_found when none has happened.
Return take_event(Session& session, EventSetObject& set, EventData& data) {
  const Machine& machine = session.machine();
  const std::lock_guard lock(set.mutex);
  if (machine.events > kMaxEvents) {
    set.seen = std::max(set.seen, machine.events - kMaxEvents);  // Older ones are overwritten.
  }
  while (set.seen < machine.events) {
    const Event& event = machine.event.at(set.seen++ % kMaxEvents);
    for (const auto& [device, types] : set.registrations) {
      if (device.part.gpu == event.gpu && device.generation == event.generation &&
          (types & event.type) != 0) {
        data = EventData{make_handle(device), event.type, event.data, kNoInstance, kNoInstance};
        return Return::success;
      }
    }
  }
  const bool all_lost =
      !set.registrations.empty() && std::ranges::all_of(set.registrations, [&](const auto& one) {
        return check_handle(session, one.device) == Return::gpu_is_lost;
      });
  return all_lost ? Return::gpu_is_lost : Return::not_found;
}

Return wait(const char* function, EventSet set, EventData* data, std::size_t data_bytes,
            unsigned timeout_ms) {
  const auto held = sets().find(set);
  if (held == nullptr || data == nullptr) {
    return Return::invalid_argument;
  }
  // The whole timeout in real time, as callers' deadlines do not follow the machine's clock.
  const std::uint64_t deadline = monotonic_ns() + timeout_ms * kMillisecond;
  return system_call(function, [&](Session& session) {
    EventData found{};
    for (;;) {
      const Return result = take_event(session, *held, found);
      if (result != Return::not_found) {
        std::memcpy(data, &found, data_bytes);
        return result;
      }
      const std::uint64_t now = monotonic_ns();
      if (now >= deadline) {
        return Return::timeout;
      }
      session.sleep(std::min(kPollNs, deadline - now));
    }
  });
}

}  // namespace

Return nvmlEventSetCreate(EventSet* set) {
  return system_call(__func__, [&](Session& session) {
    if (set == nullptr) {
      return Return::invalid_argument;
    }
    *set = sets().add();
    (*set)->seen = session.machine().events;
    return Return::success;
  });
}

Return nvmlEventSetFree(EventSet set) {
  return system_call(__func__, [&](Session&) {
    return sets().remove(set) ? Return::success : Return::invalid_argument;
  });
}

Return nvmlEventSetWait(EventSet set, EventData* data, unsigned timeout_ms) {
  return wait(__func__, set, data, kEventDataV1Size, timeout_ms);
}

Return nvmlEventSetWait_v2(EventSet set, EventData* data, unsigned timeout_ms) {
  return wait(__func__, set, data, sizeof(EventData), timeout_ms);
}

Return nvmlDeviceRegisterEvents(Device device, unsigned long long types, EventSet set) {
  return device_call(__func__, device, [&](Target& target) {
    const auto held = sets().find(set);
    if (held == nullptr) {
      return Return::invalid_argument;
    }
    if ((types & ~kSupported) != 0) {
      return Return::not_supported;
    }
    const std::lock_guard lock(held->mutex);
    held->registrations.push_back({{target.part, target.gpu.generation}, types});
    return Return::success;
  });
}

Return nvmlDeviceGetSupportedEventTypes(Device device, unsigned long long* types) {
  return device_call(__func__, device, [&](Target&) {
    if (types == nullptr) {
      return Return::invalid_argument;
    }
    *types = kSupported;
    return Return::success;
  });
}
