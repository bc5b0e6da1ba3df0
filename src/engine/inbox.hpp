// Inbox: how other threads reach the engine thread. Commands through a bounded queue that counts
// what it refuses; the guard's alarm through a flag; both end the engine's sleep at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "core/time.hpp"

namespace levee::engine {

class Inbox {
 public:
  using Task = std::function<void()>;

  explicit Inbox(std::size_t capacity);
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  /// Queues `task` for the engine thread. False when the queue is full or closed. Thread-safe.
  [[nodiscard]] bool post(Task task);

  /// Wakes the engine: the guard has something to say. Thread-safe, allocates nothing.
  void alarm();

  /// Refuses everything from now on and wakes the engine. Thread-safe.
  void close();

  struct Wake {
    bool alarm = false;
    bool pressure = false;        ///< `pressure_fd` reported a stall.
    bool pressure_ended = false;  ///< `pressure_fd` is broken and would wake us for ever.
    std::vector<Task> tasks;
  };

  /// Sleeps until `deadline`, a task, an alarm, close(), or an event on `pressure_fd` (−1: none).
  [[nodiscard]] Wake wait(MonoTime deadline, int pressure_fd);

  [[nodiscard]] std::uint64_t refused() const;

 private:
  void wake() const;

  const std::size_t capacity_;
  int event_fd_;

  mutable std::mutex mutex_;  // guards the members below
  std::vector<Task> tasks_;
  bool alarm_ = false;
  bool closed_ = false;
  std::uint64_t refused_ = 0;
};

}  // namespace levee::engine
