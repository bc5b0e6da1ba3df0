// GpuSample: what history remembers of a GPU each tick; Blocks: a series that is cheap to share.
// Plain values; thread-safe to read.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/gpu.hpp"
#include "core/time.hpp"

namespace levee::history {

struct GpuSample {
  Now at;
  std::optional<GpuMemory> memory;
  std::optional<double> temperature_celsius;
  std::optional<double> utilization_percent;
  std::optional<double> power_watts;
};

[[nodiscard]] GpuSample gpu_sample(const GpuReading& gpu, Now at);

/// A bounded series, newest last, in blocks that never change once they are full. A copy shares
/// them, so the engine can hand out the past of 64 devices every second.
template <class T>
class Blocks {
 public:
  static constexpr std::size_t kBlock = 64;

  /// Appends `element` and drops blocks that are older than `keep` as a whole.
  void append(T element, MonoTime::duration keep) {
    const MonoTime oldest_kept = element.at.mono - keep;
    auto block = !blocks_.empty() && blocks_.back()->size() < kBlock
                     ? std::make_shared<std::vector<T>>(*blocks_.back())
                     : nullptr;
    if (block) {
      blocks_.pop_back();
    } else {
      block = std::make_shared<std::vector<T>>();
    }
    block->push_back(std::move(element));
    blocks_.push_back(std::move(block));
    std::erase_if(blocks_, [&](const auto& old) { return old->back().at.mono < oldest_kept; });
  }

  /// Calls `visit` for each element not older than `span` before `now`, oldest first.
  template <class Visit>
  void for_each(MonoTime now, MonoTime::duration span, Visit visit) const {
    for (const auto& block : blocks_) {
      if (now - block->back().at.mono > span) {
        continue;
      }
      for (const T& element : *block) {
        if (now - element.at.mono <= span) {
          visit(element);
        }
      }
    }
  }

  [[nodiscard]] bool empty() const noexcept { return blocks_.empty(); }
  [[nodiscard]] const T* newest() const noexcept {
    return blocks_.empty() ? nullptr : &blocks_.back()->back();
  }

 private:
  std::vector<std::shared_ptr<const std::vector<T>>> blocks_;
};

}  // namespace levee::history
