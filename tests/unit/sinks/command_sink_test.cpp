#include "sinks/command_sink.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>
#include <vector>

#include "unit/sinks/sink_fixture.hpp"

namespace levee::sinks {
namespace {

using testing::HasSubstr;

CommandOptions shell(const std::string& script) {
  return {.argv = {"/bin/sh", "-c", script}, .timeout = 20s};
}

bool is_done(const Sink& sink) {
  return eventually([&] { return sink.written() + sink.failed() > 0; });
}

/// Runs the hook for one notification, to its end.
Result<void> told(const CommandOptions& options, std::shared_ptr<const Notification> what) {
  CommandSink sink(options);
  sink.offer(std::move(what));
  EXPECT_TRUE(is_done(sink));
  return sink.written() == 1 ? Result<void>{} : std::unexpected(sink.last_error().value());
}

bool is_alive(const std::string& pid) { return ::kill(std::atoi(pid.c_str()), 0) == 0; }

/// A killed grandchild stays a zombie until whoever adopted it reaps it.
bool is_gone_or_dead(const std::string& pid) {
  const std::string stat = contents("/proc/" + pid.substr(0, pid.find('\n')) + "/stat");
  return stat.empty() || stat.find(") Z") != std::string::npos || !is_alive(pid);
}

TEST(CommandSink, GivesTheAlertAsOneLineOnStandardInput) {
  const TempDir dir;
  const auto out = (dir / "out").string();
  ASSERT_TRUE(told({.argv = {"/bin/sh", "-c", "cat > \"$0\"", out}}, notify(alert(), "{\"a\":1}")));
  EXPECT_EQ(contents(out), "{\"a\":1}\n");
}

TEST(CommandSink, PassesArgumentsAsTheyAreWithoutAShell) {
  const TempDir dir;
  const std::string odd = "$(touch pwned); `x` \"y\" *";
  ASSERT_TRUE(told({.argv = {"touch", (dir / odd).string()}}, notify(alert())));
  EXPECT_TRUE(std::filesystem::exists(dir / odd));
}

TEST(CommandSink, TellsTheKindOfAlertInTheEnvironment) {
  const TempDir dir;
  ::setenv("LEVEE_SEVERITY", "from outside", 1);
  const auto options =
      shell("echo $LEVEE_EVENT:$LEVEE_ALERT_TYPE:$LEVEE_SEVERITY >> " + (dir / "out").string());
  ASSERT_TRUE(told(options, notify(alert(Severity::critical))));
  ASSERT_TRUE(told(options, notify(resolved(Severity::warning))));
  ::unsetenv("LEVEE_SEVERITY");
  EXPECT_EQ(contents(dir / "out"), "alert:cpu_memory:critical\nresolved:cpu_memory:warning\n");
}

TEST(CommandSink, StartsItWithDefaultSignals) {
  const TempDir dir;
  ::signal(SIGUSR1, SIG_IGN);
  ASSERT_TRUE(told(shell("grep -E 'SigBlk|SigIgn' /proc/self/status > " + (dir / "out").string()),
                   notify(alert())));
  ::signal(SIGUSR1, SIG_DFL);
  // Only the lower 31: the C library keeps 32 and 33 for itself.
  EXPECT_THAT(contents(dir / "out"),
              testing::MatchesRegex("SigBlk:\t0+\nSigIgn:\t0+[0-9a-f]?[08]0000000\n"));
}

TEST(CommandSink, LeavesItNoDescriptorOfOurs) {
  const TempDir dir;
  const int leaked = ::fcntl(STDIN_FILENO, F_DUPFD, 90);  // Deliberately without FD_CLOEXEC.
  ASSERT_GE(leaked, 90);
  const std::string probe = "[ ! -e /proc/$$/fd/" + std::to_string(leaked) + " ]";
  EXPECT_TRUE(told(shell(probe), notify(alert())));
  ::close(leaked);
}

TEST(CommandSink, TakesTheDaemonsShieldOffTheProgram) {
  const std::string before = contents("/proc/self/oom_score_adj");
  put("/proc/self/oom_score_adj", "-7");
  if (contents("/proc/self/oom_score_adj") != "-7\n") {
    GTEST_SKIP() << "lowering the OOM score needs CAP_SYS_RESOURCE";
  }
  const TempDir dir;
  const auto result = told(
      shell("read line; cat /proc/$$/oom_score_adj > " + (dir / "out").string()), notify(alert()));
  put("/proc/self/oom_score_adj", before);
  ASSERT_TRUE(result);
  EXPECT_EQ(contents(dir / "out"), "0\n");
}

TEST(CommandSink, RunsOnlyForWhatIsForPeople) {
  const TempDir dir;
  CommandSink sink(shell("cat >> " + (dir / "out").string()));
  sink.offer(notify(plain(EventKind::daemon_started, ""), "no"));
  sink.offer(notify(alert(), "yes"));
  sink.stop(20s);
  EXPECT_EQ(contents(dir / "out"), "yes\n");
}

// --- failures

TEST(CommandSink, CountsAFailingProgram) {
  for (const auto& [script, words] :
       {std::pair{"exit 3", "exit status 3"}, {"kill -9 $$", "signal 9"}}) {
    const auto result = told(shell(script), notify(alert()));
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, HasSubstr(words));
  }
}

TEST(CommandSink, SaysWhatIsWrongWithAProgramThatCannotBeRun) {
  const TempDir dir;
  put(dir / "no-permission", "#!/bin/sh\n");
  put(dir / "no-program", "\x7f not a program");
  std::filesystem::permissions(dir / "no-program", std::filesystem::perms{0755});
  struct Case {
    std::vector<std::string> argv;
    ErrorCode code;
  };
  for (const auto& [argv, code] : {
           Case{{"no-such-program-anywhere"}, ErrorCode::not_found},
           Case{{(dir / "missing").string()}, ErrorCode::not_found},
           Case{{(dir / "no-permission").string()}, ErrorCode::permission_denied},
           Case{{dir.path().string()}, ErrorCode::permission_denied},
           Case{{""}, ErrorCode::invalid_argument},
           Case{{}, ErrorCode::invalid_argument},
       }) {
    const auto result = told({.argv = argv}, notify(alert()));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, code) << result.error().message;
    EXPECT_FALSE(result.error().hint.empty());
  }
  EXPECT_FALSE(told({.argv = {(dir / "no-program").string()}}, notify(alert())));
}

