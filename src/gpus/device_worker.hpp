// DeviceWorker: one device and the thread that reads it. A thread that hangs in the driver is never
// waited for; it keeps what it needs alive and ends with its process. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "core/time.hpp"
#include "gpus/device.hpp"
#include "gpus/wire.hpp"

namespace levee::gpus {

class DeviceWorker {
 public:
  struct Calls {
    std::function<void(wire::Answer)> answer;
    std::function<void()> turned_bad;  ///< The device answered well before, and no longer does.
  };

  /// Starts the thread.
  [[nodiscard]] static std::shared_ptr<DeviceWorker> start(std::unique_ptr<Device> device,
                                                           Calls calls);

  /// Asks for a reading. A device that still reads for an earlier question is left alone.
  void ask(std::uint64_t number);

  /// Reads from `device` from the next question on: the same device under a new handle.
  void replace(std::unique_ptr<Device> device);

  /// The thread ends as soon as the driver lets go of it.
  void end();

  /// False after a reading that was not ok.
  [[nodiscard]] bool is_well() const;

 private:
  struct Question {
    std::uint64_t number;
    MonoTime arrived;
  };

  DeviceWorker(std::unique_ptr<Device> device, Calls calls);
  void run();
  [[nodiscard]] std::optional<Question> next_question();
  void answer(const Question& question);

  const Calls calls_;
  std::unique_ptr<Device> device_;  // the thread's only

  mutable std::mutex mutex_;
  std::condition_variable wake_;  // the members below are guarded by mutex_
  std::optional<Question> question_;
  std::unique_ptr<Device> replacement_;
  bool is_reading_ = false;
  bool is_well_ = true;
  bool ended_ = false;
};

}  // namespace levee::gpus
