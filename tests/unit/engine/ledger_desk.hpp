// A desk whose clock, store and sample are the test's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/clock.hpp"
#include "engine/ledger_desk.hpp"
#include "support/patience.hpp"
#include "unit/ledger/ledger_values.hpp"

namespace levee::test {

/// Takes an answer that comes from another thread, and counts.
template <class T>
class Heard {
 public:
  [[nodiscard]] api::LedgerPort::Answer<T> listener() const {
    return [state = state_](Result<T> answer) {
      const std::scoped_lock lock(state->mutex);
      state->answers.push_back(std::move(answer));
    };
  }
  [[nodiscard]] std::size_t count() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->answers.size();
  }
  /// The first answer; waits for it.
  [[nodiscard]] Result<T> answer() const {
    if (!eventually([this] { return count() > 0; })) {
      return fail(ErrorCode::internal, "nobody answered", "");
    }
    const std::scoped_lock lock(state_->mutex);
    return state_->answers.front();
  }

 private:
  struct State {
    std::mutex mutex;
    std::vector<Result<T>> answers;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// What a test does to a store from outside.
class StoreHandle {
 public:
  /// The next transactions fail so, one after the other; they have decided by then, as with a disk
  /// that turns out to be full at the commit.
  void fail_next(std::vector<ErrorCode> codes) {
    const std::scoped_lock lock(mutex_);
    failures_.insert(failures_.end(), codes.begin(), codes.end());
  }
  void fail_always(ErrorCode code) {
    const std::scoped_lock lock(mutex_);
    always_ = code;
  }
  void heal() {
    const std::scoped_lock lock(mutex_);
    always_.reset();
    failures_.clear();
  }
  void refuse_to_begin_anew() {
    const std::scoped_lock lock(mutex_);
    begins_anew_ = false;
  }

  /// Transactions wait before they decide, until let_go().
  void hold() {
    const std::scoped_lock lock(mutex_);
    held_ = true;
  }
  void let_go() {
    {
      const std::scoped_lock lock(mutex_);
      held_ = false;
    }
    wake_.notify_all();
  }
  [[nodiscard]] bool somebody_waits() {
    const std::scoped_lock lock(mutex_);
    return waiting_;
  }

  [[nodiscard]] std::size_t transactions() const { return transactions_; }
  [[nodiscard]] std::size_t begun_anew() const { return begun_anew_; }

  /// Called between decision and commit, on the desk's thread.
  std::function<void()> before_commit;

 private:
  friend class TestStore;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<ErrorCode> failures_;
  std::optional<ErrorCode> always_;
  bool begins_anew_ = true;
  bool held_ = false;
  bool waiting_ = false;
  std::atomic<std::size_t> transactions_ = 0;
  std::atomic<std::size_t> begun_anew_ = 0;
};

class TestStore final : public ledger::Store {
 public:
  explicit TestStore(std::shared_ptr<StoreHandle> handle) : handle_(std::move(handle)) {}

  [[nodiscard]] Result<void> transact(const std::function<void(Book&)>& decide) override {
    ++handle_->transactions_;
    wait();
    decide(book_);
    if (handle_->before_commit) {
      handle_->before_commit();
    }
    if (const auto failure = next_failure()) {
      book_.roll_back();
      return fail(*failure, "the test's disk failed", "mend it");
    }
    book_.commit();
    return {};
  }

  [[nodiscard]] Result<void> remember(const JobRecord& record) override {
    return records_.remember(record);
  }
  [[nodiscard]] Result<std::vector<JobRecord>> recall() override { return records_.recall(); }
  [[nodiscard]] Result<void> forget() override { return records_.forget(); }

  [[nodiscard]] Result<void> begin_anew(WallTime /*now*/) override {
    ++handle_->begun_anew_;
    const std::scoped_lock lock(handle_->mutex_);
    return handle_->begins_anew_ ? Result<void>{}
                                 : fail(ErrorCode::permission_denied, "it cannot be moved", "");
  }

 private:
  void wait() {
    std::unique_lock lock(handle_->mutex_);
    handle_->waiting_ = handle_->held_;
    handle_->wake_.wait_for(lock, kPatience, [this] { return !handle_->held_; });
    handle_->waiting_ = false;
  }
  std::optional<ErrorCode> next_failure() {
    const std::scoped_lock lock(handle_->mutex_);
    if (handle_->failures_.empty()) {
      return handle_->always_;
    }
    const ErrorCode code = handle_->failures_.front();
    handle_->failures_.pop_front();
    return code;
  }

  const std::shared_ptr<StoreHandle> handle_;
  Book book_;
  ledger::MemoryStore records_;
};

/// One GPU of 80 GB, a host of 100 GB, nothing in use.
inline engine::LedgerSample sample_of(std::map<std::string, Use, std::less<>> uses = {}) {
  engine::LedgerSample sample{.supply = machine({gpu(0)}), .rules = no_reserves()};
  for (const auto& [account, use] : uses) {
    sample.supply.devices.front().used += share_on(use.devices, uuid_of(0));
  }
  sample.supply.uses = std::move(uses);
  return sample;
}

inline Use gpu_use(std::uint64_t gb) { return {.devices = {{uuid_of(0), gib(gb)}}, .host = {}}; }

/// A LedgerDesk. Its clock stands still unless the test moves it; `ahead` of the real one, so that
/// nothing falls due by itself.
class TestDesk {
 public:
  explicit TestDesk(std::chrono::minutes ahead = std::chrono::minutes{10}) : start_(now_at(ahead)) {
    desk.emplace(engine::LedgerDesk::Options{
        .store = std::make_unique<TestStore>(store),
        .is_alive =
            [this](const ProcessId& id) {
              const std::scoped_lock lock(mutex_);
              return !dead_.contains(id.pid);
            },
        .user_name = [](uid_t uid) { return "user" + std::to_string(uid); },
        .look_again = [this] { ++looks; },
        .clock = [this] { return clock(); },
        .balloons =
            [this](const std::vector<engine::BalloonOrder>& balloons) {
              const std::scoped_lock lock(mutex_);
              balloons_.push_back(balloons);
            }});
  }

