// Window<T>: a bounded time series in memory, newest last.
//
// T has a member `at` of type Now. Elements are contiguous, so a reader gets a plain span; the
// buffer holds up to twice its capacity and drops the older half at once, which keeps append O(1)
// on average. Not thread-safe: the engine thread owns it and publishes copies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "core/time.hpp"

namespace levee::history {

template <class T>
class Window {
 public:
  /// Keeps elements for `keep`, and never more than `capacity` (≥ 1) of them.
  Window(MonoTime::duration keep, std::size_t capacity) { resize(keep, capacity); }

  /// Changes the bounds; what no longer fits is dropped at the next append.
  void resize(MonoTime::duration keep, std::size_t capacity) {
    keep_ = keep;
    capacity_ = std::max<std::size_t>(capacity, 1);
  }

  /// Appends `element`, whose time must not be earlier than the last one's.
  void append(T element) {
    const MonoTime oldest_kept = element.at.mono - keep_;
    elements_.push_back(std::move(element));
    while (first_ + 1 < elements_.size() &&
           (size() > capacity_ || elements_[first_].at.mono < oldest_kept)) {
      ++first_;
    }
    if (first_ >= capacity_) {
      elements_.erase(elements_.begin(), elements_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return elements_.size() - first_; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  /// Everything that is kept, oldest first. Valid until the next append.
  [[nodiscard]] std::span<const T> all() const noexcept {
    return std::span(elements_).subspan(first_);
  }

 private:
  MonoTime::duration keep_{};
  std::size_t capacity_ = 1;
  std::vector<T> elements_;
  std::size_t first_ = 0;
};

/// The part of `series` (oldest first) not older than `span` before `now`.
template <class T>
[[nodiscard]] std::span<const T> latest(std::span<const T> series, MonoTime now,
                                        MonoTime::duration span) {
  const auto first = std::partition_point(series.begin(), series.end(),
                                          [&](const T& e) { return e.at.mono < now - span; });
  return series.subspan(static_cast<std::size_t>(first - series.begin()));
}

}  // namespace levee::history
