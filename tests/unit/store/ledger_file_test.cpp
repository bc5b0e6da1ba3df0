#include "store/ledger_file.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <random>
#include <set>

#include "support/small_disk.hpp"
#include "support/temp_dir.hpp"
#include "unit/ledger/random_day.hpp"

namespace levee::store {
namespace {

using namespace levee::test;
using testing::HasSubstr;

std::unique_ptr<LedgerFile> open(const std::filesystem::path& file) {
  auto ledger = LedgerFile::open(file, at(0s).wall);
  EXPECT_TRUE(ledger) << ledger.error().message;
  return ledger ? std::move(*ledger) : nullptr;
}

Outcome ask(ledger::Store& store, const Request& request) {
  const Supply supply = machine({gpu(0)});
  const Rules rules = no_reserves();
  Answer answer;
  const auto decided = store.transact(
      [&](Book& book) { answer = ledger::ask(book, {supply, rules, at(0s)}, request, kMarie); });
  EXPECT_TRUE(decided) << decided.error().message;
  return answer.outcome;
}

Book::Leases leases(ledger::Store& store) {
  Book::Leases all;
  EXPECT_TRUE(store.transact([&](Book& book) { all = book.leases(); }));
  return all;
}

Prediction a_prediction() {
  return {.model = "llama-3-8b",
          .framework = "vllm",
          .is_training = true,
          .fills_memory = true,
          .fixed = gib(9),
          .soft = gib(2),
          .low = gib(10),
          .expected = gib(11),
          .high = gib(13)};
}

TEST(LedgerFile, KeepsEveryFieldOfALease) {
  const TempDir dir;
  Lease lease;
  lease.id = "mod\xC3\xA8le/\xff\x01";  // Any bytes, also such as are no text.
  lease.name = "train.py --fast";
  lease.demand = {.kind = ledger::LeaseKind::balloon,
                  .named = {{"GPU-7", gib(3)}},
                  .any_devices = 2,
                  .bytes_each = gib(5),
                  .placement = Placement::spread,
                  .least_capability = ComputeCapability{8, 6},
                  .host = gib(9),
                  .priority = -4,
                  .yieldable = true,
                  .obeys_limit = true,
                  .within = "job",
                  .step = mib(256)};
  lease.used_before = {{"GPU-7", mib(300)}};
  lease.state = ledger::LeaseState::granted;
  lease.shares = {{"GPU-7", gib(3)}};
  lease.owner = {BootId{0xFEDCBA9876543210, 0x0123456789ABCDEF}, 4711, 123456789};
  lease.uid = 4294967294;
  lease.ticket = 1;
  lease.asked = at(1s).wall;
  lease.granted = at(2s).wall;
  lease.give_up_at = at(3s).mono;
  lease.ttl = 77s;
  lease.expires_at = at(4s).mono;
  lease.prediction = a_prediction();
  Lease bare;
  bare.id = "bare";
  bare.ticket = 2;
  const auto file = dir.path() / "new" / "ledger.db";
  ASSERT_TRUE(open(file)->transact([&](Book& book) {
    book.put(lease);
    book.put(bare);
  }));
  const auto again = open(file);
  EXPECT_THAT(leases(*again), testing::UnorderedElementsAre(testing::Pair(lease.id, lease),
                                                            testing::Pair("bare", bare)));
  ASSERT_TRUE(again->transact([&](Book& book) { book.erase(lease.id); }));
  EXPECT_EQ(leases(*open(file)).size(), 1U);
}

JobRecord a_record(std::string lease) {
  return {.lease = std::move(lease),
          .uid = 4294967294,
          .ended = at(5s).wall,
          .predicted = a_prediction(),
          .peak = gib(12)};
}

TEST(LedgerFile, KeepsHowJobsWent) {
  const TempDir dir;
  const auto file = dir.path() / "ledger.db";
  EXPECT_THAT(open(file)->recall().value(), testing::IsEmpty());
  ASSERT_TRUE(open(file)->remember(a_record("a")));
  const auto ledger = open(file);
  ASSERT_TRUE(ledger->remember(a_record("b")));
  EXPECT_THAT(open(file)->recall().value(), testing::ElementsAre(a_record("a"), a_record("b")));
  ASSERT_TRUE(ledger->forget());
  EXPECT_THAT(open(file)->recall().value(), testing::IsEmpty());
  ASSERT_TRUE(ledger->remember(a_record("c")));
  EXPECT_THAT(ledger->recall().value(), testing::ElementsAre(a_record("c")));
}

TEST(LedgerFile, KeepsTheNewestRecordsAsTheMemoryDoes) {
  const TempDir dir;
  const auto file = open(dir.path() / "ledger.db");
  ledger::MemoryStore memory;
  for (std::size_t i = 0; i < ledger::kMostRecords + 3; ++i) {
    ASSERT_TRUE(file->remember(a_record(std::to_string(i))));
    ASSERT_TRUE(memory.remember(a_record(std::to_string(i))));
  }
  const auto kept = file->recall().value();
  EXPECT_EQ(kept, memory.recall().value());
  ASSERT_EQ(kept.size(), ledger::kMostRecords);
  EXPECT_EQ(kept.front().lease, "3");
}

TEST(LedgerFile, LeavesARecordOutThatCannotBeRead) {
  const TempDir dir;
  const auto path = dir.path() / "ledger.db";
  const auto file = open(path);
  ASSERT_TRUE(file->remember(a_record("a")));
  SQLite::Database(path.string(), SQLite::OPEN_READWRITE)
      .exec("INSERT INTO job(body) VALUES('{}')");
  EXPECT_THAT(file->recall().value(), testing::ElementsAre(a_record("a")));
}

TEST(LedgerFile, TakesUpAFileOfBeforeThereWereRecords) {
  const TempDir dir;
  const auto path = dir.path() / "ledger.db";
  {
    SQLite::Database old(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    old.exec(
        "PRAGMA application_id = 1281717836; PRAGMA user_version = 1;"
        "CREATE TABLE lease(id BLOB PRIMARY KEY, body TEXT NOT NULL);");
  }
  const auto file = open(path);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->trouble(), "");
  EXPECT_TRUE(file->remember(a_record("a")));
}

TEST(LedgerFile, AnswersAnyDayAsTheMemoryDoes) {
  const TempDir dir;
  for (std::uint32_t seed = 0; seed < 8; ++seed) {
    ledger::MemoryStore memory;
    const auto file = open(dir.path() / std::to_string(seed));
    const auto other = open(dir.path() / std::to_string(seed));
    RandomDay in_memory(memory, seed);
    RandomDay in_file(*file, seed);
    for (int i = 0; i < 150; ++i) {
      in_memory.step();
      in_file.step();
      if (i % 20 == 0) {  // Somebody else writes in between.
        ASSERT_TRUE(other->transact([](Book& book) { book.put(Lease{}); }));
        ASSERT_TRUE(other->transact([](Book& book) { book.erase(""); }));
      }
    }
    in_memory.close();
    in_file.close();
    EXPECT_EQ(in_file.transcript(), in_memory.transcript()) << "seed " << seed;
  }
}

TEST(LedgerFile, IsOneBookForAllProcesses) {
  const TempDir dir;
  const auto ours = open(dir.path() / "ledger.db");
  const auto theirs = open(dir.path() / "ledger.db");
  EXPECT_EQ(ask(*ours, any_gpu("a", 50)), Outcome::granted);
  EXPECT_EQ(ask(*theirs, any_gpu("b", 50)), Outcome::denied);
  EXPECT_EQ(ask(*theirs, any_gpu("a", 1)), Outcome::denied);
  EXPECT_EQ(ask(*theirs, waiting(any_gpu("b", 50))), Outcome::waiting);
  EXPECT_EQ(ask(*ours, waiting(any_gpu("c", 50))), Outcome::waiting);
  EXPECT_LT(leases(*ours).at("b").ticket, leases(*ours).at("c").ticket);
}

TEST(LedgerFile, GrantsTheLastBytesToOneOfManyProcesses) {
  const TempDir dir;
  constexpr int kProcesses = 8;
  constexpr int kRounds = 50;
  std::vector<pid_t> children;  // The first of them makes the file.
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      const auto store = open(dir.path() / "ledger.db");
      for (int round = 0; store && round < kRounds; ++round) {
        static_cast<void>(
            ask(*store, any_gpu(std::to_string(round) + "/" + std::to_string(process), 1)));
      }
      ::_exit(store && !testing::Test::HasFailure() ? 0 : 1);
    }
    children.push_back(pid);
  }
  for (const pid_t pid : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  const auto all = leases(*open(dir.path() / "ledger.db"));
  EXPECT_EQ(all.size(), 80U);  // The GPU has 80 GB, 400 asked for one each.
}

/// A process that asks, and gives back what anybody has, as fast as it can, and says what was
/// acknowledged: "+id\n",
/// "-id\n". Before each attempt it says what it will try: "?id\n".
[[noreturn]] void live_and_be_killed(const std::filesystem::path& file, int life, int out) {
  const auto store = open(file);
  const auto say = [out](char what, const std::string& id) {
    const std::string line = what + id + '\n';
    if (::write(out, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      ::_exit(1);
    }
  };
  for (int i = 0;; ++i) {
    const std::string id = std::to_string(life) + "/" + std::to_string(i);
    say('?', id);
    if (ask(*store, any_gpu(id, 3)) == Outcome::granted) {
      say('+', id);
    }
    // What the dead have left fills the GPU, if nobody gives it back.
    const auto all = leases(*store);
    if (all.size() > 10) {
      const std::string oldest = all.begin()->first;
      say('?', oldest);
      Result<std::vector<Lease>> gone;
      const auto committed =
          store->transact([&](Book& book) { gone = ledger::release(book, oldest, kMarie); });
      if (committed && gone) {
        say('-', oldest);
      }
    }
  }
}

/// Every line that was written whole.
std::vector<std::string> lines_of(int fd) {
  std::string text;
  std::array<char, 4096> chunk{};
  for (ssize_t count = 0; (count = ::read(fd, chunk.data(), chunk.size())) > 0;) {
    text.append(chunk.data(), static_cast<std::size_t>(count));
  }
  std::vector<std::string> lines;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
    lines.push_back(text.substr(0, end));
    text.erase(0, end + 1);
  }
  return lines;
}

TEST(LedgerFile, SurvivesTheDeathOfAnyProcessAtAnyMoment) {
  const TempDir dir;
  const auto file = dir.path() / "ledger.db";
  std::mt19937 random(5);
  std::set<std::string> granted;
  std::set<std::string> released;
  std::set<std::string> unsure;  // Killed before the answer.
  std::size_t operations = 0;
  int life = 0;
  while (operations < 10'000) {
    std::vector<std::pair<pid_t, int>> processes;
    for (int i = 0; i < 8; ++i) {
      std::array<int, 2> ends{};
      ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
      ++life;
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::close(ends[0]);
        live_and_be_killed(file, life, ends[1]);
      }
      ::close(ends[1]);
      processes.emplace_back(pid, ends[0]);
    }
    for (const auto& [pid, fd] : processes) {
      ::usleep(static_cast<useconds_t>(random() % 30'000));
      ASSERT_EQ(::kill(pid, SIGKILL), 0);
      std::string tried;
      for (const std::string& line : lines_of(fd)) {
        const std::string id = line.substr(1);
        if (line[0] == '?') {
          tried = id;
        } else {
          (line[0] == '+' ? granted : released).insert(id);
          tried.clear();
          ++operations;
        }
      }
      unsure.insert(tried);
      ::close(fd);
      ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
    }
  }
  const auto there = leases(*open(file));
  Bytes promised;
  for (const auto& [id, lease] : there) {
    promised += lease.shares.at(0).bytes;
    EXPECT_TRUE(granted.contains(id) || unsure.contains(id)) << id << " was never granted";
    EXPECT_TRUE(!released.contains(id) || unsure.contains(id)) << id << " was given back";
  }
  EXPECT_LE(promised, gib(80));
  for (const std::string& id : granted) {
    EXPECT_TRUE(there.contains(id) || released.contains(id) || unsure.contains(id)) << id;
  }
}

TEST(LedgerFile, ChangesNothingWhereTheDiskIsFull) {
  const SmallDisk disk("256k");
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "needs root to mount a small disk";
  }
  const auto store = open(disk / "ledger.db");
  ASSERT_EQ(ask(*store, any_gpu("before", 10)), Outcome::granted);
  disk.fill();
  Result<void> decided;
  for (int i = 0; decided && i < 1000; ++i) {  // The log's last page may still have room.
    decided = store->transact([&](Book& book) {
      Lease lease;
      lease.id = std::to_string(i);
      lease.name = std::string(3000, 'x');
      book.add(lease);
    });
  }
  ASSERT_FALSE(decided);
  EXPECT_EQ(decided.error().code, ErrorCode::resource_exhausted) << decided.error().message;
  EXPECT_THAT(decided.error().hint, HasSubstr("free space"));
  disk.free_up();
  const auto after = leases(*store);
  EXPECT_TRUE(after.contains("before"));
  EXPECT_EQ(after, leases(*open(disk / "ledger.db")));
}

TEST(LedgerFile, MovesADamagedFileAsideAndSaysSo) {
  const TempDir dir;
  put(dir / "ledger.db",
      "this is no database, and long enough to look at: " + std::string(4096, 'x'));
  const auto store = open(dir / "ledger.db");
  EXPECT_THAT(store->trouble(), HasSubstr("was damaged"));
  EXPECT_THAT(store->trouble(), HasSubstr(".damaged-20260131T080509Z"));
  EXPECT_EQ(ask(*store, any_gpu("a", 10)), Outcome::granted);
}

TEST(LedgerFile, RemembersThePromisesOfAFileThatIsDamagedWhileItIsOpen) {
  const TempDir dir;
  const auto store = open(dir / "ledger.db");
  ASSERT_EQ(ask(*store, any_gpu("a", 70)), Outcome::granted);
  std::filesystem::remove(dir / "ledger.db");
  const auto failed = store->transact([](Book&) {});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::corrupt);
  ASSERT_TRUE(store->begin_anew(at(0s).wall));
  EXPECT_THAT(store->trouble(), HasSubstr("was deleted"));
  EXPECT_EQ(ask(*store, any_gpu("b", 70)), Outcome::denied);
  EXPECT_TRUE(leases(*open(dir / "ledger.db")).contains("a"));
}

TEST(LedgerFile, RefusesARowThatIsNoLease) {
  const TempDir dir;
  static_cast<void>(open(dir / "ledger.db"));
  {
    SQLite::Database raw((dir / "ledger.db").string(), SQLite::OPEN_READWRITE);
    raw.exec("INSERT INTO lease(id, body) VALUES('x', '{\"id\": 7}')");
  }
  const auto store = open(dir / "ledger.db");
  EXPECT_THAT(store->trouble(), HasSubstr("was damaged"));
  EXPECT_TRUE(leases(*store).empty());
}

TEST(LedgerFile, LeavesAnotherProgramsDatabaseAlone) {
  const TempDir dir;
  {
    SQLite::Database raw((dir / "ledger.db").string(),
                         SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    raw.exec("PRAGMA application_id=77; CREATE TABLE precious(x)");
  }
  const auto refused = LedgerFile::open(dir / "ledger.db", at(0s).wall);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace levee::store
