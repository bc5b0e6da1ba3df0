#include "store/waiting_batches.hpp"

#include <algorithm>
#include <utility>

namespace levee::store {
namespace {

/// Removes the oldest elements of one kind until `count` is within `most`; returns how many.
template <class T>
std::size_t drop_oldest(std::deque<Batch>& batches, std::vector<T> Batch::* kind,
                        std::size_t& count, std::size_t most) {
  std::size_t dropped = 0;
  for (auto batch = batches.begin(); batch != batches.end() && count > most; ++batch) {
    std::vector<T>& elements = (*batch).*kind;
    const std::size_t surplus = std::min(elements.size(), count - most);
    elements.erase(elements.begin(), elements.begin() + static_cast<std::ptrdiff_t>(surplus));
    elements.shrink_to_fit();
    count -= surplus;
    dropped += surplus;
  }
  return dropped;
}

}  // namespace

void WaitingBatches::add(Batch batch) {
  points_ += batch.points.size();
  events_ += batch.events.size();
  batches_.push_back(std::move(batch));
  keep_within_bounds();
}

void WaitingBatches::put_back(Batch batch) {
  points_ += batch.points.size();
  events_ += batch.events.size();
  batches_.push_front(std::move(batch));
  keep_within_bounds();
}

Batch WaitingBatches::take() {
  Batch batch = std::move(batches_.front());
  batches_.pop_front();
  points_ -= batch.points.size();
  events_ -= batch.events.size();
  return batch;
}

void WaitingBatches::lose(const Batch& batch) {
  dropped_points_ += batch.points.size();
  dropped_events_ += batch.events.size();
}

void WaitingBatches::keep_within_bounds() {
  dropped_points_ += drop_oldest(batches_, &Batch::points, points_, max_points_);
  dropped_events_ += drop_oldest(batches_, &Batch::events, events_, max_events_);
  std::erase_if(batches_,
                [](const Batch& batch) { return batch.points.empty() && batch.events.empty(); });
}

}  // namespace levee::store