TEST(CommandSink, IsNotHeldUpByAProgramThatDoesNotRead) {
  const std::string huge(4'000'000, 'x');
  EXPECT_TRUE(told(shell("exec <&-; exit 0"), notify(alert(), huge)));
  EXPECT_TRUE(told(shell("exit 0"), notify(alert(), huge)));
}

TEST(CommandSink, FeedsMoreThanAPipeHolds) {
  const TempDir dir;
  const std::string huge(4'000'000, 'x');
  EXPECT_TRUE(told(shell("cat > " + (dir / "out").string()), notify(alert(), huge)));
  EXPECT_EQ(contents(dir / "out").size(), huge.size() + 1);
}

TEST(CommandSink, EndsAProgramThatTakesTooLong) {
  auto options = shell("sleep 1000");
  options.timeout = 50ms;
  const auto result = told(options, notify(alert()));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::timed_out);
}

TEST(CommandSink, EndsAProgramThatHangsWithAFullPipe) {
  auto options = shell("sleep 1000");
  options.timeout = 50ms;
  EXPECT_FALSE(told(options, notify(alert(), std::string(4'000'000, 'x'))));
}

TEST(CommandSink, KillsAProgramThatIgnoresTheRequest) {
  const TempDir dir;
  auto options =
      shell("trap '' TERM; echo $$ > " + (dir / "pid").string() + "; while :; do sleep 1000; done");
  options.timeout = 200ms;
  options.term_grace = 50ms;
  EXPECT_FALSE(told(options, notify(alert())));
  const std::string pid = contents(dir / "pid");
  ASSERT_FALSE(pid.empty());
  EXPECT_FALSE(is_alive(pid));
}

TEST(CommandSink, KillsItsChildrenToo) {
  const TempDir dir;
  auto options =
      shell("(trap '' TERM; exec sleep 1000) & echo $! > " + (dir / "pid").string() + "; wait");
  options.timeout = 200ms;
  options.term_grace = 50ms;
  EXPECT_FALSE(told(options, notify(alert())));
  const std::string pid = contents(dir / "pid");
  ASSERT_FALSE(pid.empty());
  EXPECT_TRUE(eventually([&] { return is_gone_or_dead(pid); }));
}

TEST(CommandSink, DoesNotWaitForWhatAProgramLeavesRunning) {
  const TempDir dir;
  ASSERT_TRUE(told(shell("sleep 1000 & echo $! > " + (dir / "pid").string()), notify(alert())));
  const std::string pid = contents(dir / "pid");
  EXPECT_TRUE(is_alive(pid));
  ::kill(std::atoi(pid.c_str()), SIGKILL);
}

TEST(CommandSink, StopsWhileAProgramRuns) {
  const TempDir dir;
  CommandSink sink(shell("echo $$ > " + (dir / "pid").string() + "; sleep 1000"));
  sink.offer(notify(alert()));
  ASSERT_TRUE(eventually([&] { return !contents(dir / "pid").empty(); }));
  sink.stop(1ms);
  EXPECT_EQ(sink.failed(), 1U);
  EXPECT_FALSE(is_alive(contents(dir / "pid")));
}

TEST(CommandSink, RunsOneAfterTheOther) {
  const TempDir dir;
  CommandSink sink(
      shell("echo in >> " + (dir / "out").string() + "; cat >> " + (dir / "out").string()));
  sink.offer(notify(alert(), "1"));
  sink.offer(notify(alert(), "2"));
  sink.stop(20s);
  EXPECT_EQ(contents(dir / "out"), "in\n1\nin\n2\n");
}

}  // namespace
}  // namespace levee::sinks
