// What every NVML function of the simulator goes through: is the library initialised, do the
// scenario's faults interfere, is the handle good; then the function's own part with the machine
// locked, and a line of the trace. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "abi/nvml.hpp"
#include "simgpu/machine/faults.hpp"
#include "simgpu/machine/memory.hpp"
#include "simgpu/machine/segment.hpp"
#include "simgpu/machine/trace.hpp"

namespace levee::simgpu {

using nvml::Return;

/// The library's state in this process: how often it was initialised, and the machine.
class NvmlLibrary {
 public:
  static NvmlLibrary& get() noexcept;

  /// nvmlInit and its kin; `function` is the name they were called by.
  [[nodiscard]] Return init(const char* function) noexcept;
  [[nodiscard]] Return shutdown() noexcept;

  /// The machine, or nullptr while not initialised.
  [[nodiscard]] std::shared_ptr<Segment> segment() noexcept;

 private:
  std::mutex mutex_;
  unsigned users_ = 0;
  std::shared_ptr<Segment> segment_;
};

/// A handle says GPU, instance and generation, so a bad one is known without touching memory.
struct Named {
  Part part;
  std::uint32_t generation = 0;
};
[[nodiscard]] nvml::Device make_handle(Named named) noexcept;
[[nodiscard]] std::optional<Named> read_handle(nvml::Device device) noexcept;

/// A good handle's device, with the machine locked.
struct Target {
  Session& session;
  Gpu& gpu;
  Part part;

  [[nodiscard]] bool is_mig() const noexcept { return part.instance != kNoInstanceId; }
  [[nodiscard]] std::int64_t value(Key key) const noexcept { return session.value(gpu, key); }
};

/// 15 for a lost GPU or an old handle, 16 when it wants a reset, 2 for what is no handle.
[[nodiscard]] Return check_handle(Session& session, const std::optional<Named>& named) noexcept;

/// `body(Session&)` for a function without a device.
template <class Body>
[[nodiscard]] Return system_call(const char* function, Body body) noexcept {
  Return result = Return::uninitialized;
  if (const auto segment = NvmlLibrary::get().segment()) {
    Session session(*segment);
    const auto forced = pass_gate(session, function, kNoGpu);
    result = forced ? Return{*forced} : body(session);
  }
  trace(function, kNoGpu, static_cast<std::uint32_t>(result));
  return result;
}

/// `body(Target&)` for a function of a GPU or a MIG instance.
template <class Body>
[[nodiscard]] Return any_device_call(const char* function, nvml::Device device,
                                     Body body) noexcept {
  Return result = Return::uninitialized;
  const auto named = read_handle(device);
  const std::int32_t gpu = named ? named->part.gpu : kNoGpu;
  if (const auto segment = NvmlLibrary::get().segment()) {
    Session session(*segment);
    if (const auto forced = pass_gate(session, function, gpu)) {
      result = Return{*forced};
    } else if (result = check_handle(session, named); result == Return::success) {
      Target target{session, session.machine().gpu.at(static_cast<std::size_t>(gpu)), named->part};
      result = body(target);
    }
  }
  trace(function, gpu, static_cast<std::uint32_t>(result));
  return result;
}

/// The same for functions that MIG instances do not support.
template <class Body>
[[nodiscard]] Return device_call(const char* function, nvml::Device device, Body body) noexcept {
  return any_device_call(function, device, [&](Target& target) {
    return target.is_mig() ? Return::not_supported : body(target);
  });
}

/// A function that reports one value; whatever is "not-supported" answers so.
template <class Number>
[[nodiscard]] Return read_value(const char* function, nvml::Device device, Key key,
                                Number* out) noexcept {
  return device_call(function, device, [&](Target& target) {
    const std::int64_t value = target.value(key);
    if (out == nullptr) {
      return Return::invalid_argument;
    }
    if (value == kNotSupported) {
      return Return::not_supported;
    }
    *out = static_cast<Number>(value);
    return Return::success;
  });
}

/// Copies a text into the caller's buffer.
[[nodiscard]] Return write_text(std::string_view text, char* into, unsigned length) noexcept;

}  // namespace levee::simgpu
