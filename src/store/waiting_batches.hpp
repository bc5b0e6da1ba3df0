// WaitingBatches: what could not be written yet, bounded. When it is full the oldest points go
// first; events, which are few and matter most, only when there are too many of them alone.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "store/history_store.hpp"

namespace levee::store {

class WaitingBatches {
 public:
  WaitingBatches(std::size_t max_points, std::size_t max_events)
      : max_points_(max_points), max_events_(max_events) {}

  /// Adds a batch behind the others.
  void add(Batch batch);
  /// Puts back the batch that take() gave, before the others.
  void put_back(Batch batch);
  /// The oldest batch; empty() must be false.
  [[nodiscard]] Batch take();

  /// Counts what `batch` holds as lost.
  void lose(const Batch& batch);

  [[nodiscard]] bool empty() const noexcept { return batches_.empty(); }
  [[nodiscard]] std::uint64_t dropped_points() const noexcept { return dropped_points_; }
  [[nodiscard]] std::uint64_t dropped_events() const noexcept { return dropped_events_; }

 private:
  void keep_within_bounds();

  const std::size_t max_points_;
  const std::size_t max_events_;
  std::deque<Batch> batches_;
  std::size_t points_ = 0;
  std::size_t events_ = 0;
  std::uint64_t dropped_points_ = 0;
  std::uint64_t dropped_events_ = 0;
};

}  // namespace levee::store
