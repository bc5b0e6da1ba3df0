// Ring: the last minutes in memory, as pieces that can each be read alone; whole pieces go when
// they are too old or too much. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee::recorder {

struct RingBounds {
  std::chrono::seconds keep{300};
  Bytes memory = mib(32);
};

class Ring {
 public:
  explicit Ring(RingBounds bounds) : bounds_(bounds) {}

  void set_bounds(RingBounds bounds) { bounds_ = bounds; }

  /// Begins a piece with the frame of its opening.
  void begin(std::string frame, MonoTime now);
  /// Adds to the piece that was begun last.
  void add(std::string_view frame, MonoTime now);

  /// Whether it is time for another piece: pieces must be small beside what is kept, or too much
  /// would go at once.
  [[nodiscard]] bool wants_piece(MonoTime now) const;

  /// All that is kept, the oldest first, without a head.
  [[nodiscard]] std::string bytes() const;
  [[nodiscard]] Bytes size() const { return size_; }
  [[nodiscard]] std::chrono::nanoseconds span() const;

 private:
  struct Piece {
    std::string bytes;
    MonoTime first;
    MonoTime last;
  };
  void drop(MonoTime now);

  RingBounds bounds_;
  std::deque<Piece> pieces_;
  Bytes size_;
};

}  // namespace levee::recorder
