// What the API answers, as the tests of the command line see it.
#pragma once

#include "cli/json.hpp"

namespace levee::cli {

inline Json example_overview() {
  return Json::parse(R"({
    "hostname": "train-1", "driver_version": null, "query_time": "2026-01-31T08:05:09.123Z",
    "gpus": [],
    "host": {"total_bytes": 25115492352, "used_bytes": 1608515584, "available_bytes": 23506976768,
             "used_percent": 6.4, "cpu_percent": 12.3, "swap_total_bytes": 0, "swap_used_bytes": 0,
             "ceiling": null, "stale": false},
    "state": "optimal", "speed_multiplier": 1.0, "health": "healthy",
    "alerts": {"active": []}, "sample_age_seconds": 0.2,
    "daemon": {"pid": 812, "version": "0.1.0"},
    "store": {"enabled": true, "durable": true, "reason": ""},
    "troubles": [],
    "processes": [
      {"pid": 5204, "user": "alice", "comm": "python", "rss_bytes": 850395136},
      {"pid": 77, "user": "bob", "comm": "node", "rss_bytes": 104857600},
      {"pid": 9, "user": "root", "comm": "sshd", "rss_bytes": 12582912},
      {"pid": 8, "user": "root", "comm": "cron", "rss_bytes": 1048576}]
  })");
}

/// A warning that began 3 min 20 s before the overview's time and lasts.
inline Json example_alert() {
  return Json::parse(R"({
    "id": 3, "timestamp": "2026-01-31T08:01:49.100Z", "severity": "warning", "type": "cpu_memory",
    "message": "High CPU memory usage", "value": 82.1, "threshold": 80, "unit": "percent",
    "culprit": {"pid": 5204, "user": "alice", "comm": "python", "rss_bytes": 5368709120,
                "growth_bytes_per_second": 3670016},
    "resolved_at": null
  })");
}

inline Json example_report(const char* health) {
  Json report = Json::parse(R"({
    "current": {"timestamp": "2026-01-31T08:05:09.123Z", "state": "optimal", "troubles": []},
    "alerts": {"recent": []}
  })");
  report["current"]["host"] = example_overview()["host"];
  report["health_status"] = health;
  return report;
}

}  // namespace levee::cli
