// Holder: a process of our own that holds GPU memory for us, so that a driver that hangs or crashes
// takes nobody along, and so that what is held is free in one stroke: by the end of the process.
//
// The holder ends with this object, and when this process dies in whatever way. Every call has a
// deadline and comes back soon after it. A growth that is only slow is undone and the holder goes
// on; a holder that says nothing is killed, and everything it held is free. One owner thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "balloon/held_memory.hpp"
#include "balloon/holder_wire.hpp"
#include "gpus/helper_process.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::balloon {

class Holder {
 public:
  struct Settings {
    /// The program that calls run_holder(0, …); the GPU's UUID is added.
    std::vector<std::string> argv = {"/proc/self/exe", "gpu-holder"};
    std::vector<std::string> environment = {};  ///< "NAME=value", beside this process's own.
    /// Until it must be ready: loading the driver takes seconds without persistence mode.
    std::chrono::milliseconds start_deadline{30'000};
    /// How long after a deadline the holder may still say that it has undone its growth.
    std::chrono::milliseconds grace{5'000};
    Bytes chunk_size = mib(100);
    /// Asked now and then while somebody waits for it: true gives up, and kills it.
    std::function<bool()> is_cancelled = [] { return false; };
  };

  /// Starts a holder for the GPU or MIG instance `gpu_uuid`. `not_found` without such a GPU or
  /// program; `unavailable` when the driver refuses, or the GPU is in an exclusive compute mode;
  /// `timed_out` when it is not ready in time.
  [[nodiscard]] static Result<Holder> start(std::string gpu_uuid, Settings settings);
  [[nodiscard]] static Result<Holder> start(std::string gpu_uuid) {
    return start(std::move(gpu_uuid), Settings{});
  }

  Holder(Holder&& other) noexcept;
  Holder& operator=(Holder&&) = delete;
  ~Holder() { stop(); }

  /// Holds `bytes` in all from now on; 0 gives everything back. `resource_exhausted` ("CUDA out of
  /// memory") and `timed_out` leave what was held before, unless the holder had to be killed: the
  /// message says so, and is_running() is false. `progress` is told of growth now and then; its
  /// false stops it. It must neither throw nor use this object.
  [[nodiscard]] Result<HolderState> resize(Bytes bytes, std::chrono::milliseconds deadline,
                                           const Progress& progress = {});

  /// Asks the holder, and through it the driver.
  [[nodiscard]] Result<HolderState> status(std::chrono::milliseconds deadline);

  /// From now on it gives way to its owner by itself (balloon/follower.hpp), and resize() changes
  /// what is promised. What it tells of that arrives with every call, is_running() included.
  [[nodiscard]] Result<HolderState> follow(const Following& how,
                                           std::chrono::milliseconds deadline);

  /// The owner takes `bytes` next; how much of that is open to it now. To one that follows.
  [[nodiscard]] Result<Bytes> yield_to_owner(Bytes bytes, std::chrono::milliseconds deadline);

  /// What it held when it last said so; nothing at all once it has ended. Asks nobody.
  [[nodiscard]] const HolderState& held() const noexcept { return state_; }
  /// How far the baton was passed when it last said so; as it was once it has ended.
  [[nodiscard]] const BatonState& baton() const noexcept { return baton_; }

  /// Looks whether it still runs and hears what it has said meanwhile, without waiting. line()
  /// becomes readable when there is something to hear, and when it ends.
  [[nodiscard]] bool is_running();

  /// For poll(); -1 when it has ended.
  [[nodiscard]] int line() const noexcept { return process_ ? process_->line() : -1; }

  [[nodiscard]] const std::string& gpu_uuid() const noexcept { return gpu_uuid_; }
  [[nodiscard]] std::optional<pid_t> pid() const noexcept {
    return process_ ? std::optional(process_->pid()) : std::nullopt;
  }

  /// Kills it: everything is free at once. False when it sleeps in the driver and cannot be killed
  /// yet: then the driver frees its memory later.
  bool stop();

 private:
  using Clock = std::chrono::steady_clock;

  Holder(std::string gpu_uuid, Settings settings, gpus::HelperProcess process)
      : gpu_uuid_(std::move(gpu_uuid)),
        settings_(std::move(settings)),
        process_(std::move(process)) {}

  template <class Order>
  [[nodiscard]] Result<HolderState> order(Order order, std::chrono::milliseconds deadline);
  [[nodiscard]] Result<HolderState> await(std::uint64_t number, Clock::time_point until,
                                          const Progress& progress);
  /// The answer to `number`, if this is it.
  [[nodiscard]] std::optional<Result<HolderState>> take(const wire::Message& message,
                                                        std::uint64_t number,
                                                        const Progress& progress);
  [[nodiscard]] Error silence();
  [[nodiscard]] Error ended();
  [[nodiscard]] Error kill_for(Error why);

  std::string gpu_uuid_;
  Settings settings_;
  std::optional<gpus::HelperProcess> process_;
  wire::Reader reader_;
  std::uint64_t last_number_ = 0;
  HolderState state_;
  BatonState baton_;
  Bytes promised_;   ///< While it follows.
  std::string end_;  ///< How it ended.
};

}  // namespace levee::balloon
