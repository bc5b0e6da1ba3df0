#include "store/sqlite.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>

namespace levee::store {
namespace {

namespace fs = std::filesystem;

constexpr int kBusyTimeoutMs = 250;

/// Files up to this size are checked after an unclean end, at about 10 ms per MB: half a second on
/// the store's own thread. A kill cannot damage the file, so for larger ones (the default retention
/// makes a sixth of this) the check would cost more than it finds.
constexpr std::uintmax_t kCheckedSize = 32 * 1024 * 1024;

ErrorCode code_of(int result, int system_error) {
  switch (system_error) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
      return ErrorCode::resource_exhausted;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::permission_denied;
    default:
      break;
  }
  switch (result & 0xff) {  // The upper bits only say more about the same thing.
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::corrupt;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
      return ErrorCode::resource_exhausted;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return ErrorCode::permission_denied;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::unavailable;
    default:
      return ErrorCode::internal;
  }
}

std::string hint_for(ErrorCode code, const fs::path& file) {
  const std::string directory = file.parent_path().string();
  switch (code) {
    case ErrorCode::corrupt:
      return "move the file away; a new one is begun";
    case ErrorCode::resource_exhausted:
      return fmt::format("free space on the disk that holds {}", directory);
    case ErrorCode::permission_denied:
      return fmt::format("let the daemon's user write {}, or choose another state directory",
                         directory);
    case ErrorCode::unavailable:
      return "another process holds the file; end it";
    default:
      return "this is a defect; please report it";
  }
}

std::unexpected<Error> refuse(ErrorCode code, const fs::path& file, std::string_view why) {
  return fail(code, fmt::format("cannot use {}: {}", file.string(), why), hint_for(code, file));
}

/// Makes the directory and an empty file, so that the file gets our mode and an impossible path the
/// operating system's own words instead of "unable to open database file".
Result<void> make_place(const fs::path& file) {
  std::error_code failure;
  if (const fs::path directory = file.parent_path(); !directory.empty()) {
    fs::create_directories(directory, failure);
    if (failure) {
      return refuse(code_of(SQLITE_CANTOPEN, failure.value()), file, failure.message());
    }
  }
  // An existing file is not opened: closing a descriptor of it would drop SQLite's POSIX locks.
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (fd >= 0) {
    ::close(fd);
    return {};
  }
  if (errno != EEXIST) {
    return refuse(code_of(SQLITE_CANTOPEN, errno), file,
                  std::error_code(errno, std::system_category()).message());
  }
  if (!fs::is_regular_file(file, failure)) {
    return refuse(ErrorCode::permission_denied, file, "it is not a regular file");
  }
  return {};
}

int number(SQLite::Database& database, const char* query) {
  return database.execAndGet(query).getInt();
}

/// Another program's database, or one from a newer Levee, is nothing to write to or to move away.
Result<void> check_owner(SQLite::Database& database, const Schema& schema, const fs::path& file) {
  // All read at one instant: another process may just be making the file.
  const SQLite::Transaction instant(database, SQLite::TransactionBehavior::DEFERRED);
  const int application = number(database, "PRAGMA application_id");
  const int version = number(database, "PRAGMA user_version");
  const bool is_new = application == 0 && version == 0 &&
                      number(database, "SELECT count(*) FROM sqlite_master") == 0;
  if (application != schema.application_id && !is_new) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is a database of another program (application id {:#x})",
                            file.string(), application),
                "it is left alone; choose another state directory, or move it");
  }
  const int known = static_cast<int>(schema.steps.size());
  if (version < 0 || version > known) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} has schema version {}, and this Levee knows versions up to {}",
                            file.string(), version, known),
                "it is left alone; use the newer Levee that wrote it, or move it");
  }
  return {};
}

Result<void> check_damage(SQLite::Database& database, const fs::path& file) {
  const std::string verdict = database.execAndGet("PRAGMA quick_check(1)").getString();
  if (verdict != "ok") {
    return refuse(ErrorCode::corrupt, file, "it is damaged: " + verdict);
  }
  return {};
}

void configure(SQLite::Database& database) {
  database.exec(
      // These two only have effect on a new file. A batch touches some twenty pages far apart, each
      // of which goes to the log whole: small ones halve what is written to disk (450 MB a day).
      "PRAGMA page_size=1024;"
      "PRAGMA auto_vacuum=INCREMENTAL;"
      "PRAGMA journal_mode=WAL;"
      "PRAGMA synchronous=NORMAL;"
      "PRAGMA cache_size=-512");  // KiB; the daemon is to stay small.
}

