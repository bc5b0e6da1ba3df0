#include "store/ledger_file.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "store/lease_text.hpp"
#include "store/sqlite.hpp"

namespace levee::store {
namespace {

namespace fs = std::filesystem;
using ledger::Book;
using ledger::Lease;

constexpr std::array kSteps{
    "CREATE TABLE lease(id BLOB PRIMARY KEY, body TEXT NOT NULL);",
    "CREATE TABLE job(number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);"};
constexpr Schema kSchema{.application_id = 0x4c65764c, .steps = kSteps};  // "LevL"

/// How long a process waits for its turn. A turn takes well under a millisecond.
constexpr int kPatienceMs = 5'000;

/// The open file.
class Table {
 public:
  explicit Table(std::unique_ptr<SQLite::Database> opened) : database_(std::move(opened)) {
    database_->setBusyTimeout(kPatienceMs);
  }

  [[nodiscard]] SQLite::Database& database() { return *database_; }
  /// Rises when another connection has committed.
  [[nodiscard]] std::int64_t version() {
    Rows rows(version_);
    return rows.next() ? rows[0].getInt64() : 0;
  }
  [[nodiscard]] Result<std::vector<Lease>> read();
  void write(const Book& book, const Book::Changes& changes);
  void add(const JobRecord& record);
  [[nodiscard]] std::vector<JobRecord> records();
  void clear_records() { run(clear_records_); }

 private:
  std::unique_ptr<SQLite::Database> database_;
  SQLite::Statement version_{*database_, "PRAGMA data_version"};
  SQLite::Statement read_{*database_, "SELECT id, body FROM lease"};
  SQLite::Statement put_{*database_,
                         "INSERT INTO lease(id, body) VALUES(?1, ?2)"
                         " ON CONFLICT(id) DO UPDATE SET body=excluded.body"};
  SQLite::Statement erase_{*database_, "DELETE FROM lease WHERE id=?1"};
  SQLite::Statement add_record_{*database_, "INSERT INTO job(body) VALUES(?1)"};
  SQLite::Statement trim_records_{
      *database_, "DELETE FROM job WHERE number <= (SELECT max(number) FROM job) - ?1"};
  SQLite::Statement records_{*database_, "SELECT body FROM job ORDER BY number"};
  SQLite::Statement clear_records_{*database_, "DELETE FROM job"};
};

Result<std::vector<Lease>> Table::read() {
  std::vector<Lease> leases;
  Rows rows(read_);
  while (rows.next()) {
    auto lease = parse_lease(rows[1].getString());
    if (!lease) {
      return std::unexpected(lease.error());
    }
    lease->id = rows[0].getString();  // Any bytes; the text holds UTF-8 only.
    leases.push_back(std::move(*lease));
  }
  return leases;
}

void Table::write(const Book& book, const Book::Changes& changes) {
  for (const auto& [id, before] : changes) {
    const Lease* const lease = book.find(id);
    SQLite::Statement& statement = lease != nullptr ? put_ : erase_;
    statement.reset();
    statement.bind(1, id.data(), static_cast<int>(id.size()));
    if (lease != nullptr) {
      statement.bind(2, to_text(*lease));
    }
    run(statement);
  }
}

void Table::add(const JobRecord& record) {
  add_record_.reset();
  add_record_.bind(1, to_text(record));
  run(add_record_);
  trim_records_.reset();
  trim_records_.bind(1, static_cast<std::int64_t>(ledger::kMostRecords));
  run(trim_records_);
}

/// A record that cannot be read is left out: nobody's promise depends on it.
std::vector<JobRecord> Table::records() {
  std::vector<JobRecord> records;
  Rows rows(records_);
  while (rows.next()) {
    if (auto record = parse_job_record(rows[0].getString())) {
      records.push_back(std::move(*record));
    }
  }
  return records;
}

}  // namespace

struct LedgerFile::Impl {
  explicit Impl(fs::path path) : file(std::move(path)) {}

  [[nodiscard]] Result<void> open();
  [[nodiscard]] Result<void> refresh();
  [[nodiscard]] Result<void> decide_and_commit(const std::function<void(Book&)>& decide);
  [[nodiscard]] Result<void> use(const std::function<void(Table&)>& work);

