// The stable names of the core's enumerations, as they appear in JSON, metrics and logs.
#include "core/alert.hpp"
#include "levee/level.hpp"
#include "levee/result.hpp"

namespace levee {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::permission_denied:
      return "permission_denied";
    case ErrorCode::already_exists:
      return "already_exists";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::resource_exhausted:
      return "resource_exhausted";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::timed_out:
      return "timed_out";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

std::string_view to_string(Level level) noexcept {
  switch (level) {
    case Level::optimal:
      return "optimal";
    case Level::normal:
      return "normal";
    case Level::throttled:
      return "throttled";
    case Level::critical:
      return "critical";
    case Level::unavailable:
      return "unavailable";
  }
  return "unavailable";
}

std::string_view to_string(Severity severity) noexcept {
  switch (severity) {
    case Severity::warning:
      return "warning";
    case Severity::critical:
      return "critical";
    case Severity::emergency:
      return "emergency";
  }
  return "emergency";
}

std::string_view to_string(Health health) noexcept {
  switch (health) {
    case Health::healthy:
      return "healthy";
    case Health::moderate:
      return "moderate";
    case Health::critical:
      return "critical";
    case Health::unknown:
      return "unknown";
  }
  return "unknown";
}

std::optional<Severity> parse_severity(std::string_view text) noexcept {
  for (const Severity severity : {Severity::warning, Severity::critical, Severity::emergency}) {
    if (text == to_string(severity)) {
      return severity;
    }
  }
  return std::nullopt;
}

std::string_view to_string(AlertType type) noexcept {
  switch (type) {
    case AlertType::cpu_memory:
      return "cpu_memory";
    case AlertType::host_available:
      return "host_available";
    case AlertType::gpu_memory:
      return "gpu_memory";
    case AlertType::gpu_temperature:
      return "gpu_temperature";
    case AlertType::throttle_state:
      return "throttle_state";
    case AlertType::gpu_projection:
      return "gpu_projection";
  }
  return "cpu_memory";
}

std::string_view unit_of(AlertType type) noexcept {
  switch (type) {
    case AlertType::cpu_memory:
    case AlertType::gpu_memory:
    case AlertType::gpu_projection:
      return "percent";
    case AlertType::host_available:
      return "GB";
    case AlertType::gpu_temperature:
      return "celsius";
    case AlertType::throttle_state:
      return "multiplier";
  }
  return "percent";
}

std::string_view to_string(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::alert:
      return "alert";
    case EventKind::resolved:
      return "resolved";
    case EventKind::state_change:
      return "state_change";
    case EventKind::overheat:
      return "overheat";
    case EventKind::xid:
      return "xid";
    case EventKind::gpu_lost:
      return "gpu_lost";
    case EventKind::gpu_found:
      return "gpu_found";
    case EventKind::daemon_started:
      return "daemon_started";
    case EventKind::daemon_stopping:
      return "daemon_stopping";
    case EventKind::config_changed:
      return "config_changed";
    case EventKind::config_rejected:
      return "config_rejected";
    case EventKind::source_lost:
      return "source_lost";
    case EventKind::source_back:
      return "source_back";
    case EventKind::store_lost:
      return "store_lost";
    case EventKind::store_back:
      return "store_back";
    case EventKind::lease_granted:
      return "lease_granted";
    case EventKind::lease_released:
      return "lease_released";
    case EventKind::incident:
      return "incident";
    case EventKind::incident_lost:
      return "incident_lost";
    case EventKind::recording_stopped:
      return "recording_stopped";
    case EventKind::recovery_step:
      return "recovery_step";
    case EventKind::recovery_lifted:
      return "recovery_lifted";
    case EventKind::reclaim_joined:
      return "reclaim_joined";
    case EventKind::reclaim_left:
      return "reclaim_left";
    case EventKind::reclaim_asked:
      return "reclaim_asked";
  }
  return "alert";
}

}  // namespace levee
