// Alerts: thresholds crossed, said once, repeated seldom, resolved once (contract G3).
//
// Rules, in words. An alert fires when its value first lies beyond a threshold, and again at once
// when it reaches a higher severity; while it lasts it repeats every `alert_repeat` (30 s); when it
// ends it emits one `resolved`, which shows the alert at its worst, so that whoever was told of an
// emergency also hears of its end. A value that returns within kReopenWithin is the same alert
// going on: it keeps its id and stays silent until the repeat is due, so that a reading which flaps
// around a threshold does not flood anybody. An unknown reading neither fires nor resolves.
//
// Pure: state in, events out; the caller owns the AlertBook.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/alert.hpp"
#include "core/snapshot.hpp"
#include "policy/gpu.hpp"
#include "policy/thresholds.hpp"

namespace levee::policy {

inline constexpr std::chrono::seconds kReopenWithin{5};
inline constexpr std::size_t kRecentAlerts = 200;

/// The memory of the alert rules between two ticks.
struct AlertBook {
  struct Entry {
    Alert alert;
    bool active = false;
    /// As it was announced at its worst in this episode; absent: there is nothing to resolve aloud.
    std::optional<Alert> worst;
    std::optional<MonoTime> announced_at;  ///< When the last event of this alert went out.
    Severity announced_severity{};         ///< And how severe it was then.
  };
  /// By type and device (UUID; empty: the host).
  std::map<std::pair<AlertType, std::string>, Entry> entries;
  std::deque<Alert> recent;  ///< Ended and active alerts, newest first, at most kRecentAlerts.
  std::uint64_t next_id = 1;
};

/// Judges `snapshot`: the events to send now; `book` is brought up to date. `gpus` belong to
/// the snapshot's. `host_culprit` is named in host alerts that fire or repeat; in those of a
/// GPU it is the device's own culprit.
[[nodiscard]] std::vector<Event> update_alerts(AlertBook& book, const Snapshot& snapshot,
                                               std::span<const GpuJudgement> gpus,
                                               const Thresholds& thresholds,
                                               const std::optional<Culprit>& host_culprit);

/// The alerts that are active now, most severe first.
[[nodiscard]] std::vector<Alert> active_alerts(const AlertBook& book);

}  // namespace levee::policy
