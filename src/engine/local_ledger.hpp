// LocalLedger: the ledger without a daemon. The same office on the same file, shared with other
// commands of this user; a thread looks at the machine once a second, and at once when another
// command has changed the book.
//
// It is asked as the daemon is, by requests of the HTTP API.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/api.hpp"
#include "config/settings.hpp"
#include "engine/balloon_keeper.hpp"
#include "engine/engine.hpp"
#include "engine/ledger_office.hpp"
#include "engine/local_sources.hpp"
#include "engine/published.hpp"
#include "sources/file.hpp"

namespace levee::engine {

class LocalLedger {
 public:
  struct Options {
    config::Settings settings;
    sources::Root root;
    std::vector<std::string> gpu_helper;
    std::vector<std::string> gpu_holder;
    std::filesystem::path state_dir;
  };

  /// Takes a first look at the machine: up to two seconds where a GPU driver is slow. Fails where
  /// the file cannot be used: promises that nobody else sees would be none.
  [[nodiscard]] static Result<std::unique_ptr<LocalLedger>> open(Options options);
  ~LocalLedger();
  LocalLedger(const LocalLedger&) = delete;
  LocalLedger& operator=(const LocalLedger&) = delete;

  /// Blocks until there is an answer. One thread at a time.
  [[nodiscard]] api::Response call(std::string_view method, std::string_view target,
                                   std::string_view json_body);

 private:
  LocalLedger(Options options, std::unique_ptr<ledger::Store> store);

  void look();
  void run(const std::stop_token& stop);
  /// Sleeps until `due`, or until something happens. True when a look is wanted.
  [[nodiscard]] bool wait(MonoTime due);
  void wake() const;

  const Options options_;
  const ProcessId self_;
  std::shared_ptr<const config::Settings> settings_;
  LocalSources sources_;
  Engine engine_;
  Published<api::View> view_;
  sources::Fd wake_;     ///< eventfd
  sources::Fd changes_;  ///< inotify; empty where it cannot be had: then once a second is enough.
  std::atomic<bool> wants_look_ = false;
  BalloonKeeper balloons_;  ///< Holds those that this process owns.
  std::unique_ptr<LedgerOffice> office_;
  std::unique_ptr<api::Api> api_;
  std::jthread thread_;
};

}  // namespace levee::engine
