// Published<T>: the latest immutable value, swapped in whole by one thread and read by any.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace levee::engine {

// A mutex around one pointer, not std::atomic<std::shared_ptr>: that one spins in libstdc++ 12, and
// ThreadSanitizer does not understand its lock bit.
template <class T>
class Published {
 public:
  void set(std::shared_ptr<const T> value) {
    const std::lock_guard lock(mutex_);
    value_.swap(value);
  }

  /// Null before the first set().
  [[nodiscard]] std::shared_ptr<const T> get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace levee::engine
