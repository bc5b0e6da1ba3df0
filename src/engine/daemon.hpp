// Daemon: the wiring. Three threads: the engine's (one tick after the other; owns all mutable
// state), the guard's (the fast look) and the server's (HTTP from the published View). What may
// block, the store and the sinks, has threads of its own behind queues. Nothing here decides.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "actions/speed_file.hpp"
#include "api/api.hpp"
#include "config/settings.hpp"
#include "engine/balloon_keeper.hpp"
#include "engine/engine.hpp"
#include "engine/guard_thread.hpp"
#include "engine/inbox.hpp"
#include "engine/ledger_office.hpp"
#include "engine/outlets.hpp"
#include "engine/published.hpp"
#include "engine/reclaim_office.hpp"
#include "engine/recovery.hpp"
#include "engine/state_dir.hpp"
#include "gpus/gpu_source.hpp"
#include "server/server.hpp"
#include "sources/host.hpp"
#include "sources/identifier.hpp"
#include "sources/processes.hpp"
#include "sources/psi_trigger.hpp"
#include "sources/root.hpp"

namespace levee::engine {

class Daemon {
 public:
  struct Options {
    config::Settings settings;
    std::filesystem::path state_dir;
    std::filesystem::path socket;
    /// Where to listen instead when nothing can be written in the state directory and `socket` lies
    /// there; its directory is made private.
    std::optional<std::filesystem::path> spare_socket;
    sources::Root root;
    std::vector<std::string> gpu_helper;  ///< What to start for GPUs; empty: none are watched.
    std::vector<std::string> gpu_holder;  ///< What to start to hold memory of one.
    bool log_to_stderr = true;
    bool color = false;
  };

  /// Locks the state directory and binds port and socket. A second daemon is refused with the name
  /// of the first; a state directory without permission or space is not: Levee then goes on in
  /// memory and says so.
  [[nodiscard]] static Result<std::unique_ptr<Daemon>> make(Options options);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Starts all threads; returns at once.
  void start();

  /// Ends everything in order, within about a second. Idempotent. Call it from the thread that
  /// called start().
  void stop();

  /// Reads the configuration again. Thread-safe.
  void reload();

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] const std::filesystem::path& socket() const { return options_.socket; }

 private:
  Daemon(Options options, std::optional<StateDirLock> lock, const std::string& why_no_state_dir);

  void run(const std::stop_token& stop);
  void tick(sources::Thoroughness thoroughness);
  void tell(const Told& told);
  /// Sends what was told to the open streams. Only after the View that holds it is published: a
  /// stream that opens just then finds the event in one of the two, never in neither.
  void broadcast();
  void tell_store_changes(const store::StoreHealth& health);
  /// Ticks at once: the ledger waits for newer figures. Thread-safe.
  void look_again();
  void announce(EventKind kind, std::string message);
  void adopt(std::shared_ptr<const config::Settings> settings);

  /// Writes the speed multipliers to their file, if that is wanted.
  void publish_speed(const api::View& view);
  [[nodiscard]] Readings read_sources(sources::Thoroughness thoroughness, Now now);
  /// Starts the guard, or says in `troubles` why it cannot look.
  void start_guard(std::vector<SourceTrouble>& troubles);
  [[nodiscard]] api::DaemonView describe(Now now);
  [[nodiscard]] api::Ports ports();
  void take(const api::Command& command, const api::CommandAnswer& answer);
  [[nodiscard]] Result<api::Outcome> execute(const api::Command& command);
  /// Answers the commands that were executed: the View shows now what they did.
  void give_answers();
  [[nodiscard]] control::GuardRhythm rhythm() const;

  const Options options_;
  const WallTime started_;
  std::optional<StateDirLock> state_lock_;
  Published<api::View> view_;
  Inbox inbox_;

  // Owned by the engine thread once start() was called.
  sources::HostSource host_source_;
  std::shared_ptr<sources::UserNames> users_;
  sources::ProcessSource process_source_;
  sources::Identifier gpu_identifier_;
  gpus::GpuSource gpu_source_;
  std::optional<sources::PsiTrigger> pressure_trigger_;
  std::optional<actions::SpeedFile> speed_file_;
  Engine engine_;
  Outlets outlets_;
  BalloonKeeper balloons_;  ///< Before the ledger, which tells it.
  LedgerOffice ledger_;
  ReclaimOffice reclaim_;
  Recovery recovery_;
  std::atomic<bool> is_asked_to_look_ = false;
  api::DaemonView self_;
  std::shared_ptr<const VictimTable> victims_;
  bool store_was_durable_ = true;
  std::vector<std::function<void()>> answers_;
  std::vector<Told> unsent_;

  std::unique_ptr<api::Api> api_;  // the server's thread only
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<GuardThread> guard_;
  std::jthread server_thread_;
  std::jthread engine_thread_;
};

}  // namespace levee::engine
