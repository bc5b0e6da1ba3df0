#include "estimate/model_cache.hpp"

#include <algorithm>

#include "estimate/requirements.hpp"

namespace levee::estimate {

ModelCache::Place ModelCache::find(std::string_view id) {
  return std::ranges::find(models_, id, &CachedModel::id);
}

/// Makes it the most recently used.
void ModelCache::use(Place model, Now now) {
  model->last_use = now.wall;
  std::rotate(model, std::next(model), models_.end());
}

Result<void> ModelCache::track(std::string_view id, Bytes size, Now now) {
  if (const auto good = check_model_id(id); !good) {
    return good;
  }
  if (const auto good = bytes_of_gigabytes(to_gb(size)); !good || size == Bytes{}) {
    return fail(ErrorCode::invalid_argument,
                "the size " + format_bytes(size) + " is not that of a loaded model",
                "give what it takes in memory, above 0 GB");
  }
  if (const auto known = find(id); known != models_.end()) {
    ++hits_;
    known->size = size;
    use(known, now);
    return {};
  }
  ++misses_;
  if (models_.size() >= kMost) {
    models_.erase(models_.begin());
    ++forgotten_;
  }
  models_.push_back({.id = std::string(id), .size = size, .last_use = now.wall});
  return {};
}

bool ModelCache::touch(std::string_view id, Now now) {
  const auto known = find(id);
  if (known == models_.end()) {
    return false;
  }
  ++hits_;
  use(known, now);
  return true;
}

bool ModelCache::forget(std::string_view id) {
  const auto known = find(id);
  if (known == models_.end()) {
    return false;
  }
  models_.erase(known);
  return true;
}

std::optional<double> ModelCache::hit_rate() const {
  const std::uint64_t all = hits_ + misses_;
  return all == 0 ? std::nullopt
                  : std::optional(static_cast<double>(hits_) / static_cast<double>(all));
}

std::size_t ModelCache::overflow() const {
  return models_.size() > size_ ? models_.size() - size_ : 0;
}

std::vector<CachedModel> ModelCache::proposed_evictions() const {
  return {models_.begin(), models_.begin() + static_cast<std::ptrdiff_t>(overflow())};
}

}  // namespace levee::estimate
