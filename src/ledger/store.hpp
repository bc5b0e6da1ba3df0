// Store: where a Book is kept, and the one transaction that decides and commits.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/time.hpp"
#include "ledger/book.hpp"
#include "levee/result.hpp"

namespace levee::ledger {

inline constexpr std::size_t kMostRecords = 1'000;

class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  /// Hands `decide` the book as it is for everybody who shares the store, and keeps what it
  /// changed: all of it, or nothing when an error is returned. Nobody else decides meanwhile.
  [[nodiscard]] virtual Result<void> transact(const std::function<void(Book&)>& decide) = 0;

  /// Makes good after `transact` answered `corrupt`: what was kept is moved aside, and the book as
  /// it was last known goes on.
  [[nodiscard]] virtual Result<void> begin_anew(WallTime /*now*/) { return {}; }

  /// Keeps how a job went, of the newest kMostRecords.
  [[nodiscard]] virtual Result<void> remember(const JobRecord& record) = 0;
  /// What is kept of them, the oldest first.
  [[nodiscard]] virtual Result<std::vector<JobRecord>> recall() = 0;
  /// Keeps none of them any more.
  [[nodiscard]] virtual Result<void> forget() = 0;

  /// Whether the book survives this process.
  [[nodiscard]] virtual bool is_durable() const { return false; }

  /// What has happened to what is kept, for people; empty: nothing.
  [[nodiscard]] virtual std::string trouble() const { return {}; }
};

/// In memory: one process, and its end is the end of the book.
class MemoryStore final : public Store {
 public:
  /// `why`: why it is no better one, for people.
  explicit MemoryStore(std::string why = {}) : why_(std::move(why)) {}

  [[nodiscard]] Result<void> transact(const std::function<void(Book&)>& decide) override {
    decide(book_);
    book_.commit();
    return {};
  }
  [[nodiscard]] Result<void> remember(const JobRecord& record) override {
    records_.push_back(record);
    if (records_.size() > kMostRecords) {
      records_.pop_front();
    }
    return {};
  }
  [[nodiscard]] Result<std::vector<JobRecord>> recall() override {
    return std::vector<JobRecord>(records_.begin(), records_.end());
  }
  [[nodiscard]] Result<void> forget() override {
    records_.clear();
    return {};
  }
  [[nodiscard]] std::string trouble() const override { return why_; }

 private:
  const std::string why_;
  Book book_;
  std::deque<JobRecord> records_;
};

}  // namespace levee::ledger
