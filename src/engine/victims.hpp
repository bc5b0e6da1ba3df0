// VictimTable: whom the guard could act on at the brake line, prepared by the engine at each tick.
//
// When memory is nearly gone the guard must not open, allocate or fork. So the engine, while all is
// well, opens a pidfd for each candidate and checks that it still means the process that was judged
// (same start time). The table is handed over whole; the guard only reads it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/reading.hpp"
#include "sources/root.hpp"

namespace levee::engine {

/// A process descriptor, closed with its owner.
class PidFd {
 public:
  /// Opens `id`; nothing when the process is gone or its pid belongs to somebody else now.
  [[nodiscard]] static std::shared_ptr<const PidFd> open(const sources::Root& root,
                                                         const ProcessId& id);
  ~PidFd();
  PidFd(const PidFd&) = delete;
  PidFd& operator=(const PidFd&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  explicit PidFd(int fd) noexcept : fd_(fd) {}
  int fd_;
};

struct Victim {
  ProcessId id;
  Bytes rss;
  std::shared_ptr<const PidFd> handle;
};

using VictimTable = std::vector<Victim>;

/// The candidates among `processes` (largest first): those this user may signal, at most
/// kMostVictims. Handles in `previous` are taken over, so that a quiet machine opens nothing.
[[nodiscard]] std::shared_ptr<const VictimTable> prepare_victims(
    std::span<const ProcessReading> processes, const VictimTable* previous,
    const sources::Root& root);

inline constexpr std::size_t kMostVictims = 8;

}  // namespace levee::engine
