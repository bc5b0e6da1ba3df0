// Store: where a Book is kept, and the one transaction that decides and commits.
#pragma once

#include <functional>

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
};

/// In memory: one process, and its end is the end of the book.
class MemoryStore final : public Store {
 public:
  explicit MemoryStore(Book book = {}) : book_(std::move(book)) {}

  [[nodiscard]] Result<void> transact(const std::function<void(Book&)>& decide) override {
    decide(book_);
    book_.commit();
    return {};
  }

 private:
  Book book_;
};

}  // namespace levee::ledger
