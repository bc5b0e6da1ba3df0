// Store: where a Book is kept, and the one transaction that decides and commits.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "core/time.hpp"
#include "ledger/book.hpp"
#include "levee/result.hpp"

namespace levee::ledger {

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
  [[nodiscard]] std::string trouble() const override { return why_; }

 private:
  const std::string why_;
  Book book_;
};

}  // namespace levee::ledger
