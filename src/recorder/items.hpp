// Items: what a recording consists of, in the order in which it happened: everything the engine was
// fed, and the events that came of it. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/api.hpp"
#include "api/view.hpp"
#include "config/settings.hpp"
#include "core/alert.hpp"
#include "core/snapshot.hpp"
#include "core/time.hpp"
#include "gpus/gpu_source.hpp"
#include "sources/oom_watch.hpp"
#include "sources/processes.hpp"

namespace levee::recorder {

/// What the sources delivered for one tick.
struct Readings {
  Result<HostReading> host = fail(ErrorCode::unavailable, "not read");
  Result<sources::ProcessScan> processes = fail(ErrorCode::unavailable, "not read");
  gpus::GpuScan gpus;
  std::vector<SourceTrouble> troubles;
};

using Layers = std::map<config::Origin, config::Layer>;

/// Where a piece of a recording begins: what must be known to read on from there.
struct Opening {
  std::string version;       ///< Of the Levee that recorded.
  std::string recording;     ///< Names the run of the daemon.
  std::uint64_t number = 0;  ///< 0: the daemon's start. Rises by one with each piece.
  std::string hostname;
  BootId boot;
  Now at;
  std::uint64_t next_event_id = 1;
  Layers settings;
  std::vector<Alert> active;  ///< Alerts that lasted then.
};

/// One tick: what the engine was fed, and the JSON of the events it made of it.
struct TickItem {
  Readings readings;
  api::GuardView guard;
  api::DaemonView
      daemon;  ///< What only its readers see is left out (see FlightDesk).
  Now now;
  std::vector<std::string> told;
};

/// The engine was given other settings.
struct SettingsItem {
  Layers settings;
  Now now;
  std::string told;
};

/// Something that others than the engine noticed; the engine numbered it.
struct EventItem {
  Event event;
  std::string told;
};

/// A command that changed what is known of models.
struct CommandItem {
  std::variant<api::RegisterModel, api::RemoveModel, api::TrackModel, api::ForgetModel> command;
  Now now;
};

/// So much was not recorded here: the recorder could not keep up, or pieces are missing.
struct GapItem {
  std::uint64_t lost = 0;
};

/// Why a bundle was saved.
enum class IncidentKind {
  oom_kill,    ///< The kernel killed a process for want of memory.
  xid,         ///< The NVIDIA driver reported an error.
  job_killed,  ///< A job of `levee run` ended by signal 9 or with exit code 137.
  emergency,   ///< An emergency alert.
  owner_lost,  ///< The owner of a lease vanished while memory was short.
  on_demand,   ///< Somebody asked.
};

struct Incident {
  std::string id;  ///< "20260131T080509Z-oom_kill".
  IncidentKind kind = IncidentKind::on_demand;
  Now at;                                 ///< When the first trigger came.
  std::vector<std::string> reasons;       ///< For people, the first first; at most kMostReasons.
  std::uint64_t triggers = 1;             ///< All that came until it was written.
  std::uint64_t unsaved_before = 0;       ///< Those that came too soon after the one before it.
  std::string note;                       ///< Of whoever asked.
  std::vector<sources::OomKill> victims;  ///< Whom the kernel killed.
  std::vector<pid_t> pids;                ///< Processes it is about, where they are known.
  std::vector<std::string> leases;        ///< Leases it is about.
  std::vector<std::string> gpus;          ///< UUIDs of the devices it is about.
};

inline constexpr std::size_t kMostReasons = 32;

[[nodiscard]] std::string_view to_string(IncidentKind kind) noexcept;
[[nodiscard]] std::optional<IncidentKind> parse_incident_kind(std::string_view text) noexcept;

using Item =
    std::variant<Opening, TickItem, SettingsItem, EventItem, CommandItem, GapItem, Incident>;

}  // namespace levee::recorder
