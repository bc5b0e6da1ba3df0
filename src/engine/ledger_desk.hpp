// LedgerDesk: the thread that decides who is promised what. It owns the store; requests come
// through a bounded queue, and all that have come meanwhile are decided in one transaction. What is
// answered has been committed.
//
// It shares its store with other processes where there is no daemon: poke() tells it that one of
// them may have changed the book. Thread-safe.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/ledger_port.hpp"
#include "core/time.hpp"
#include "engine/balloon_order.hpp"
#include "engine/job_records.hpp"
#include "engine/published.hpp"
#include "ledger/admission.hpp"
#include "ledger/store.hpp"

namespace levee::engine {

/// What one sample says to the ledger.
struct LedgerSample {
  ledger::Supply supply;
  ledger::Rules rules;
};

class LedgerDesk {
 public:
  struct Options {
    std::unique_ptr<ledger::Store> store;  ///< Never null.
    std::function<bool(const ProcessId&)> is_alive;
    std::function<std::string(uid_t)> user_name;
    /// Something was given back that the last sample still counts as used: a new one would help
    /// those who wait. Called on the desk's thread.
    std::function<void()> look_again;
    std::function<Now()> clock;
    /// All balloons that are granted, whenever that has changed. Called on the desk's thread; must
    /// not block.
    std::function<void(const std::vector<BalloonOrder>&)> balloons = [](const auto&) {};
  };

  explicit LedgerDesk(Options options);
  ~LedgerDesk();

  void ask(ledger::Request request, ledger::Requester requester,
           const api::LedgerPort::Answer<ledger::Answer>& answer);
  void release(std::string id, ledger::Requester requester,
               const api::LedgerPort::Answer<api::LeaseReport>& answer);
  /// See ledger::resize().
  void resize(std::string id, Bytes each, ledger::Requester requester,
              const api::LedgerPort::Answer<ledger::Answer>& answer);
  /// What the account of a balloon used before it, for a daemon after this one.
  void note_used_before(std::string id, ledger::DeviceShare used);
  void watch(std::string id, std::chrono::seconds patience,
             api::LedgerPort::Answer<api::LeaseStanding> answer);
  void forget(const api::LedgerPort::Answer<void>& answer);
  void show(const api::LedgerPort::Answer<std::shared_ptr<const api::LedgerView>>& answer);

  /// A new sample: what is over ends, and the line is served.
  void observe(LedgerSample sample);
  /// Another process may have changed the book: the line is served again.
  void poke();

  [[nodiscard]] std::shared_ptr<const api::LedgerView> view() const { return view_.get(); }

  /// What has happened since the last call, oldest first: the first kMostHappenings, and how many
  /// more there were.
  struct Past {
    std::vector<ledger::Happening> happened;
    std::size_t unheard = 0;
  };
  static constexpr std::size_t kMostHappenings = 256;
  [[nodiscard]] Past collect();

  /// Decides what has been asked, answers everybody who watches, and ends. Idempotent.
  void stop();

 private:
  /// Something to do within the next transaction, and what to say once that is committed, or why
  /// it could not be.
  struct Task {
    std::function<void(ledger::Book&)> decide;
    std::function<void(const Result<void>&)> tell;
  };
  struct Watcher {
    std::string id;
    MonoTime until;
    api::LedgerPort::Answer<api::LeaseStanding> answer;
  };

  /// What one transaction came to, told once it is committed.
  struct Turn {
    std::vector<ledger::Happening> happened;
    std::vector<std::optional<Result<api::LeaseStanding>>> over;  ///< By watcher.
    std::shared_ptr<const api::LedgerView> view;
    std::optional<std::vector<BalloonOrder>> balloons;  ///< Absent: as they were.
    bool freed_memory_in_use = false;
  };

  bool post(Task task);
  void run();
  [[nodiscard]] MonoTime next_turn() const;
  void take_turn(const std::vector<Task>& tasks, std::vector<Watcher> newcomers, bool is_sample);
  [[nodiscard]] Result<void> commit(const std::vector<Task>& tasks, bool is_sample);
  void decide(ledger::Book& book, const std::vector<Task>& tasks, bool is_sample);
  void end(const ledger::Happening& happening);
  void look_at_watched(const ledger::Book& book, MonoTime now);
  void fail_watchers(const Error& error, std::size_t newcomers);
  void answer_watchers();
  void tell_trouble(const Error& error);
  [[nodiscard]] std::shared_ptr<const api::LedgerView> describe(const ledger::Book& book) const;
  [[nodiscard]] api::LeaseReport report(const ledger::Lease& lease) const;
  [[nodiscard]] bool was_in_use(const std::string& account) const;

  Options options_;
  Published<api::LedgerView> view_;

  std::mutex mutex_;
  std::condition_variable wake_;  // the members below are guarded by mutex_
  std::vector<Task> tasks_;
  std::vector<Watcher> newcomers_;  ///< They watch from the next turn on.
  std::optional<LedgerSample> new_sample_;
  Past past_;
  bool poked_ = false;
  bool stopping_ = false;

  // The desk's thread alone.
  LedgerSample sample_;
  bool has_sample_ = false;
  Turn turn_;
  Peaks peaks_;
  JobRecords records_;
  std::vector<Watcher> watchers_;
  MonoTime view_made_;
  bool view_is_old_ = false;                           ///< The book has changed since.
  std::optional<std::vector<BalloonOrder>> balloons_;  ///< As they were told; absent: not yet.

  std::thread thread_;
};

}  // namespace levee::engine
