// Engine: one tick, on one screen. Readings in; events and a View out. It owns all mutable state
// (history, alert book, throttle) and knows no clock, thread, socket or file: daemon.hpp wires
// those. One owner thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/view.hpp"
#include "config/settings.hpp"
#include "control/throttle.hpp"
#include "core/snapshot.hpp"
#include "engine/gpu_tracks.hpp"
#include "engine/models.hpp"
#include "history/host_sample.hpp"
#include "history/window.hpp"
#include "policy/alerts.hpp"
#include "recorder/items.hpp"
#include "sinks/sink.hpp"

namespace levee::engine {

using recorder::Readings;

/// An event with its id and its JSON, rendered once for everybody who is told.
using Told = std::shared_ptr<const sinks::Notification>;

/// What one tick brought.
struct Tick {
  std::vector<Told> events;
  std::shared_ptr<const api::View> view;
  std::optional<history::HostSample> sample;  ///< What history remembers of it; for the store.
  std::vector<std::pair<std::string, history::GpuSample>> gpu_samples;  ///< By UUID; likewise.
};

class Engine {
 public:
  /// `first_event_id` is another than 1 where a recording is lived through from its middle.
  Engine(std::shared_ptr<const config::Settings> settings, std::string hostname,
         std::uint64_t first_event_id = 1);

  /// One turn of the whole machine.
  [[nodiscard]] Tick tick(Readings readings, const api::GuardView& guard,
                          const api::DaemonView& daemon, Now now);

  /// Uses `settings` from the next tick on; returns the event that says so.
  Told apply(std::shared_ptr<const config::Settings> settings, Now now);

  /// Gives `event` its id, renders it, and remembers it for the stream.
  Told record(Event event);

  [[nodiscard]] const std::shared_ptr<const config::Settings>& settings() const {
    return settings_;
  }

  /// The next event gets this id.
  [[nodiscard]] std::uint64_t next_event_id() const { return next_event_id_; }

  /// What is known about models; changed by commands between two ticks.
  [[nodiscard]] Models& models() { return models_; }

 private:
  [[nodiscard]] std::shared_ptr<const Snapshot> fold(Readings readings, const api::GuardView& guard,
                                                     Now now);
  /// What changed for the host since the tick `before`.
  [[nodiscard]] std::vector<Event> host_changes(Level before, const HostReading* host, Now now);
  [[nodiscard]] std::vector<Event> source_changes(const Snapshot& snapshot);
  [[nodiscard]] std::shared_ptr<const api::View> make_view(std::shared_ptr<const Snapshot> snapshot,
                                                           const control::Advice& advice,
                                                           std::vector<api::GpuView> gpus,
                                                           const api::GuardView& guard,
                                                           const api::DaemonView& daemon) const;

  std::shared_ptr<const config::Settings> settings_;
  const std::string hostname_;
  std::uint64_t sequence_ = 0;
  std::uint64_t next_event_id_;

  std::optional<Sampled<HostReading>> last_host_;
  history::Window<history::HostSample> history_;
  GpuTracks gpu_tracks_;
  Models models_;
  policy::AlertBook alerts_;
  Level level_ = Level::unavailable;
  Level known_level_ = Level::unavailable;  ///< The last one that came from a reading.
  bool told_cap_ = false;
  control::Throttle throttle_;
  std::vector<std::string> lost_sources_;
  std::shared_ptr<const std::vector<api::StreamedEvent>> events_ =
      std::make_shared<const std::vector<api::StreamedEvent>>();  ///< Replaced, never changed.
  api::AlertCounts alert_counts_;
};

}  // namespace levee::engine
