// Real trouble: damaged, foreign, full, forbidden, killed.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "store/sqlite.hpp"
#include "unit/store/store_fixture.hpp"

namespace levee::store {
namespace {

using testing::HasSubstr;

void fill_file(const std::filesystem::path& file, int seconds = 3'600) {
  ASSERT_TRUE(HistoryStore::open(file).value().write(batch_of(seconds, 5)));
}

/// The first call that notices.
ErrorCode first_failure(const std::filesystem::path& file) {
  auto store = HistoryStore::open(file);
  if (!store) {
    return store.error().code;
  }
  if (const auto answer = store->query(everything(1s)); !answer) {
    return answer.error().code;
  }
  const auto written = store->write(batch_of(3'600, 5));
  return written ? ErrorCode::internal : written.error().code;
}

TEST(DamagedStore, SaysCorruptForTextInPlaceOfADatabase) {
  const TempDir dir;
  put(dir / "history.db", "dear diary, this is no database at all; it only looks like a file\n");
  const auto store = HistoryStore::open(dir / "history.db");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::corrupt);
  EXPECT_THAT(store.error().message, HasSubstr((dir / "history.db").string()));
}

TEST(DamagedStore, SaysCorruptForAnOverwrittenHeader) {
  const TempDir dir;
  fill_file(dir / "history.db");
  damage(dir / "history.db", 0, 100);
  EXPECT_EQ(first_failure(dir / "history.db"), ErrorCode::corrupt);
}

TEST(DamagedStore, SaysCorruptForAnOverwrittenSchema) {
  const TempDir dir;
  fill_file(dir / "history.db");
  damage(dir / "history.db", 100, 3'900);
  EXPECT_EQ(first_failure(dir / "history.db"), ErrorCode::corrupt);
}

TEST(DamagedStore, SaysCorruptForOverwrittenPages) {
  const TempDir dir;
  fill_file(dir / "history.db");
  damage(dir / "history.db", 3 * 4'096, 60 * 4'096);
  EXPECT_EQ(first_failure(dir / "history.db"), ErrorCode::corrupt);
}

TEST(DamagedStore, SaysCorruptForAFileThatWasCutShort) {
  const TempDir dir;
  fill_file(dir / "history.db");
  std::filesystem::resize_file(dir / "history.db", 5 * 4'096 + 17);
  EXPECT_EQ(first_failure(dir / "history.db"), ErrorCode::corrupt);
}

TEST(DamagedStore, SaysCorruptWhenItsTablesAreGone) {
  const TempDir dir;
  fill_file(dir / "history.db");
  SQLite::Database(dir / "history.db", SQLite::OPEN_READWRITE).exec("DROP TABLE bucket");
  EXPECT_EQ(first_failure(dir / "history.db"), ErrorCode::corrupt);
}

TEST(DamagedStore, FindsDamageThatHappensWhileOpen) {
  const TempDir dir;
  fill_file(dir / "history.db");
  auto store = HistoryStore::open(dir / "history.db").value();
  damage(dir / "history.db", 0, std::filesystem::file_size(dir / "history.db"));
  const auto answer = store.query(everything(1s));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::corrupt);
}

TEST(DamagedStore, TreatsAnEmptyFileAsNew) {
  const TempDir dir;
  put(dir / "history.db", "");
  EXPECT_TRUE(HistoryStore::open(dir / "history.db"));
}

TEST(MoveAside, TakesTheLogAndSharedMemoryAlongAndNothingElse) {
  const TempDir dir;
  for (const char* name :
       {"history.db", "history.db-wal", "history.db-shm", "ledger.db", "history.db.old"}) {
    put(dir / name, name);
  }
  const auto target = move_aside(dir / "history.db", WallTime{1'769'846'709'123ms});
  ASSERT_TRUE(target);
  EXPECT_EQ(*target, dir / "history.db.damaged-20260131T080509Z");
  EXPECT_EQ(contents(*target), "history.db");
  EXPECT_EQ(contents(target->string() + "-wal"), "history.db-wal");
  EXPECT_EQ(contents(target->string() + "-shm"), "history.db-shm");
  EXPECT_FALSE(std::filesystem::exists(dir / "history.db"));
  EXPECT_EQ(contents(dir / "ledger.db"), "ledger.db");
  EXPECT_EQ(contents(dir / "history.db.old"), "history.db.old");
}

TEST(MoveAside, NeverOverwritesAnEarlierOne) {
  const TempDir dir;
  for (const char* text : {"first", "second", "third"}) {
    put(dir / "history.db", text);
    ASSERT_TRUE(move_aside(dir / "history.db", kStart));
  }
  EXPECT_EQ(contents(dir / "history.db.damaged-20260131T080500Z"), "first");
  EXPECT_EQ(contents(dir / "history.db.damaged-20260131T080500Z-2"), "second");
  EXPECT_EQ(contents(dir / "history.db.damaged-20260131T080500Z-3"), "third");
}

// --- not ours

TEST(ForeignStore, RefusesAnotherProgramsDatabaseAndLeavesItAlone) {
  const TempDir dir;
  for (const char* mark : {"PRAGMA application_id=1234", "PRAGMA user_version=7", ""}) {
    const auto file = dir / ("theirs" + std::to_string(std::strlen(mark)));
    SQLite::Database(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
        .exec(std::string("CREATE TABLE treasure(x);") + mark);
    const std::string before = contents(file);
    const auto store = HistoryStore::open(file);
    ASSERT_FALSE(store) << mark;
    EXPECT_EQ(store.error().code, ErrorCode::invalid_argument);
    EXPECT_FALSE(store.error().hint.empty());
    EXPECT_EQ(contents(file), before) << mark;
  }
}

TEST(ForeignStore, RefusesANewerSchemaAndLeavesItAlone) {
  const TempDir dir;
  fill_file(dir / "history.db");
  SQLite::Database(dir / "history.db", SQLite::OPEN_READWRITE).exec("PRAGMA user_version=99");
  const auto store = HistoryStore::open(dir / "history.db");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(store.error().message, HasSubstr("99"));
  EXPECT_EQ(SQLite::Database(dir / "history.db").execAndGet("SELECT count(*) FROM series").getInt(),
            5);
}

// --- the operating system says no

TEST(ForbiddenStore, NamesTheReason) {
  const TempDir dir;
  put(dir / "file", "");
  std::filesystem::create_directory(dir / "directory.db");
  std::filesystem::create_symlink(dir / "nowhere/x", dir / "dangling.db");
  for (const std::string name :
       {"file/history.db", "file/deep/history.db", "directory.db", "dangling.db"}) {
    const auto store = HistoryStore::open(dir / name);
    ASSERT_FALSE(store) << name;
    EXPECT_EQ(store.error().code, ErrorCode::permission_denied) << store.error().message;
    EXPECT_THAT(store.error().message, HasSubstr(name));
    EXPECT_FALSE(store.error().hint.empty());
  }
}

/// Runs `body` in a child without any privilege; its exit status.
template <class Body>
int as_nobody(Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::_exit(::setgid(65534) == 0 && ::setuid(65534) == 0 ? body() : 77);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ForbiddenStore, SaysPermissionDeniedToAUserWithoutPermission) {
  if (::getuid() != 0) {
    GTEST_SKIP() << "only root can become somebody else";
  }
  const TempDir dir;
  std::filesystem::permissions(dir.path(), std::filesystem::perms{0755});
  fill_file(dir / "readable.db", 1);
  std::filesystem::permissions(dir / "readable.db", std::filesystem::perms{0644});
  const auto code_for = [&](const char* name) {
    return as_nobody([&] {
      const auto store = HistoryStore::open(dir / name);
      return store ? 100 : static_cast<int>(store.error().code);
    });
  };
  EXPECT_EQ(code_for("history.db"), static_cast<int>(ErrorCode::permission_denied));
  EXPECT_EQ(code_for("readable.db"), static_cast<int>(ErrorCode::permission_denied));
}

TEST(FullDisk, SaysResourceExhaustedAndKeepsWhatWasThere) {
  const SmallDisk disk("1m");
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "mounting a small disk needs root";
  }
  auto store = HistoryStore::open(disk / "history.db").value();
  ASSERT_TRUE(store.write(batch_of(10)));
  disk.fill();
  const auto refused = store.write(batch_of(10'000, 1, 100s));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(points_in(store), 10U) << "a part of the batch was written";
  disk.free_up();
  ASSERT_TRUE(store.write(batch_of(10, 1, 100s)));
  EXPECT_EQ(points_in(store), 20U);
}

TEST(FullDisk, SaysResourceExhaustedWhenThereIsNoRoomForANewFile) {
  const SmallDisk disk("64k");
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "mounting a small disk needs root";
  }
  disk.fill();
  const auto store = HistoryStore::open(disk / "history.db");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::resource_exhausted) << store.error().message;
  disk.free_up();
}

TEST(BusyStore, SaysUnavailableWhileAnotherProcessWrites) {
  const TempDir dir;
  auto store = HistoryStore::open(dir / "history.db").value();
  SQLite::Database other(dir / "history.db", SQLite::OPEN_READWRITE);
  {
    const SQLite::Transaction held(other, SQLite::TransactionBehavior::IMMEDIATE);
    const auto refused = store.write(batch_of(1));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  }
  EXPECT_TRUE(store.write(batch_of(1)));
}

// --- gone from underneath

TEST(MovedStore, NoticesThatTheFileIsNoLongerInItsPlace) {
  const TempDir dir;
  for (const char* gone : {"history.db", "history.db-wal"}) {
    auto store = HistoryStore::open(dir / "history.db").value();
    EXPECT_TRUE(store.is_in_place());
    ASSERT_TRUE(store.write(batch_of(1)));
    EXPECT_TRUE(store.is_in_place());
    ASSERT_TRUE(std::filesystem::remove(dir / gone));
    EXPECT_FALSE(store.is_in_place()) << gone;
  }
}

TEST(MovedStore, NoticesThatTheFileWasReplaced) {
  const TempDir dir;
  fill_file(dir / "other.db", 1);
  const auto store = HistoryStore::open(dir / "history.db").value();
  std::filesystem::rename(dir / "other.db", dir / "history.db");
  EXPECT_FALSE(store.is_in_place());
}

// --- killed

TEST(KilledStore, KeepsEveryCommittedBatch) {
  const TempDir dir;
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pid_t writer = ::fork();
  if (writer == 0) {
    auto store = HistoryStore::open(dir / "history.db").value();
    for (int i = 0;; ++i) {
      if (!store.write(batch_of(10, 5, std::chrono::seconds{10 * i})) ||
          ::write(ends[1], "x", 1) != 1) {
        ::_exit(1);
      }
    }
  }
  ::close(ends[1]);
  std::uint64_t committed = 0;
  for (char said = 0; committed < 200 && ::read(ends[0], &said, 1) == 1;) {
    ++committed;
  }
  ::kill(writer, SIGKILL);
  for (char said = 0; ::read(ends[0], &said, 1) == 1;) {
    ++committed;
  }
  ::close(ends[0]);
  ::waitpid(writer, nullptr, 0);

  ASSERT_GE(committed, 200U);
  ASSERT_GT(std::filesystem::file_size(dir / "history.db-wal"), 0U) << "it was not killed";
  const auto store = HistoryStore::open(dir / "history.db");
  ASSERT_TRUE(store) << store.error().message;
  const std::uint64_t points = points_in(*store);
  EXPECT_EQ(points % 50, 0U) << "a part of a batch is there";
  EXPECT_GE(points, committed * 50);
  EXPECT_LE(points, (committed + 1) * 50);
}

}  // namespace
}  // namespace levee::store