  TestDesk(const TestDesk&) = delete;
  TestDesk& operator=(const TestDesk&) = delete;
  ~TestDesk() {
    store->let_go();
    desk.reset();
  }

  [[nodiscard]] Result<Answer> ask(const Request& request, const Requester& who = kMarie) {
    const Heard<Answer> heard;
    desk->ask(request, who, heard.listener());
    return heard.answer();
  }
  /// "granted", "waiting", "denied" or the code of an error.
  [[nodiscard]] std::string outcome(const Request& request, const Requester& who = kMarie) {
    return outcome_of(ask(request, who));
  }
  static std::string outcome_of(const Result<Answer>& answer) {
    if (!answer) {
      return std::string(to_string(answer.error().code));
    }
    return answer->outcome == Outcome::granted   ? "granted"
           : answer->outcome == Outcome::waiting ? "waiting"
                                                 : "denied";
  }
  [[nodiscard]] Result<api::LeaseReport> release(const std::string& id,
                                                 const Requester& who = kMarie) {
    const Heard<api::LeaseReport> heard;
    desk->release(id, who, heard.listener());
    return heard.answer();
  }
  [[nodiscard]] Heard<api::LeaseStanding> watch(const std::string& id,
                                                std::chrono::seconds patience = 60s) {
    Heard<api::LeaseStanding> heard;
    desk->watch(id, patience, heard.listener());
    return heard;
  }
  /// The ledger now; an empty one where it cannot be had.
  [[nodiscard]] std::shared_ptr<const api::LedgerView> show() {
    const Heard<std::shared_ptr<const api::LedgerView>> heard;
    desk->show(heard.listener());
    return heard.answer().value_or(std::make_shared<const api::LedgerView>());
  }
  /// A new sample, taken in when this returns.
  void observe(engine::LedgerSample sample = sample_of()) {
    desk->observe(std::move(sample));
    static_cast<void>(show());
  }
  /// Time passes, and the desk notices.
  void pass(std::chrono::milliseconds time) {
    pass_unnoticed(time);
    desk->poke();
    static_cast<void>(show());
  }
  void pass_unnoticed(std::chrono::milliseconds time) {
    const std::scoped_lock lock(mutex_);
    passed_ += time;
  }
  /// The ids of all balloons, each time that the desk told them.
  [[nodiscard]] std::vector<std::vector<std::string>> balloons() {
    const std::scoped_lock lock(mutex_);
    std::vector<std::vector<std::string>> all;
    for (const std::vector<engine::BalloonOrder>& each : balloons_) {
      all.emplace_back();
      for (const engine::BalloonOrder& order : each) {
        all.back().push_back(order.lease.id);
      }
    }
    return all;
  }
  /// What was used before the balloons that were told last, on their first device.
  [[nodiscard]] std::vector<Bytes> used_before() {
    const std::scoped_lock lock(mutex_);
    std::vector<Bytes> all;
    for (const engine::BalloonOrder& order : balloons_.back()) {
      all.push_back(order.lease.used_before.empty() ? Bytes{} : order.lease.used_before[0].bytes);
    }
    return all;
  }
  void kill(pid_t pid) {
    const std::scoped_lock lock(mutex_);
    dead_.insert(pid);
  }
  /// What follows reaches the desk in one turn, when `let_go` is called.
  void hold() {
    store->hold();
    desk->poke();
    EXPECT_TRUE(eventually([this] { return store->somebody_waits(); }));
  }
  void let_go() { store->let_go(); }

  /// "granted a", "released b", since the last call.
  [[nodiscard]] std::vector<std::string> told() {
    static_cast<void>(show());  // An answer comes before it is noted what happened.
    std::vector<std::string> told;
    for (const Happening& each : desk->collect().happened) {
      told.push_back(std::string(to_string(each.kind)) + " " + each.lease.id);
    }
    return told;
  }

  const std::shared_ptr<StoreHandle> store = std::make_shared<StoreHandle>();
  std::atomic<int> looks = 0;
  std::optional<engine::LedgerDesk> desk;

 private:
  static Now now_at(std::chrono::minutes ahead) {
    Now now = engine::read_clock();
    now.mono += ahead;
    return now;
  }
  [[nodiscard]] Now clock() {
    const std::scoped_lock lock(mutex_);
    return {start_.wall + passed_, start_.mono + passed_};
  }

  std::mutex mutex_;
  std::vector<std::vector<engine::BalloonOrder>> balloons_;  // guarded by mutex_
  const Now start_;
  std::chrono::milliseconds passed_{0};
  std::set<pid_t> dead_;
};

inline std::vector<std::string> ids_of(const api::LedgerView& view) {
  std::vector<std::string> ids;
  for (const api::LeaseReport& report : view.leases) {
    ids.push_back(report.lease.id);
  }
  return ids;
}

/// A desk that has seen the machine.
struct OpenDesk : TestDesk {
  OpenDesk() { observe(); }
};

/// Its report, or an empty one.
inline const api::LeaseReport& lease_in(const api::LedgerView& view, std::string_view id) {
  static const api::LeaseReport kNone;
  const auto found = std::ranges::find(
      view.leases, id, [](const api::LeaseReport& report) { return report.lease.id; });
  return found == view.leases.end() ? kNone : *found;
}

inline Bytes used_on_gpu(const Use& use) { return share_on(use.devices, uuid_of(0)); }

}  // namespace levee::test
