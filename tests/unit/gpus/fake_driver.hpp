// A driver of the test's own for the helper in the same process: devices that hang, fail, come and
// go at its word.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gpus/device.hpp"
#include "unit/gpus/gpu_values.hpp"

namespace levee::test {

/// What the test sets and the driver's threads look at.
struct FakeWorld {
  struct Gpu {
    GpuIdentity identity;
    GpuCondition condition = GpuCondition::ok;
    bool hangs = false;
    bool is_read = false;    ///< Somebody is within read().
    int handle = 0;          ///< A device made for another handle answers that it is lost.
    int caught_up = 0;       ///< How often catch_up() was called.
    bool catches_up = true;  ///< False: catch_up() hangs.
  };

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Gpu> gpus;
  std::optional<Error> failure;  ///< What devices() answers.
  std::optional<Error> complaint;
  std::vector<GpuXid> xids;  ///< To be told by watch().
  bool over = false;         ///< Lets go of everything that hangs.

  void change(const std::function<void(FakeWorld&)>& what) {
    const std::scoped_lock lock(mutex);
    what(*this);
    changed.notify_all();
  }
  Gpu* find(std::string_view uuid) {
    for (Gpu& gpu : gpus) {
      if (gpu.identity.uuid == uuid) {
        return &gpu;
      }
    }
    return nullptr;
  }
};

class FakeDevice final : public gpus::Device {
 public:
  FakeDevice(std::shared_ptr<FakeWorld> world, const FakeWorld::Gpu& gpu)
      : world_(std::move(world)), identity_(gpu.identity), handle_(gpu.handle) {}

  [[nodiscard]] const GpuIdentity& identity() const override { return identity_; }

  [[nodiscard]] std::vector<GpuReading> read(Now now) override {
    std::unique_lock lock(world_->mutex);
    note_reading(true);
    world_->changed.wait(lock, [&] {
      const auto* gpu = world_->find(identity_.uuid);
      return world_->over || gpu == nullptr || !gpu->hangs;
    });
    note_reading(false);
    const auto* gpu = world_->find(identity_.uuid);
    GpuReading reading = reading_of(identity_);
    reading.read_at = now.mono;
    reading.condition =
        gpu == nullptr || gpu->handle != handle_ ? GpuCondition::lost : gpu->condition;
    return {reading};
  }

  void catch_up(Now /*now*/) override {
    std::unique_lock lock(world_->mutex);
    if (auto* gpu = world_->find(identity_.uuid)) {
      ++gpu->caught_up;
    }
    world_->changed.notify_all();
    world_->changed.wait(lock, [&] {
      const auto* gpu = world_->find(identity_.uuid);
      return world_->over || gpu == nullptr || gpu->catches_up;
    });
  }

 private:
  /// To be called with the world's mutex.
  void note_reading(bool is_read) {
    if (auto* gpu = world_->find(identity_.uuid)) {
      gpu->is_read = is_read;
      world_->changed.notify_all();
    }
  }

  std::shared_ptr<FakeWorld> world_;
  GpuIdentity identity_;
  int handle_;
};

class FakeDriver final : public gpus::Driver {
 public:
  explicit FakeDriver(std::shared_ptr<FakeWorld> world) : world_(std::move(world)) {}

  [[nodiscard]] Result<std::vector<std::unique_ptr<gpus::Device>>> devices() override {
    const std::scoped_lock lock(world_->mutex);
    if (world_->failure) {
      return std::unexpected(*world_->failure);
    }
    std::vector<std::unique_ptr<gpus::Device>> all;
    for (const FakeWorld::Gpu& gpu : world_->gpus) {
      all.push_back(std::make_unique<FakeDevice>(world_, gpu));
    }
    return all;
  }

  [[nodiscard]] std::optional<Error> complaint() const override {
    const std::scoped_lock lock(world_->mutex);
    return world_->complaint;
  }

  void watch(const std::function<void(const GpuXid&)>& tell, const std::stop_token& stop) override {
    const std::stop_callback wake(stop, [&] { world_->change([](FakeWorld&) {}); });
    std::unique_lock lock(world_->mutex);
    while (!stop.stop_requested()) {
      for (const GpuXid& xid : std::exchange(world_->xids, {})) {
        lock.unlock();
        tell(xid);
        lock.lock();
      }
      world_->changed.wait(
          lock, [&] { return stop.stop_requested() || !world_->xids.empty() || world_->over; });
      if (world_->over) {
        return;
      }
    }
  }

 private:
  std::shared_ptr<FakeWorld> world_;
};

}  // namespace levee::test
