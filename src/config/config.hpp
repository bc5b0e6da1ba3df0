// Config: every setting of Levee as typed values. Text becomes a Config in settings.hpp; the table
// of keys (names, ranges, documentation) is in keys.hpp. Plain values; no thread rules.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/log_level.hpp"
#include "estimate/requirements.hpp"
#include "levee/bytes.hpp"
#include "levee/level.hpp"
#include "policy/thresholds.hpp"

namespace levee::config {

enum class LogFormat { text, json };

struct Guard {
  std::chrono::milliseconds floor{5};
  std::chrono::milliseconds look_ahead{10};
  std::optional<Bytes> fill_rate;  ///< Bytes per second; absent = from the number of cores.
};

struct Server {
  std::string listen = "127.0.0.1:8000";
  std::string socket;  ///< Empty: the default place for this user.
  std::int64_t max_connections = 1024;
};

struct Store {
  bool enabled = true;
  std::chrono::seconds keep_1s = std::chrono::hours{1};
  std::chrono::seconds keep_10s = std::chrono::hours{24};
  std::chrono::seconds keep_1m = std::chrono::days{30};
  std::chrono::seconds keep_1h = std::chrono::days{730};
  std::chrono::seconds keep_events = std::chrono::days{90};
};

struct Log {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
};

struct Webhook {
  std::vector<std::string> urls;
  Severity min_severity = Severity::warning;
  std::chrono::seconds timeout{10};
  std::int64_t max_attempts = 8;
};

struct Hook {
  std::vector<std::string> command;  ///< argv; run without a shell, the alert as JSON on stdin.
  Severity min_severity = Severity::warning;
  std::chrono::seconds timeout{30};
};

struct Protect {
  bool lock_memory = true;
  std::int64_t oom_score_adj = -900;
};

struct Gpu {
  bool enabled = true;
  bool speed_file = true;  ///< Whether the speed multipliers are written to a file.
};

/// Keys of the documented GPU manager (contract S1-64 … S1-67).
struct GpuManager {
  std::optional<Bytes> memory_limit;  ///< Most a booking may bring a GPU to; absent: 75 %.
  Bytes memory_reserve = mib(512);    ///< Kept for the system on each GPU.
  /// Of what can be promised of a GPU, so much may be held by balloons that belong to no job.
  double max_balloon_percent = 100;
  std::chrono::milliseconds monitor_interval{3000};
  std::int64_t history_size = 200;
};

struct ModelCache {
  std::int64_t size = 5;  ///< More cached models than this are too many.
  std::string dir = "/tmp/models";
};

struct Metrics {
  std::int64_t processes = 0;  ///< GPU processes that get a series each; the largest first.
};

/// What the ledger keeps back, and what a user without privileges may have.
struct Ledger {
  std::optional<Bytes> host_reserve;  ///< Host memory never promised; absent: the brake line.
  std::int64_t user_leases = 256;
  std::optional<Bytes> user_gpu_memory;   ///< On all GPUs together; absent: no bound.
  std::optional<Bytes> user_host_memory;  ///< Absent: no bound.
};

/// Processes that say what memory they can give back.
struct Reclaim {
  std::int64_t user_clients = 64;
};

enum class RecoveryMode { on, dry_run, off };

/// What is done about memory that runs out.
struct Recovery {
  RecoveryMode mode = RecoveryMode::on;
  bool gpu_emergency = false;  ///< Whether a GPU that is nearly full is an emergency by itself.
  std::chrono::seconds rest{60};
  std::chrono::milliseconds deadline{5000};
};

struct Config {
  std::chrono::milliseconds monitoring_interval{1000};
  std::chrono::seconds history_seconds{900};
  policy::Thresholds thresholds;
  std::chrono::seconds throttle_cooldown{30};
  std::chrono::seconds critical_pause{60};
  std::int64_t process_top = 20;  ///< Processes whose memory is read at every tick.
  std::string state_dir;          ///< Empty: the default place for this user.
  Guard guard;
  Gpu gpu;
  GpuManager gpu_manager;
  ModelCache model_cache;
  estimate::ModelRegistry::Entries models;  ///< Those the file describes; no key (models.hpp).
  Metrics metrics;
  Ledger ledger;
  Reclaim reclaim;
  Recovery recovery;
  Server server;
  Store store;
  Log log;
  Webhook webhook;
  Hook hook;
  Protect protect;
};

}  // namespace levee::config
