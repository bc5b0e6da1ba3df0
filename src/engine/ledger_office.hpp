// LedgerOffice: the ledger on this machine: its file, the desk that decides, and the look at who
// uses what. The daemon has one; a command that finds no daemon opens one of its own on the same
// file.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/balloon_port.hpp"
#include "api/ledger_port.hpp"
#include "api/view.hpp"
#include "core/alert.hpp"
#include "engine/ledger_desk.hpp"
#include "sources/kinship.hpp"
#include "sources/root.hpp"
#include "sources/users.hpp"

namespace levee::engine {

class LedgerOffice {
 public:
  struct Options {
    sources::Root root;
    std::unique_ptr<ledger::Store> store;
    std::function<void()> look_again;  ///< See LedgerDesk::Options, as for `balloons`.
    std::function<void(const std::vector<BalloonOrder>&)> balloons = [](const auto&) {};
  };

  explicit LedgerOffice(Options options);

  /// Tells the desk what a tick saw, and who holds balloons. One thread.
  void observe(const api::View& view, const std::vector<api::Holding>& holdings = {});

  /// What has happened since the last call. Thread-safe.
  [[nodiscard]] std::vector<Event> events(WallTime now);

  [[nodiscard]] api::LedgerPort port();
  [[nodiscard]] std::shared_ptr<const api::LedgerView> view() const { return desk_->view(); }
  void poke() { desk_->poke(); }
  /// The lease that a process belongs to; empty: none. The thread of observe().
  [[nodiscard]] std::string account_of(const ProcessId& process, MonoTime now) {
    return kinship_.account_of(process, now).value_or("");
  }
  /// See LedgerDesk.
  void note_used_before(const std::string& lease, const ledger::DeviceShare& used) {
    desk_->note_used_before(lease, used);
  }

  /// Answers everybody and decides no more. Idempotent.
  void stop() { desk_->stop(); }

 private:
  const sources::Root root_;
  const BootId boot_;
  sources::UserNames users_;
  sources::Kinship kinship_;
  std::unique_ptr<LedgerDesk> desk_;
  /// As it was found, until the desk shows one: without it the first sample knew no account.
  std::shared_ptr<const api::LedgerView> found_;
};

/// The ledger's file, for the one process that decides for all. Where there is none, for the reason
/// `why_not`, or it cannot be used, the book is kept in memory, and says so.
[[nodiscard]] std::unique_ptr<ledger::Store> open_ledger(
    const std::optional<std::filesystem::path>& file, std::string why_not);

}  // namespace levee::engine
