#include "recorder/ring.hpp"

#include <algorithm>
#include <utility>

namespace levee::recorder {
namespace {

/// So many pieces make up what is kept. Each repeats who all the processes are.
constexpr int kPieces = 10;

}  // namespace

void Ring::begin(std::string frame, MonoTime now) {
  size_ += Bytes{frame.size()};
  pieces_.push_back({.bytes = std::move(frame), .first = now, .last = now});
  drop(now);
}

void Ring::add(std::string_view frame, MonoTime now) {
  if (pieces_.empty()) {
    return;
  }
  pieces_.back().bytes += frame;
  pieces_.back().last = std::max(pieces_.back().last, now);
  size_ += Bytes{frame.size()};
  drop(now);
}

bool Ring::wants_piece(MonoTime now) const {
  return pieces_.empty() || now - pieces_.back().first >= bounds_.keep / kPieces ||
         pieces_.back().bytes.size() >= bounds_.memory.count / kPieces;
}

void Ring::drop(MonoTime now) {
  // The last piece always stays: it is being written.
  while (pieces_.size() > 1 &&
         (size_ > bounds_.memory || now - pieces_.front().last > bounds_.keep)) {
    size_ -= Bytes{pieces_.front().bytes.size()};
    pieces_.pop_front();
  }
}

std::string Ring::bytes() const {
  std::string all;
  all.reserve(size_.count);
  for (const Piece& piece : pieces_) {
    all += piece.bytes;
  }
  return all;
}

std::chrono::nanoseconds Ring::span() const {
  return pieces_.empty() ? std::chrono::nanoseconds{0}
                         : pieces_.back().last - pieces_.front().first;
}

}  // namespace levee::recorder