void bring_up_to_date(SQLite::Database& database, const Schema& schema) {
  const auto read_version = [&] {
    return static_cast<std::size_t>(number(database, "PRAGMA user_version"));
  };
  if (read_version() == schema.steps.size()) {
    return;
  }
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  const std::size_t version = read_version();  // Another process may have been first.
  if (version == schema.steps.size()) {
    return;
  }
  for (const char* step : schema.steps.subspan(version)) {
    database.exec(step);
  }
  database.exec(fmt::format("PRAGMA user_version={}", schema.steps.size()));
  database.exec(fmt::format("PRAGMA application_id={}", schema.application_id));
  transaction.commit();
}

/// A clean close removes the write-ahead log.
bool was_closed_cleanly(const fs::path& file) {
  std::error_code failure;
  const auto size = fs::file_size(file.string() + "-wal", failure);
  return failure || size == 0;
}

}  // namespace

Result<std::unique_ptr<SQLite::Database>> open_database(const fs::path& file,
                                                        const Schema& schema) {
  if (auto made = make_place(file); !made) {
    return std::unexpected(made.error());
  }
  std::error_code ignored;
  const bool suspect = !was_closed_cleanly(file) && fs::file_size(file, ignored) <= kCheckedSize;
  std::unique_ptr<SQLite::Database> database;
  try {
    database = std::make_unique<SQLite::Database>(
        file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX, kBusyTimeoutMs);
    if (auto ours = check_owner(*database, schema, file); !ours) {
      return std::unexpected(ours.error());
    }
    if (suspect) {
      if (auto sound = check_damage(*database, file); !sound) {
        return std::unexpected(sound.error());
      }
    }
    configure(*database);
    bring_up_to_date(*database, schema);
    return database;
  } catch (const SQLite::Exception& failure) {
    return std::unexpected(explain(failure, database.get(), "opening", file));
  }
}

Error explain(const SQLite::Exception& failure, SQLite::Database* database, std::string_view doing,
              const fs::path& file) {
  const int result = failure.getErrorCode() & 0xff;
  // SQLite keeps the last errno for ever; it means something only for these results.
  const bool has_errno =
      database != nullptr && (result == SQLITE_IOERR || result == SQLITE_CANTOPEN);
  const int system_error = has_errno ? sqlite3_system_errno(database->getHandle()) : 0;
  const ErrorCode code = code_of(result, system_error);
  std::string why = failure.what();
  if (system_error != 0) {
    why += fmt::format(" ({})", std::error_code(system_error, std::system_category()).message());
  }
  return {code, fmt::format("{} {}: {}", doing, file.string(), why), hint_for(code, file)};
}

void run(SQLite::Statement& statement) {
  const Rows none(statement);
  statement.exec();
}

bool is_in_place(SQLite::Database& database, const fs::path& file, bool has_log) {
  int moved = 0;
  sqlite3_file_control(database.getHandle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (moved != 0 || !has_log) {
    return moved == 0;
  }
  std::error_code failure;
  return fs::exists(file.string() + "-wal", failure);
}

Result<fs::path> move_aside(const fs::path& file, WallTime now) {
  std::string stamp = to_iso8601(now);  // 2026-01-31T08:05:09.123Z
  stamp.resize(stamp.find('.'));
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':'; });
  const std::string wanted = fmt::format("{}.damaged-{}Z", file.string(), stamp);
  constexpr std::array kParts{"-wal", "-shm", ""};  // The file last: until then it is found again.

  std::string target = wanted;
  const auto is_taken = [&](const char* part) { return fs::exists(target + part); };
  try {
    for (int i = 2; std::ranges::any_of(kParts, is_taken); ++i) {
      target = fmt::format("{}-{}", wanted, i);
    }
    for (const char* part : kParts) {
      if (fs::exists(file.string() + part)) {
        fs::rename(file.string() + part, target + part);
      }
    }
  } catch (const fs::filesystem_error& failure) {
    return fail(ErrorCode::permission_denied,
                fmt::format("cannot move the damaged {} aside: {}", file.string(),
                            failure.code().message()),
                fmt::format("move it away by hand, or let the daemon's user write {}",
                            file.parent_path().string()));
  }
  return target;
}

}  // namespace levee::store
