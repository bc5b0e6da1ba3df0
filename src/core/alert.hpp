// Alert: something crossed a threshold. Event: something happened. Both are plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/process_id.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"
#include "levee/level.hpp"

namespace levee {

/// The alert types of contract G3; to_string gives the names used in JSON and metrics.
enum class AlertType {
  cpu_memory,
  host_available,
  gpu_memory,
  gpu_temperature,
  throttle_state,
  gpu_projection
};

/// All of them, in their order: what has a line per type goes through these.
inline constexpr std::array kAlertTypes{AlertType::cpu_memory,     AlertType::host_available,
                                        AlertType::gpu_memory,     AlertType::gpu_temperature,
                                        AlertType::throttle_state, AlertType::gpu_projection};

[[nodiscard]] std::string_view to_string(AlertType type) noexcept;

/// The unit of an alert's value and threshold: "percent", "GB", "celsius", or "multiplier" (the
/// speed multiplier of contract G2).
[[nodiscard]] std::string_view unit_of(AlertType type) noexcept;

/// The process that brought most of the growth.
struct Culprit {
  ProcessId id;
  std::string user;
  std::string comm;
  std::string command;
  Bytes rss;
  std::optional<Bytes> gpu_memory;          ///< On the alert's device; absent for host alerts.
  std::optional<double> growth_per_second;  ///< Bytes per second, of `gpu_memory` if that is there.
};

struct Alert {
  std::uint64_t id = 0;  ///< The same from firing to `resolved`.
  AlertType type{};
  Severity severity{};
  double value = 0;      ///< In unit_of(type).
  double threshold = 0;  ///< The threshold crossed, in unit_of(type).
  std::string message;
  std::vector<std::string> recommendations;
  std::optional<int> gpu_id;  ///< Index; absent for host alerts.
  std::string gpu_uuid;       ///< Empty for host alerts.
  std::optional<Culprit> culprit;
  WallTime timestamp;  ///< When it fired first.
  std::optional<WallTime> resolved_at;

  // The wall times above are for people and may jump; rules reckon with these.
  MonoTime last_active;                   ///< When it was last active.
  std::optional<MonoTime> last_critical;  ///< When it was last critical or worse.
};

enum class EventKind {
  alert,         ///< An alert fired, grew more severe, or still lasts (`alert` is set).
  resolved,      ///< An alert ended (`alert` is set).
  state_change,  ///< The Level of the host or of a GPU changed.
  overheat,      ///< A GPU is hotter than temp_critical.
  xid,           ///< The NVIDIA driver reported an error.
  gpu_lost,      ///< A GPU no longer answers or is no longer listed.
  gpu_found,     ///< A GPU is there: new, or back.
  daemon_started,
  daemon_stopping,
  config_changed,
  config_rejected,
  source_lost,
  source_back,
  store_lost,
  store_back,
  lease_granted,      ///< Memory was promised (`details` say which lease).
  lease_released,     ///< A lease, or a request in line, is over; `details` say why.
  incident,           ///< The minutes before it were saved (`details` say as what).
  incident_lost,      ///< They could not be saved.
  recording_stopped,  ///< The continuous recording ended before the daemon.
  reclaim_joined,     ///< A process said what memory it can give back.
  reclaim_left,       ///< It no longer does.
  reclaim_asked,      ///< It was asked for memory; `details` say what came of it.
  recovery_step,      ///< Something was done about memory pressure; `details` say what it brought.
  recovery_lifted,    ///< Work that was told to pause may go on.
};

[[nodiscard]] std::string_view to_string(EventKind kind) noexcept;

/// Something that happened, for logs, streams, hooks and the store.
struct Event {
  std::uint64_t id = 0;  ///< Rises by one with each event of a daemon; set by the engine.
  WallTime at;
  EventKind kind{};
  std::optional<Severity> severity;
  std::string message;
  std::optional<Alert> alert;
  std::vector<std::pair<std::string, std::string>> details;  ///< Further key and value texts.
};

}  // namespace levee
