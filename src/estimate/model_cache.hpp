// ModelCache: which models jobs say they keep loaded, and which of them to let go first.
//
// It only keeps account; the memory is the jobs' own. Order is by use, not by clock, so that a
// clock set back changes nothing. Pure; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::estimate {

struct CachedModel {
  std::string id;
  Bytes size;  ///< An estimate by who loaded it.
  WallTime last_use;

  bool operator==(const CachedModel&) const = default;
};

class ModelCache {
 public:
  static constexpr std::size_t kMost = 4'096;  ///< Beyond it the least recently used is forgotten.

  /// `size` is how many models may be cached before some are proposed for eviction.
  explicit ModelCache(std::size_t size) : size_(size) {}

  /// A model was loaded: a miss; or is loaded already: a hit, and `size` becomes its size.
  /// Refuses bad names, no size, and one beyond kMostGigabytes.
  [[nodiscard]] Result<void> track(std::string_view id, Bytes size, Now now);

  /// A model is used: a hit, if it is cached. False, and nothing is counted, when it is not:
  /// whoever asks will load it, and track() counts that.
  bool touch(std::string_view id, Now now);

  /// False when it was not cached.
  bool forget(std::string_view id);

  void set_size(std::size_t size) { size_ = size; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t hits() const noexcept { return hits_; }
  [[nodiscard]] std::uint64_t misses() const noexcept { return misses_; }
  [[nodiscard]] std::uint64_t forgotten() const noexcept { return forgotten_; }  ///< Beyond kMost.

  /// hits / (hits + misses); nothing before the first of either.
  [[nodiscard]] std::optional<double> hit_rate() const;

  /// Least recently used first.
  [[nodiscard]] const std::vector<CachedModel>& models() const noexcept { return models_; }

  /// How many models there are beyond size(); the least recently used so many should go.
  [[nodiscard]] std::size_t overflow() const;
  [[nodiscard]] std::vector<CachedModel> proposed_evictions() const;

 private:
  using Place = std::vector<CachedModel>::iterator;
  [[nodiscard]] Place find(std::string_view id);
  void use(Place model, Now now);

  std::size_t size_;
  std::vector<CachedModel> models_;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
  std::uint64_t forgotten_ = 0;
};

}  // namespace levee::estimate
