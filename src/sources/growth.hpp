// GrowthMarks: what a process used at a few moments of the last seconds, so that its growth can be
// measured over a span rather than between two neighbouring readings. A plain value.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee::sources {

struct Growth {
  double bytes_per_second = 0;
  Seconds window{0};  ///< The span it was measured over.

  [[nodiscard]] double grown_bytes() const noexcept { return bytes_per_second * window.count(); }
};

class GrowthMarks {
 public:
  /// Growth up to (`now`, `rss`) since the oldest mark within `window`, or since the newest one
  /// where all are older; nothing without an earlier mark.
  [[nodiscard]] std::optional<Growth> until(MonoTime now, Bytes rss,
                                            std::chrono::seconds window) const {
    std::size_t base = 0;
    while (base + 1 < count_ && now - marks_.at(base).at > window) {
      ++base;
    }
    if (count_ == 0 || now <= marks_.at(base).at) {
      return std::nullopt;
    }
    const Mark& mark = marks_.at(base);
    const Seconds span = now - mark.at;
    const double grown = static_cast<double>(rss.count) - static_cast<double>(mark.rss.count);
    return Growth{grown / span.count(), span};
  }

  /// Remembers (`now`, `rss`). Marks older than `window` go, but never the only one: who is read
  /// seldom is measured since the last reading, however long ago that was.
  void add(MonoTime now, Bytes rss, std::chrono::seconds window) {
    while (count_ > 1 && now - marks_[0].at > window) {
      drop_oldest();
    }
    // Spaced out, so that few marks cover the window.
    if (count_ > 0 && now - marks_.at(count_ - 1).at < window / (kMarks - 1)) {
      return;
    }
    if (count_ == kMarks) {
      drop_oldest();
    }
    marks_.at(count_++) = {now, rss};
  }

 private:
  static constexpr std::size_t kMarks = 7;
  struct Mark {
    MonoTime at;
    Bytes rss;
  };

  void drop_oldest() {
    std::shift_left(marks_.begin(), marks_.begin() + count_, 1);
    --count_;
  }

  std::array<Mark, kMarks> marks_{};
  std::uint8_t count_ = 0;
};

}  // namespace levee::sources
