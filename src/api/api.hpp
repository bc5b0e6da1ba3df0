// Api: request value → response value. No sockets and no threads here; the server is a thin shell
// around it, and a test calls it like a function.
//
// Reads are answered from the published View at once, serialised once per View. Changes become a
// Command for the engine and are answered when it is done. Used by one thread (the server's);
// answers to commands and to questions about stored history come from other threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/balloon_port.hpp"
#include "api/http.hpp"
#include "api/ledger_port.hpp"
#include "api/reclaim_port.hpp"
#include "api/view.hpp"
#include "config/settings.hpp"
#include "estimate/requirements.hpp"
#include "history/rollup.hpp"
#include "levee/result.hpp"
#include "store/store_worker.hpp"

namespace levee::api {

/// Effects a client may ask for.
struct UpdateConfig {
  config::Values changes;
};
struct Cleanup {
  bool force = false;
};
/// Says what a model needs, in memory only.
struct RegisterModel {
  std::string id;
  estimate::Requirements requirements;
};
/// Takes that back.
struct RemoveModel {
  std::string id;
};
/// A model was loaded, or is used again; it may come to be cached.
struct TrackModel {
  std::string id;
  std::optional<Bytes> size;  ///< Absent: only used, should it be cached.
};
struct ForgetModel {
  std::string id;
};
/// An allocation of so much failed. For an administrator others slow down, for a user they give
/// what costs them nothing.
struct ReportShortage {
  std::string device;  ///< A GPU's UUID, or "host".
  Bytes bytes;
  bool is_administrator = false;
};
using Command = std::variant<UpdateConfig, Cleanup, RegisterModel, RemoveModel, TrackModel,
                             ForgetModel, ReportShortage>;

/// What came of a command.
struct ConfigUpdated {
  std::vector<std::string> changed;        ///< Keys whose value is new.
  std::vector<std::string> needs_restart;  ///< Those of them that take effect at the next start.
};
struct CleanedUp {
  Bytes cpu_freed;
  Bytes gpu_freed;
  std::string message;  ///< Empty: the documented "Cleanup completed. …" text.
};
struct ModelsChanged {
  bool hit = false;  ///< TrackModel: it was cached already.
};
struct Noted {};
using Outcome = std::variant<ConfigUpdated, CleanedUp, ModelsChanged, Noted>;
using CommandAnswer = std::function<void(Result<Outcome>)>;

/// What the Api may ask of the rest of Levee.
struct Ports {
  std::function<std::shared_ptr<const View>()> view;  ///< Null before the first tick. Thread-safe.
  /// Hands a command to the engine; the callback comes exactly once, from any thread. By then
  /// view() shows what the command changed. An `unavailable` error when the queue is full.
  std::function<void(Command, CommandAnswer)> command;
  /// Ask the store; `unavailable` when there is none. Answered once, from any thread.
  std::function<void(store::Query, store::StoreWorker::Answer<history::Bucket>)> stored_history;
  std::function<void(store::EventQuery, store::StoreWorker::Answer<store::StoredEvent>)>
      stored_events;
  LedgerPort ledger;
  BalloonPort balloons = {};
  ReclaimPort reclaim = {};
  std::function<Now()> now;
  Authority authority;
};

class Api {
 public:
  explicit Api(Ports ports);
  ~Api();

  /// Answers `request`; `respond` is called exactly once, now or later. Never throws.
  void handle(const Request& request, Responder respond);

  /// One server-sent event: "id: 7\nevent: alert\ndata: {…}\n\n".
  [[nodiscard]] static std::string frame(const StreamedEvent& event);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::api