  const fs::path file;
  std::optional<Table> table;
  Book book;
  std::int64_t known_version = -1;
  std::string trouble;
};

/// Making a file, and switching it to its log, are steps for which SQLite does not wait: the second
/// of two processes that begin together has to try again.
Result<std::unique_ptr<SQLite::Database>> open_patiently(const fs::path& file) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds{kPatienceMs};
  while (true) {
    auto database = open_database(file, kSchema);
    if (database || database.error().code != ErrorCode::unavailable ||
        std::chrono::steady_clock::now() > deadline) {
      return database;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
}

Result<void> LedgerFile::Impl::open() {
  table.reset();
  known_version = -1;
  auto database = open_patiently(file);
  if (!database) {
    return std::unexpected(database.error());
  }
  SQLite::Database& opened = **database;
  try {
    table.emplace(std::move(*database));
    return {};
  } catch (const SQLite::Exception& failure) {
    Error error = explain(failure, &opened, "opening", file);
    error.code = ErrorCode::corrupt;  // Ours by its header, yet without its table.
    return std::unexpected(std::move(error));
  }
}

/// Reads the book again if somebody else has written it.
Result<void> LedgerFile::Impl::refresh() {
  const std::int64_t version = table->version();
  if (version == known_version) {
    return {};
  }
  auto leases = table->read();
  if (!leases) {
    return std::unexpected(leases.error());
  }
  book = Book(std::move(*leases));
  known_version = version;
  return {};
}

Result<void> LedgerFile::Impl::decide_and_commit(const std::function<void(Book&)>& decide) {
  if (!table) {
    if (auto opened = open(); !opened) {
      return opened;
    }
  }
  if (!is_in_place(table->database(), file, true)) {
    return fail(ErrorCode::corrupt, fmt::format("{} was moved or deleted", file.string()),
                "it is begun anew");
  }
  try {
    SQLite::Transaction transaction(table->database(), SQLite::TransactionBehavior::IMMEDIATE);
    if (auto fresh = refresh(); !fresh) {
      return fresh;
    }
    decide(book);
    table->write(book, book.changes());
    transaction.commit();
    book.commit();
    return {};
  } catch (const SQLite::Exception& failure) {
    book.roll_back();
    known_version = -1;  // Whether a failed commit reached the file is for the file to say.
    return std::unexpected(explain(failure, &table->database(), "writing", file));
  }
}

/// Something with the file that is not about the book.
Result<void> LedgerFile::Impl::use(const std::function<void(Table&)>& work) {
  if (!table) {
    if (auto opened = open(); !opened) {
      return opened;
    }
  }
  try {
    SQLite::Transaction transaction(table->database(), SQLite::TransactionBehavior::IMMEDIATE);
    work(*table);
    transaction.commit();
    return {};
  } catch (const SQLite::Exception& failure) {
    return std::unexpected(explain(failure, &table->database(), "writing", file));
  }
}

LedgerFile::LedgerFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LedgerFile::~LedgerFile() = default;

Result<std::unique_ptr<LedgerFile>> LedgerFile::open(fs::path file, WallTime now) {
  std::unique_ptr<LedgerFile> ledger(new LedgerFile(std::make_unique<Impl>(std::move(file))));
  auto readable = ledger->transact([](Book&) {});
  if (!readable && readable.error().code == ErrorCode::corrupt) {
    readable = ledger->begin_anew(now);
  }
  if (!readable) {
    return std::unexpected(readable.error());
  }
  return ledger;
}

Result<void> LedgerFile::transact(const std::function<void(Book&)>& decide) {
  return impl_->decide_and_commit(decide);
}

Result<void> LedgerFile::begin_anew(WallTime now) {
  impl_->table.reset();
  std::error_code failure;
  if (fs::exists(impl_->file, failure)) {
    // Somebody else may have begun anew already: then the file is sound.
    if (impl_->open() && impl_->refresh()) {
      return {};
    }
    impl_->table.reset();
    auto aside = move_aside(impl_->file, now);
    if (!aside) {
      return std::unexpected(aside.error());
    }
    impl_->trouble =
        fmt::format("{} was damaged; it is now {}", impl_->file.string(), aside->string());
  } else {
    impl_->trouble = fmt::format("{} was deleted; a new one was begun", impl_->file.string());
  }
  Book known = std::exchange(impl_->book, Book{});
  return impl_->decide_and_commit([&](Book& fresh) {
    for (const auto& [id, lease] : known.leases()) {
      if (fresh.find(id) == nullptr) {
        fresh.put(lease);
      }
    }
  });
}

Result<void> LedgerFile::remember(const JobRecord& record) {
  return impl_->use([&record](Table& table) { table.add(record); });
}

Result<std::vector<JobRecord>> LedgerFile::recall() {
  std::vector<JobRecord> records;
  if (auto read = impl_->use([&records](Table& table) { records = table.records(); }); !read) {
    return std::unexpected(read.error());
  }
  return records;
}

Result<void> LedgerFile::forget() {
  return impl_->use([](Table& table) { table.clear_records(); });
}

std::string LedgerFile::trouble() const { return impl_->trouble; }

}  // namespace levee::store
