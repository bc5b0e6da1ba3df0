#include "sinks/log_sink.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "unit/sinks/sink_fixture.hpp"

namespace levee::sinks {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// Sends standard error elsewhere for a while.
class StderrTo {
 public:
  explicit StderrTo(int fd) : saved_(::dup(STDERR_FILENO)) { ::dup2(fd, STDERR_FILENO); }
  StderrTo(const StderrTo&) = delete;
  StderrTo& operator=(const StderrTo&) = delete;
  ~StderrTo() {
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
  }

 private:
  int saved_;
};

/// What a sink made with `options` writes to standard error for `notification`.
std::string shown(LogOptions options, std::shared_ptr<const Notification> notification,
                  bool as_journal = false) {
  const TempDir dir;
  const int fd = ::open((dir / "stderr").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (as_journal) {
    struct stat status{};
    ::fstat(fd, &status);
    ::setenv("JOURNAL_STREAM",
             (std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino)).c_str(), 1);
  }
  {
    const StderrTo here(fd);
    const auto sink = LogSink::make(std::move(options)).value();
    sink->offer(std::move(notification));
    sink->stop(20s);
  }
  ::unsetenv("JOURNAL_STREAM");
  ::close(fd);
  return contents(dir / "stderr");
}

Culprit alice() {
  Culprit culprit;
  culprit.id.pid = 5204;
  culprit.user = "alice";
  culprit.comm = "python";
  culprit.rss = mib(12'595);
  culprit.growth_per_second = 210.0 * 1024 * 1024;
  return culprit;
}

// --- lines

TEST(LogLine, ShowsAnAlertWithItsCulprit) {
  Event event = alert();
  event.alert->culprit = alice();
  EXPECT_EQ(log_line(event),
            "2026-01-31T08:05:09Z WARNING High CPU memory usage: 82.1 percent > 80 "
            "(culprit: alice python 5204, 12.3 GiB, +210 MiB/s)");
}

TEST(LogLine, ShowsGigabytesBelowALine) {
  Event event = alert(Severity::emergency);
  event.message = "Available memory is below the emergency line";
  event.alert->type = AlertType::host_available;
  event.alert->value = 1.234;
  event.alert->threshold = 1.6384;
  EXPECT_EQ(log_line(event),
            "2026-01-31T08:05:09Z EMERGENCY Available memory is below the emergency line: "
            "1.23 GB < 1.638");
}

TEST(LogLine, LeavesOutAGrowthThatIsUnknownOrAbsurd) {
  Event event = alert();
  event.alert->culprit = alice();
  for (const std::optional<double> growth :
       {std::optional<double>{}, std::optional{std::nan("")},
        std::optional{std::numeric_limits<double>::infinity()}}) {
    event.alert->culprit->growth_per_second = growth;
    EXPECT_THAT(log_line(event), testing::EndsWith("5204, 12.3 GiB)"));
  }
  event.alert->culprit->growth_per_second = -1024.0;
  EXPECT_THAT(log_line(event), testing::EndsWith(", -1.00 KiB/s)"));
}

TEST(LogLine, SaysHowLongAResolvedAlertLasted) {
  EXPECT_EQ(log_line(resolved()),
            "2026-01-31T08:05:09Z RESOLVED High CPU memory usage after 3m 20s");
}

TEST(LogLine, ShowsDetailsAsPairs) {
  Event event = plain(EventKind::config_changed, "Configuration changed");
  event.details = {{"key", "value"}, {"path", "/a b"}, {"q", "say \"x\""}, {"e", ""}, {"m", "a=b"}};
  EXPECT_EQ(log_line(event),
            "2026-01-31T08:05:09Z INFO Configuration changed key=value path=\"/a b\" "
            "q=\"say \\\"x\\\"\" e=\"\" m=\"a=b\"");
}

TEST(LogLine, LetsNobodyForgeALine) {
  const std::string evil = "x\n2026-01-31T08:05:09Z EMERGENCY fake\x1b[2J\xc2\x9b\r";
  Event event = alert();
  event.message = evil;
  event.alert->culprit = alice();
  event.alert->culprit->comm = evil;
  event.alert->culprit->user = evil;
  event.details = {{evil, evil}};
  const std::string line = log_line(event);
  for (const char c : line) {
    EXPECT_TRUE(c < 0 || c >= 0x20) << "control character in " << line;
  }
  EXPECT_THAT(line, Not(HasSubstr("\xc2\x9b")));
  EXPECT_THAT(line, HasSubstr("x\\n2026"));
}

TEST(LogLevelOf, FollowsTheSeverityAndTheKind) {
  EXPECT_EQ(log_level(alert(Severity::warning)), LogLevel::warning);
  EXPECT_EQ(log_level(alert(Severity::critical)), LogLevel::error);
  EXPECT_EQ(log_level(resolved(Severity::critical)), LogLevel::error);
  EXPECT_EQ(log_level(plain(EventKind::store_lost, "")), LogLevel::warning);
  EXPECT_EQ(log_level(plain(EventKind::config_rejected, "")), LogLevel::warning);
  EXPECT_EQ(log_level(plain(EventKind::daemon_started, "")), LogLevel::info);
}

// --- the sink

TEST(LogSink, WritesToFileAndStandardError) {
  const TempDir dir;
  const std::string seen = shown({.file = dir / "logs/main.log"}, notify(alert()));
  EXPECT_EQ(seen, log_line(alert()) + "\n");
  EXPECT_EQ(contents(dir / "logs/main.log"), seen);
}

TEST(LogSink, WritesJsonLinesWithoutALineBreakInside) {
  const TempDir dir;
  const auto notification = notify(alert(), "{\"a\":\n\"b\"}");
  EXPECT_EQ(shown({.file = dir / "main.log", .json = true, .color = true}, notification),
            "{\"a\": \"b\"}\n");
  EXPECT_EQ(contents(dir / "main.log"), "{\"a\": \"b\"}\n");
}

TEST(LogSink, ColoursOnlyTheTerminal) {
  const TempDir dir;
  EXPECT_THAT(shown({.file = dir / "main.log", .color = true}, notify(alert(Severity::critical))),
              HasSubstr("Z \x1b[31mCRITICAL\x1b[0m High"));
  EXPECT_THAT(contents(dir / "main.log"), Not(HasSubstr("\x1b")));
}

TEST(LogSink, GivesTheJournalPrioritiesAndNoTime) {
  const auto in_journal = [](Event event) {
    return shown({.file = {}, .color = true}, notify(std::move(event)), true);
  };
  EXPECT_THAT(in_journal(alert(Severity::emergency)), StartsWith("<2>High CPU"));
  EXPECT_THAT(in_journal(alert(Severity::critical)), StartsWith("<3>High CPU"));
  EXPECT_THAT(in_journal(alert(Severity::warning)), StartsWith("<4>High CPU"));
  EXPECT_THAT(in_journal(resolved()), StartsWith("<5>High CPU"));
  EXPECT_EQ(in_journal(plain(EventKind::daemon_started, "Up")), "<6>Up\n");
}

TEST(LogSink, IgnoresAJournalThatIsNotStandardError) {
  ::setenv("JOURNAL_STREAM", "1:2", 1);
  EXPECT_THAT(shown({}, notify(alert())), StartsWith("2026-"));
}

TEST(LogSink, LeavesOutWhatIsLessImportantThanAsked) {
  EXPECT_EQ(shown({.file = {}, .least = LogLevel::error}, notify(alert(Severity::warning))), "");
  EXPECT_EQ(
      shown({.file = {}, .least = LogLevel::warning}, notify(plain(EventKind::daemon_started, ""))),
      "");
  EXPECT_NE(shown({.file = {}, .least = LogLevel::error}, notify(resolved(Severity::critical))),
            "");
}

TEST(LogSink, RefusesAFileThatCannotBeOpened) {
  const TempDir dir;
  put(dir / "logs", "");
  const auto sink = LogSink::make({.file = dir / "logs/main.log"});
  ASSERT_FALSE(sink);
  EXPECT_EQ(sink.error().code, ErrorCode::permission_denied);
}

TEST(LogSink, GoesOnWithStandardErrorWhenTheFileFails) {
  const SmallDisk disk("64k");
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "mounting a small disk needs root";
  }
  const TempDir dir;
  const int fd = ::open((dir / "stderr").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  {
    const StderrTo here(fd);
    const auto sink = LogSink::make({.file = disk / "main.log"}).value();
    disk.fill();
    sink->offer(notify(plain(EventKind::daemon_started, std::string(10'000, 'x'))));
    ASSERT_TRUE(eventually([&] { return sink->failed() == 1; }));
    disk.free_up();
    sink->offer(notify(plain(EventKind::daemon_started, "again")));
    sink->stop(20s);
    EXPECT_EQ(sink->written(), 1U);
  }
  ::close(fd);
  EXPECT_THAT(contents(dir / "stderr"), HasSubstr(std::string(10'000, 'x')));
  EXPECT_THAT(contents(disk / "main.log"), testing::EndsWith("INFO again\n"));
}

TEST(LogSink, FilesEveryLineThoughNobodyReadsStandardError) {
  const TempDir dir;
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const std::string block(4096, 'x');
  ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
  while (::write(ends[1], block.data(), block.size()) > 0) {
  }
  ::fcntl(ends[1], F_SETFL, 0);
  std::uint64_t failed = 0;
  {
    const StderrTo here(ends[1]);
    const auto sink = LogSink::make({.file = dir / "main.log"}).value();
    sink->offer(notify(plain(EventKind::daemon_started, "one")));
    sink->offer(notify(plain(EventKind::daemon_started, "two")));
    sink->stop(20s);
    failed = sink->failed();
  }
  EXPECT_EQ(failed, 2U);
  EXPECT_THAT(contents(dir / "main.log"), HasSubstr("two\n"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(LogSink, SurvivesAStandardErrorWhoseReaderIsGone) {
  const TempDir dir;
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  ::close(ends[0]);
  {
    const StderrTo here(ends[1]);
    const auto sink = LogSink::make({.file = dir / "main.log"}).value();
    sink->offer(notify(plain(EventKind::daemon_started, "one")));
    sink->stop(20s);
  }
  ::close(ends[1]);
  EXPECT_THAT(contents(dir / "main.log"), HasSubstr("one\n"));
}

}  // namespace
}  // namespace levee::sinks
