// FlightDesk: the engine's side of the flight recorder. It hands over everything that the engine is
// fed and what comes of it, sees what is an incident, and answers what the Api asks. Used by the
// engine thread, but for port(), which is thread-safe.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/incident_port.hpp"
#include "api/view.hpp"
#include "engine/engine.hpp"
#include "recorder/flight_recorder.hpp"
#include "sources/oom_watch.hpp"
#include "sources/root.hpp"

namespace levee::engine {

class FlightDesk {
 public:
  struct Options {
    sources::Root root;
    std::string hostname;
    std::optional<std::filesystem::path> state_dir;
    std::string why_no_state_dir;
    std::function<Now()> clock;
    /// Something to tell; called on the recorder's thread.
    std::function<void(Event)> tell;
  };

  FlightDesk(Options options, const config::Settings& settings);

  /// What the next tick is fed. Before the engine gets it, which changes it.
  void feed(const Readings& readings, const api::GuardView& guard, const api::DaemonView& daemon,
            Now now, const Engine& engine);
  /// What came of that.
  void note(const Tick& tick);
  /// An event of somebody else's, to which the engine has just given its id.
  void note(const Told& told);
  /// The engine has just got these settings.
  void note_settings(const Engine& engine, const Told& told, Now now);
  /// A command that the engine's models have executed.
  void note(const api::Command& command, const Engine& engine, Now now);

  void configure(const config::Recorder& config);

  [[nodiscard]] api::IncidentPort port();
  void stop() { recorder_->stop(); }

 private:
  [[nodiscard]] recorder::Context context(std::uint64_t next_event_id) const;
  void look_for_kills(const Tick& tick);
  void look_for_emergencies(const Tick& tick);
  void trigger(recorder::IncidentKind kind, Now now, std::string reason,
               const std::function<void(recorder::Incident&)>& more = {});

  const Options options_;
  sources::OomWatch oom_;
  std::unique_ptr<recorder::FlightRecorder> recorder_;
  std::shared_ptr<const api::View> view_;  ///< After the last tick.
  std::optional<MonoTime> last_short_;     ///< When memory was short last.
  recorder::TickItem tick_;                ///< Fed, and not noted yet.
  std::uint64_t next_event_id_ = 1;        ///< Before that.
};

[[nodiscard]] recorder::Limits limits_of(const config::Recorder& config);

}  // namespace levee::engine
