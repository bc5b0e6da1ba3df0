// `levee doctor`: first facts are gathered from the machine (probe), then judged by pure functions
// (examine), so that each judgement can be tested with made-up facts.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actions/protect.hpp"
#include "cli/json.hpp"
#include "cli/options.hpp"
#include "config/settings.hpp"
#include "core/reading.hpp"
#include "core/snapshot.hpp"
#include "levee/result.hpp"
#include "server/listen_address.hpp"
#include "sources/holder_advice.hpp"
#include "sources/sockets.hpp"

namespace levee::cli {

enum class Grade { ok, info, warn, fail };

/// One thing looked at: how it stands, and what to do about it.
struct Check {
  Grade grade = Grade::ok;
  std::string what;
  std::string detail;
  std::string hint;  ///< Empty when there is nothing to do.
};

/// A running daemon's own words.
struct DaemonFacts {
  std::filesystem::path socket;
  Result<Json> health;    ///< GET /healthz.
  Result<Json> overview;  ///< GET /api/v1/overview.
  Result<Json> settings;  ///< GET /api/v1/config.
};

struct ProcessFacts {
  std::size_t seen = 0;      ///< Directories in /proc.
  std::size_t hidden = 0;    ///< Those of them that may not be read.
  std::size_t nameless = 0;  ///< User processes whose user has no name.
};

struct StateDirFacts {
  std::filesystem::path path;
  bool exists = false;
  bool writable = false;  ///< It, or the directory it would be made in.
  std::optional<Bytes> free;
};

/// What is there of GPUs, and of what it takes to see them.
struct GpuFacts {
  std::vector<std::string> devices;     ///< Device files that belong to GPUs.
  std::vector<std::string> cards;       ///< PCI display devices: "NVIDIA at 0000:1b:00.0".
  bool nvidia_module = false;           ///< /proc/driver/nvidia/version is there.
  bool wanted = true;                   ///< gpu.enabled.
  Json gpus = Json::array();            ///< As in the overview: of the daemon, or one look.
  std::vector<SourceTrouble> troubles;  ///< Of the GPU sources.
  /// By UUID: who may hold memory that nobody answers for, and what frees it.
  std::map<std::string, std::vector<sources::HolderAdvice>> advice;
};

struct Facts {
  Result<DaemonFacts> daemon;
  Result<HostReading> host;
  std::vector<SourceTrouble> host_troubles;
  Result<std::chrono::microseconds> pressure_window;  ///< Of an armed trigger.
  Result<ProcessFacts> processes;
  StateDirFacts state_dir;
  Result<std::optional<server::ListenAddress>> listen;
  std::optional<sources::PortHolder> port_holder;
  actions::ProtectionReport protection;  ///< What this user would be allowed.
  WallTime now;
  std::optional<bool> clock_synchronised;
  std::vector<std::filesystem::path> config_candidates;
  Result<config::Settings> settings;
  GpuFacts gpus;
};

/// Looks at this machine; about a tenth of a second.
[[nodiscard]] Facts probe(const Connection& connection, const std::optional<std::string>& config,
                          const Surroundings& surroundings);

/// What the facts mean, in a fixed order. Pure.
[[nodiscard]] std::vector<Check> examine(const Facts& facts);

}  // namespace levee::cli
