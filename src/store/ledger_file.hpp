// LedgerFile: ledger.db, a Book that processes share. SQLite (WAL, synchronous=NORMAL): what was
// acknowledged survives the death of any process; a power cut may lose the last moments, and ends
// every owner anyway.
//
// One transaction reads what others changed, decides and commits. One owner thread per object.
//
// A file that is damaged is moved aside, and one that was deleted is missed; then the book as this
// process knew it goes on in a new file, and trouble() tells. Error codes as in HistoryStore.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/time.hpp"
#include "ledger/store.hpp"

namespace levee::store {

class LedgerFile final : public ledger::Store {
 public:
  /// Opens or creates `file`, with its directory. A damaged file is moved aside.
  [[nodiscard]] static Result<std::unique_ptr<LedgerFile>> open(std::filesystem::path file,
                                                                WallTime now);
  ~LedgerFile() override;

  [[nodiscard]] Result<void> transact(const std::function<void(ledger::Book&)>& decide) override;

  /// Moves what is there aside, and writes the book as it was last known into a new file.
  [[nodiscard]] Result<void> begin_anew(WallTime now) override;
  [[nodiscard]] Result<void> remember(const JobRecord& record) override;
  [[nodiscard]] Result<std::vector<JobRecord>> recall() override;
  [[nodiscard]] Result<void> forget() override;
  [[nodiscard]] bool is_durable() const override { return true; }
  [[nodiscard]] std::string trouble() const override;

 private:
  struct Impl;
  explicit LedgerFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::store
