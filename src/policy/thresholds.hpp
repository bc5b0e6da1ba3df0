// Thresholds: the numbers the policy judges by (contract G2, G3, F-31). Pure; thread-safe.
#pragma once

#include <chrono>
#include <optional>

#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::policy {

struct Thresholds {
  // Bounds of the states, percent of memory used (G2).
  double memory_optimal = 70;
  double memory_normal = 85;
  double memory_critical = 95;
  double hysteresis = 0;  ///< Points (% or °C) a reading must fall below a bound to leave it.

  // Bounds of the states, °C of a GPU (G2); temp_critical bounds alerts, not states (F-02).
  double temp_optimal = 65;
  double temp_normal = 75;
  double temp_throttle = 85;
  double temp_critical = 90;

  // Alerts (G3): percent of host memory used; strictly greater fires.
  double cpu_memory_warning = 80;
  double cpu_memory_critical = 90;

  // Alerts (G3): percent of a GPU's memory used, and its °C; strictly greater fires.
  double gpu_memory_warning = 80;
  double gpu_memory_critical = 90;
  double gpu_memory_emergency = 95;
  double gpu_temperature_warning = 85;

  // Alerts (G3): percent of a GPU's memory that will be used in a minute; strictly greater fires.
  double gpu_projection_warning = 90;
  double gpu_projection_critical = 95;

  // Alerts (G3): available host memory; strictly less fires. Capped on small machines (F-31).
  Bytes host_available_warning = gib(4);
  Bytes host_available_emergency = gib(2);

  /// GPU load in percent above which work runs at half speed at most; absent: load is only shown
  /// (F-35).
  std::optional<double> load_throttle_percent;

  double memory_pressure_threshold = 0.85;  ///< Fraction of memory used, in (0, 1] (F-42).

  std::chrono::seconds alert_repeat{30};
  std::chrono::seconds stale_after{5};  ///< A reading older than this judges nothing.
};

/// Refuses values outside their range and bounds that are out of order; the message names the keys.
[[nodiscard]] Result<void> validate(const Thresholds& thresholds);

/// The absolute lines in force on a machine with `total` memory: under 16 GiB they are capped at
/// 25 % (warning) and 12.5 % (emergency) of the total (F-31).
struct HostLines {
  Bytes warning;
  Bytes emergency;  ///< The brake line: the guard's only trigger.
  bool capped = false;
};

[[nodiscard]] HostLines host_lines(Bytes total, const Thresholds& thresholds);

}  // namespace levee::policy
