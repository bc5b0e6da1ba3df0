// Device and Driver: the two things every vendor's code offers. Only the helper process calls them
// (gpus/helper.hpp), because any call may hang for ever or crash.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "core/gpu.hpp"
#include "core/time.hpp"
#include "levee/result.hpp"

namespace levee::gpus {

class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  [[nodiscard]] virtual const GpuIdentity& identity() const = 0;

  /// The device, then its MIG instances. Never empty: a device that fails says so in `condition`.
  /// Each device is read by one thread at a time; different devices by different threads.
  [[nodiscard]] virtual std::vector<GpuReading> read(Now now) = 0;

  /// Reads what takes long and is not urgent, for later readings to hand out. Called by the same
  /// thread when an answer is on its way.
  virtual void catch_up(Now now) { (void)now; }
};

/// devices() and watch() are called by two threads at the same time.
class Driver {
 public:
  Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  virtual ~Driver() = default;

  /// The devices that are there now, in PCI bus order. Called again now and then (hot-plug); a
  /// device that is listed again with the same UUID is the same one. An error means that the
  /// driver must be loaded anew: the helper ends for it.
  [[nodiscard]] virtual Result<std::vector<std::unique_ptr<Device>>> devices() = 0;

  /// What the last devices() had to leave out, for people. Called by the same thread.
  [[nodiscard]] virtual std::optional<Error> complaint() const { return std::nullopt; }

  /// Waits for error reports of the devices and hands them to `tell` until `stop` is requested;
  /// returns at once where the driver has none.
  virtual void watch(const std::function<void(const GpuXid&)>& tell, const std::stop_token& stop) {
    (void)tell;
    (void)stop;
  }
};

}  // namespace levee::gpus
