// ForkWatch: tells a child of fork() that what it inherited is not its own. Threads do not survive
// a fork, and a connection that a child holds open would never seem to end.
#pragma once

#include <atomic>

namespace levee::client {

/// Something that a child of fork() must not use. Thread-safe.
class ForkWatch {
 public:
  ForkWatch();
  ~ForkWatch();
  ForkWatch(const ForkWatch&) = delete;
  ForkWatch& operator=(const ForkWatch&) = delete;

  /// True in a child of the process that made this; from then on no lock of it may be taken.
  [[nodiscard]] bool is_in_child() const noexcept { return in_child_; }

  /// A descriptor that a child closes; -1 for none. The one before is the caller's to close, after
  /// this.
  void keep(int fd) noexcept { fd_ = fd; }

 private:
  friend struct ForkList;
  std::atomic<bool> in_child_ = false;
  std::atomic<int> fd_ = -1;
  ForkWatch* next_ = nullptr;
  ForkWatch* previous_ = nullptr;
};

}  // namespace levee::client
