// ReclaimOffice: asking processes for memory, on this machine: who they are, what they use, and
// the registry that knows them. Connections come in on the server's thread, requests from anywhere,
// measurements once a tick.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/reclaim_port.hpp"
#include "api/view.hpp"
#include "core/alert.hpp"
#include "core/process_id.hpp"
#include "reclaim/registry.hpp"
#include "sources/root.hpp"
#include "sources/users.hpp"

namespace levee::engine {

class ReclaimOffice {
 public:
  struct Options {
    sources::Root root;
    std::size_t most_per_user = 64;
    std::size_t most_in_all = 512;
    std::function<void()> look_again;  ///< Asks for a tick soon. Thread-safe.
    /// The lease that a process belongs to; empty: none. Called on the engine thread.
    std::function<std::string(const ProcessId&)> account_of;
  };

  explicit ReclaimOffice(Options options);

  /// Moves every request on by what a tick saw. The engine thread.
  void observe(const api::View& view);
  /// What has happened since the last call. The engine thread.
  [[nodiscard]] std::vector<Event> events(WallTime now);
  /// When observe() would do something, if nothing happens before. Thread-safe, as what follows.
  [[nodiscard]] MonoTime next_due() const { return registry_->next_due(); }

  [[nodiscard]] api::ReclaimPort port();
  [[nodiscard]] std::shared_ptr<const reclaim::Roster> roster() { return registry_->roster(); }
  void set_limit_per_user(std::size_t most) { registry_->set_limit_per_user(most); }

  /// Answers everybody who waits. Idempotent.
  void stop() { registry_->stop(); }

 private:
  [[nodiscard]] Result<std::shared_ptr<api::Dialogue>> converse(pid_t pid, uid_t uid,
                                                                bool is_administrator);
  void note(const reclaim::Asked& asked);

  const Options options_;
  const BootId boot_;
  sources::UserNames users_;
  const std::shared_ptr<reclaim::Registry> registry_;  ///< Connections may outlive the office.

  std::vector<Event> events_;  // the engine thread only
};

}  // namespace levee::engine
