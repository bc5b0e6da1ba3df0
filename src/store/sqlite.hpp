// What SQLite says, in Levee's words: opening a database file of ours, and naming its failures.
// One thread per database.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "core/time.hpp"
#include "levee/result.hpp"

namespace levee::store {

/// What makes a file ours, and how its tables came to be.
struct Schema {
  std::int32_t application_id;         ///< Marks the file; SQLite keeps it in the header.
  std::span<const char* const> steps;  ///< steps[v] brings version v to v + 1.
};

/// Opens or creates `file` (its directory too) in WAL mode and applies the steps it lacks.
[[nodiscard]] Result<std::unique_ptr<SQLite::Database>> open_database(
    const std::filesystem::path& file, const Schema& schema);

/// `failure`, which happened while `doing` something with `file`. The errno of the operating system
/// tells a full disk from a missing permission where SQLite does not.
[[nodiscard]] Error explain(const SQLite::Exception& failure, SQLite::Database* database,
                            std::string_view doing, const std::filesystem::path& file);

/// Resets a statement whichever way its rows were left: an open read would keep the write-ahead log
/// from being folded back into the file.
class Rows {
 public:
  explicit Rows(SQLite::Statement& statement) : statement_(statement) { statement_.reset(); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  ~Rows() { statement_.tryReset(); }

  [[nodiscard]] bool next() { return statement_.executeStep(); }
  [[nodiscard]] SQLite::Column operator[](int column) { return statement_.getColumn(column); }

 private:
  SQLite::Statement& statement_;
};

/// Runs a statement that has no rows.
void run(SQLite::Statement& statement);

/// False when the file was deleted, moved or replaced underneath: what is written now is lost.
/// `has_log`: the file is in WAL mode, and without its log it would silently lack what was last
/// written.
[[nodiscard]] bool is_in_place(SQLite::Database& database, const std::filesystem::path& file,
                               bool has_log);

/// Moves a damaged database and its -wal and -shm files aside: "history.db" becomes
/// "history.db.damaged-20260131T080509Z". Never deletes, never touches another file. Returns the
/// new name.
[[nodiscard]] Result<std::filesystem::path> move_aside(const std::filesystem::path& file,
                                                       WallTime now);

}  // namespace levee::store
