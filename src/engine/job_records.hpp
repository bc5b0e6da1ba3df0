// How jobs go: the most that each account has used, and, of those of which something was said
// before, what came of it. Of the ledger desk's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/prediction.hpp"
#include "ledger/admission.hpp"
#include "ledger/store.hpp"

namespace levee::engine {

/// The most of any sample, by account.
class Peaks {
 public:
  /// Those of accounts that are over are forgotten.
  void note(const ledger::Book& book, const ledger::Supply& supply);
  void erase(const std::string& account) { peaks_.erase(account); }
  /// Empty where there is none.
  [[nodiscard]] ledger::Use of(const std::string& account) const;

 private:
  std::map<std::string, ledger::Use, std::less<>> peaks_;
};

class JobRecords {
 public:
  using Records = std::vector<JobRecord>;

  /// `store` must outlive this.
  explicit JobRecords(ledger::Store& store) : store_(store) {}

  /// Within a transaction, which may yet fail: something has ended.
  void note(const ledger::Happening& happening, const Peaks& peaks, WallTime now);
  void roll_back() { ended_.clear(); }
  /// Once it is committed. Whether there is anything new.
  bool commit();

  /// The oldest first; never null. Not within a transaction, where it has to be read anew.
  [[nodiscard]] std::shared_ptr<const Records> all();
  /// As all() had it last.
  [[nodiscard]] std::shared_ptr<const Records> known() const { return known_; }
  [[nodiscard]] Result<void> forget();

 private:
  ledger::Store& store_;
  Records ended_;
  bool is_current_ = false;
  std::shared_ptr<const Records> known_ = std::make_shared<const Records>();
};

}  // namespace levee::engine
