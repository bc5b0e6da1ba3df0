// IncidentGate: which triggers become a bundle. The first one waits for its aftermath; what comes
// meanwhile belongs to it; and none of a kind that was saved less than a minute ago makes another.
// Pure: called with `now`.
#pragma once

#include <chrono>
#include <map>
#include <optional>

#include "recorder/items.hpp"

namespace levee::recorder {

/// Least time between two bundles of one kind.
inline constexpr std::chrono::minutes kIncidentGap{1};

class IncidentGate {
 public:
  /// `trigger` is an incident of which `id` is yet to be found. True: it makes a bundle, or is part
  /// of one that is pending; false: it came too soon, and is counted.
  bool offer(Incident trigger, std::chrono::seconds aftermath);

  /// The incident to be saved at `now`, if one is; it is not pending any more.
  [[nodiscard]] std::optional<Incident> due(Now now);
  /// The pending one, whether it is due or not.
  [[nodiscard]] std::optional<Incident> take();

  [[nodiscard]] bool is_pending() const noexcept { return pending_.has_value(); }
  /// What is to be saved next is called so.
  [[nodiscard]] static std::string name_of(const Incident& incident);

  /// Triggers that made no bundle since the daemon's start.
  [[nodiscard]] std::uint64_t unsaved() const noexcept { return unsaved_; }

 private:
  struct History {
    MonoTime last;
    std::uint64_t unsaved = 0;
  };

  std::optional<Incident> pending_;
  MonoTime due_;
  std::map<IncidentKind, History> saved_;
  std::uint64_t unsaved_ = 0;
};

}  // namespace levee::recorder
