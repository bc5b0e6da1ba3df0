#include "actions/job_process.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>

#include "core/exec.hpp"
#include "sources/file.hpp"
#include "unit/actions/stand_in.hpp"

namespace levee::actions {
namespace {

using namespace std::chrono_literals;
using test::contents;
using test::eventually;
using testing::AllOf;
using testing::HasSubstr;

class JobProcessTest : public testing::Test {
 protected:
  [[nodiscard]] std::string file(const std::string& name) const { return dir / name; }
  [[nodiscard]] std::string text(const std::string& name) const { return contents(file(name)); }
  [[nodiscard]] bool is_there(const std::string& name) const {
    return std::filesystem::exists(file(name));
  }

  /// Runs a command to its end; the test fails when it cannot be run.
  JobEnd end_of(std::vector<std::string> argv, const EnvironmentChanges& changes = {}) {
    auto job = JobProcess::start(std::move(argv));
    EXPECT_TRUE(job) << job.error().message;
    const auto gone = job->go(changes);
    EXPECT_TRUE(gone) << gone.error().message;
    return job->wait().value();
  }

  /// Why a command cannot be run.
  Error refusal_of(std::vector<std::string> argv, const EnvironmentChanges& changes = {}) {
    auto job = JobProcess::start(std::move(argv));
    if (!job) {
      return job.error();
    }
    const auto gone = job->go(changes);
    EXPECT_FALSE(gone) << "it ran";
    return gone ? Error{} : gone.error();
  }

  /// What a command says, each word in its own brackets.
  std::string words_of(std::vector<std::string> words) {
    std::vector<std::string> argv =
        shell("for word; do printf '[%s]' \"$word\"; done > " + file("words"));
    argv.emplace_back("sh");
    argv.insert(argv.end(), words.begin(), words.end());
    EXPECT_EQ(end_of(std::move(argv)).code, 0);
    return text("words");
  }

  test::TempDir dir;
};

TEST_F(JobProcessTest, ReportsTheExitCode) {
  for (const int code : {0, 1, 3, 255}) {
    const JobEnd end = end_of(shell("exit " + std::to_string(code)));
    EXPECT_EQ(end.code, code);
    EXPECT_FALSE(end.signal);
  }
}

TEST_F(JobProcessTest, ReportsTheSignalThatEndedTheCommand) {
  for (const int signal : {SIGTERM, SIGKILL, SIGABRT, SIGPIPE}) {
    const JobEnd end = end_of(shell("ulimit -c 0; kill -" + std::to_string(signal) + " $$"));
    EXPECT_EQ(end.signal, signal);
    EXPECT_EQ(end.code, 128 + signal);
  }
}

TEST_F(JobProcessTest, ReportsWhatTheCommandUsed) {
  const JobEnd end = end_of(shell("head -c 67108864 /dev/zero | tail -c 67108864 > /dev/null"));
  EXPECT_GT(end.peak_rss, mib(64));
  EXPECT_LT(end.peak_rss, gib(1));
  EXPECT_GT(end.user_time + end.system_time, Seconds{0});
}

TEST_F(JobProcessTest, HandsOverArgumentsAsTheyAre) {
  EXPECT_EQ(words_of({"a b", "", "$HOME", "*", "'\"", "\n", "--", "-x"}),
            "[a b][][$HOME][*]['\"][\n][--][-x]");
}

TEST_F(JobProcessTest, SetsAndTakesAwayVariables) {
  ::setenv("LEVEE_TEST_KEPT", "kept", 1);
  ::setenv("LEVEE_TEST_CHANGED", "before", 1);
  ::setenv("LEVEE_TEST_GONE", "here", 1);
  const JobEnd end =
      end_of(shell("echo $LEVEE_TEST_KEPT,$LEVEE_TEST_CHANGED,${LEVEE_TEST_GONE-none},"
                   "${LEVEE_TEST_EMPTY-none},$LEVEE_TEST_NEW > " +
                   file("said")),
             {{"LEVEE_TEST_CHANGED", "after"},
              {"LEVEE_TEST_GONE", std::nullopt},
              {"LEVEE_TEST_NEVER_WAS", std::nullopt},
              {"LEVEE_TEST_EMPTY", ""},
              {"LEVEE_TEST_NEW", "a=b c"}});
  EXPECT_EQ(end.code, 0);
  EXPECT_EQ(text("said"), "kept,after,none,,a=b c\n");
}

TEST_F(JobProcessTest, HandsOverAnEnvironmentLargerThanAnyPipe) {
  EnvironmentChanges changes;
  for (int i = 0; i < 15; ++i) {
    changes["LEVEE_TEST_LARGE_" + std::to_string(i)] = std::string(100'000, 'x');
  }
  EXPECT_EQ(end_of(shell("test ${#LEVEE_TEST_LARGE_14} = 100000"), changes).code, 0);
}

TEST_F(JobProcessTest, LooksInThePathOfTheNewEnvironment) {
  test::put(file("levee-test-program"), "#!/bin/sh\nexit 42\n");
  std::filesystem::permissions(file("levee-test-program"), std::filesystem::perms::owner_all);
  EXPECT_EQ(end_of({"levee-test-program"}, {{"PATH", dir.path().string()}}).code, 42);
  EXPECT_EQ(refusal_of({"levee-test-program"}).code, ErrorCode::not_found);
}

TEST_F(JobProcessTest, RunsAScriptWithoutAFirstLineAsShellsDo) {
  test::put(file("script"), "exit 6\n");
  std::filesystem::permissions(file("script"), std::filesystem::perms::owner_all);
  EXPECT_EQ(end_of({file("script")}).code, 6);
}

TEST_F(JobProcessTest, TellsWhyACommandCannotBeRun) {
  test::put(file("data"), "no program");
  const auto expect = [&](const std::string& program, ErrorCode code, int exit_code) {
    const Error error = refusal_of({program, "x"});
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_EQ(exit_code_of(error), exit_code) << error.message;
    EXPECT_THAT(error.message, HasSubstr("\"" + program + "\""));
    EXPECT_FALSE(error.hint.empty());
  };
  expect("levee-no-such-program", ErrorCode::not_found, 127);
  expect(file("missing"), ErrorCode::not_found, 127);
  expect(file("data"), ErrorCode::permission_denied, 126);
  expect(dir.path().string(), ErrorCode::permission_denied, 126);
  expect(file("data") + "/x", ErrorCode::permission_denied, 126);
  expect("/" + std::string(5000, 'x'), ErrorCode::invalid_argument, 126);
}

TEST_F(JobProcessTest, TellsThatArgumentsAreTooLong) {
  const Error one = refusal_of({"/bin/true", std::string(200'000, 'x')});
  EXPECT_EQ(one.code, ErrorCode::invalid_argument);
  EXPECT_THAT(one.message, AllOf(HasSubstr("/bin/true"), HasSubstr("too long")));
  EXPECT_THAT(one.hint, HasSubstr("128 KiB"));
  std::vector<std::string> many(100'001, std::string(100, 'x'));
  many.front() = "/bin/true";
  EXPECT_EQ(refusal_of(std::move(many)).code, ErrorCode::invalid_argument);
}

TEST_F(JobProcessTest, RefusesWhatNoProgramCanReceive) {
  using namespace std::string_literals;
  for (const std::vector<std::string>& argv :
       {std::vector<std::string>{}, {""}, {"", "x"}, {"true", "a\0b"s}, {"tr\0ue"s}}) {
    const auto job = JobProcess::start(argv);
    ASSERT_FALSE(job);
    EXPECT_EQ(job.error().code, ErrorCode::invalid_argument);
    EXPECT_FALSE(job.error().hint.empty());
  }
  for (const EnvironmentChanges& changes :
       {EnvironmentChanges{{"", "x"}}, {{"A=B", "x"}}, {{"A\0"s, "x"}}, {{"A", "x\0y"s}}}) {
    EXPECT_EQ(refusal_of({"/bin/true"}, changes).code, ErrorCode::invalid_argument);
  }
}

TEST_F(JobProcessTest, KeepsItsPidAndStartTimeWhenTheCommandRuns) {
  auto job = JobProcess::start(shell("echo $$ > " + file("pid") + "; read line"));
  ASSERT_TRUE(job);
  ASSERT_TRUE(eventually([&] { return stat_of(job->pid())->comm == "levee-waiting"; }));
  const std::uint64_t start = stat_of(job->pid())->start_ticks;
  EXPECT_FALSE(job->wait_for(0ms).value());
  ASSERT_TRUE(job->go({}));
  EXPECT_EQ(stat_of(job->pid())->start_ticks, start);
  ASSERT_TRUE(job->wait());
  EXPECT_EQ(text("pid"), std::to_string(job->pid()) + "\n");
}

TEST_F(JobProcessTest, LetsTheCallerWorkBetweenWaits) {
  ASSERT_EQ(::mkfifo(file("gate").c_str(), 0600), 0);
  auto job = JobProcess::start(shell("read line < " + file("gate") + "; exit 4"));
  ASSERT_TRUE(job && job->go({}));
  EXPECT_FALSE(job->wait_for(0ms).value());
  EXPECT_FALSE(job->wait_for(5ms).value());
  test::put(file("gate"), "go\n");
  EXPECT_EQ(job->wait().value().code, 4);
  EXPECT_EQ(job->wait_for(0ms).value()->code, 4);  // the end stays known
  EXPECT_FALSE(job->go({}));
}

TEST_F(JobProcessTest, PassesStandardStreamsThrough) {
  test::put(file("in"), "to the command\n");
  Starter starter([&] {
    const sources::Fd in(::open(file("in").c_str(), O_RDONLY | O_CLOEXEC));
    const sources::Fd out(::open(file("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ::dup2(in.get(), STDIN_FILENO);
    ::dup2(out.get(), STDOUT_FILENO);
    return stand_in_for({"cat"});
  });
  EXPECT_EQ(starter.code(), 0);
  EXPECT_EQ(text("out"), "to the command\n");
}

TEST_F(JobProcessTest, LeavesNoDescriptorOfItsOwnToTheCommand) {
  const std::vector<std::string> list = shell("ls /proc/$$/fd > " + file("fds") + "; true");
  const Starter plain([&] {
    ::execv(list[0].c_str(), exec_pointers(list).data());
    return 1;
  });
  EXPECT_EQ(plain.code(), 0);
  const std::string expected = text("fds");
  const Starter starter([&] { return stand_in_for(list); });
  EXPECT_EQ(starter.code(), 0);
  EXPECT_THAT(expected, HasSubstr("0\n1\n"));
  EXPECT_EQ(text("fds"), expected);
}

TEST_F(JobProcessTest, RunsTheCommandWithTheSignalsThatAShellLeaves) {
  const Starter starter([&] {
    ::signal(SIGPIPE, SIG_IGN);  // as levee's main() does
    ::signal(SIGUSR1, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);  // as nohup does
    ::signal(SIGTERM, [](int) {});
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    const sources::Fd out(::open(file("status").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ::dup2(out.get(), STDOUT_FILENO);
    return stand_in_for({"grep", "^Sig[BI]", "/proc/self/status"});
  });
  EXPECT_EQ(starter.code(), 0);
  EXPECT_EQ(text("status"), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000001\n");
}

// --- before go()

TEST_F(JobProcessTest, NeverRunsWhatWasAbandoned) {
  pid_t pid = 0;
  {
    auto job = JobProcess::start(shell("touch " + file("ran")));
    ASSERT_TRUE(job);
    pid = job->pid();
    ::kill(pid, SIGSTOP);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_FALSE(is_there("ran"));
}

TEST_F(JobProcessTest, TellsThatItWasAbandoned) {
  auto job = JobProcess::start({"/bin/true"});
  ASSERT_TRUE(job);
  job->abandon();
  job->abandon();
  EXPECT_FALSE(job->go({}));
  EXPECT_EQ(job->wait().value().signal, SIGKILL);
}

TEST_F(JobProcessTest, EndsSilentlyWhenItsStarterIsKilled) {
  const Starter starter([&] {
    auto job = JobProcess::start(shell("touch " + file("ran")));
    for (;;) {
      ::pause();
    }
    return 0;
  });
  const pid_t waiting = starter.child_named("levee-waiting");
  ASSERT_NE(waiting, 0);
  starter.signal(SIGKILL);
  EXPECT_TRUE(ends(waiting));
  EXPECT_FALSE(is_there("ran"));
}

TEST_F(JobProcessTest, TellsThatTheWaitingProcessWasKilled) {
  for (const bool is_noticed_before : {false, true}) {
    auto job = JobProcess::start(shell("touch " + file("ran")));
    ASSERT_TRUE(job);
    ::kill(job->pid(), SIGKILL);
    if (is_noticed_before) {
      EXPECT_EQ(job->wait().value().signal, SIGKILL);
    }
    const auto gone = job->go({});
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, ErrorCode::unavailable);
    EXPECT_THAT(gone.error().message, AllOf(HasSubstr(std::to_string(job->pid())),
                                            HasSubstr("signal 9"), HasSubstr("waited")));
    EXPECT_THAT(gone.error().hint, HasSubstr("not run"));
    EXPECT_EQ(job->wait().value().signal, SIGKILL);
  }
  EXPECT_FALSE(is_there("ran"));
}

// --- signals

TEST_F(JobProcessTest, PassesOnWhatIsSentToTheStarter) {
  const Starter starter([&] { return stand_in_for(note_signals(file("notes"))); });
  std::string expected = "ready\n";
  ASSERT_TRUE(eventually([&] { return text("notes") == expected; }));
  for (const auto& [signal, name] :
       {std::pair{SIGTERM, "TERM"}, std::pair{SIGUSR1, "USR1"}, std::pair{SIGHUP, "HUP"},
        std::pair{SIGINT, "INT"}, std::pair{SIGQUIT, "QUIT"}, std::pair{SIGTERM, "TERM"}}) {
    starter.signal(signal);
    expected += std::string(name) + "\n";
    EXPECT_TRUE(eventually([&] { return text("notes") == expected; })) << text("notes");
  }
  starter.signal(SIGUSR2);
  EXPECT_EQ(starter.code(), 7);
  EXPECT_EQ(text("notes"), expected);
}

TEST_F(JobProcessTest, DeliversASignalToTheGroupOnce) {
  const Starter starter([&] { return stand_in_for(note_signals(file("notes"))); });
  ASSERT_TRUE(eventually([&] { return text("notes") == "ready\n"; }));
  starter.signal_group(SIGTERM);
  starter.signal_group(SIGINT);
  ASSERT_TRUE(eventually([&] { return text("notes").size() >= 15; })) << text("notes");
  // Passed on after whatever else would be.
  starter.signal(SIGUSR2);
  EXPECT_EQ(starter.code(), 7);
  const std::string notes = text("notes");
  EXPECT_THAT(notes, AllOf(HasSubstr("TERM\n"), HasSubstr("INT\n")));
  EXPECT_EQ(std::ranges::count(notes, '\n'), 3) << notes;
}

TEST_F(JobProcessTest, DeliversOnceWhatEachProcessOfTheCgroupIsSent) {
  const Starter starter([&] { return stand_in_for(note_signals(file("notes"))); });
  ASSERT_TRUE(eventually([&] { return text("notes") == "ready\n"; }));
  const pid_t job = starter.child_named("sh");
  const pid_t witness = starter.child_named("levee-witness");
  ASSERT_NE(job, 0);
  ASSERT_NE(witness, 0);
  // As systemd does: one after the other, in the order they were made.
  for (const pid_t pid : {starter.pid(), job, witness}) {
    ::kill(pid, SIGTERM);
  }
  ASSERT_TRUE(eventually([&] { return text("notes") == "ready\nTERM\n"; }));
  starter.signal(SIGUSR2);
  EXPECT_EQ(starter.code(), 7);
  EXPECT_EQ(text("notes"), "ready\nTERM\n");
}

TEST_F(JobProcessTest, PassesOnAfterAllWhenTheCommandLeftTheGroup) {
  if (!std::filesystem::exists("/usr/bin/setsid")) {
    GTEST_SKIP() << "needs setsid";
  }
  std::vector<std::string> argv = note_signals(file("notes"));
  argv.insert(argv.begin(), "/usr/bin/setsid");
  pid_t job = 0;
  {
    const Starter starter([&] { return stand_in_for(argv); });
    ASSERT_TRUE(eventually([&] { return text("notes") == "ready\n"; }));
    job = starter.child_named("sh");
    starter.signal_group(SIGTERM);
    EXPECT_TRUE(eventually([&] { return text("notes") == "ready\nTERM\n"; })) << text("notes");
    starter.signal(SIGUSR2);
    EXPECT_EQ(starter.code(), 7);
  }
  ::kill(-job, SIGKILL);
}

TEST_F(JobProcessTest, DiesOfCtrlCWithTheCommandSoThatScriptsEnd) {
  const Starter starter([&] { return stand_in_for({"sleep", "60"}); });
  ASSERT_NE(starter.child_named("sleep"), 0);
  starter.signal_group(SIGINT);
  EXPECT_EQ(starter.code(), -SIGINT);
}

TEST_F(JobProcessTest, OutlivesTheStarterOnceItRuns) {
  pid_t job = 0;
  {
    const Starter starter([&] { return stand_in_for(note_signals(file("notes"))); });
    ASSERT_TRUE(eventually([&] { return text("notes") == "ready\n"; }));
    job = starter.child_named("sh");
    const pid_t witness = starter.child_named("levee-witness");
    starter.signal(SIGKILL);
    EXPECT_EQ(starter.code(), -SIGKILL);
    EXPECT_TRUE(ends(witness));
    ::kill(job, SIGUSR1);
    EXPECT_TRUE(eventually([&] { return text("notes") == "ready\nUSR1\n"; }));
    ::kill(job, SIGUSR2);
    int status = 0;
    EXPECT_EQ(::waitpid(job, &status, 0), job);
    EXPECT_EQ(WEXITSTATUS(status), 7);
  }
}

TEST_F(JobProcessTest, LeavesTheRunningCommandAloneWhenItIsDropped) {
  pid_t pid = 0;
  {
    auto job = JobProcess::start(shell("echo > " + file("ran") + "; exec sleep 60"));
    ASSERT_TRUE(job && job->go({}));
    pid = job->pid();
    job->abandon();
  }
  EXPECT_TRUE(eventually([&] { return is_there("ran"); }));
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), 0);
  ::kill(pid, SIGKILL);
  EXPECT_TRUE(ends(pid));
}

TEST_F(JobProcessTest, FreesTheSignalsThatItHeld) {
  const auto blocked = [] {
    sigset_t set;
    ::sigprocmask(SIG_BLOCK, nullptr, &set);
    return sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGCHLD) == 1;
  };
  {
    auto job = JobProcess::start({"/bin/true"});
    ASSERT_TRUE(job);
    EXPECT_FALSE(blocked());
    ASSERT_TRUE(job->go({}));
    EXPECT_TRUE(blocked());
  }
  EXPECT_FALSE(blocked());
  EXPECT_EQ(refusal_of({"levee-no-such-program"}).code, ErrorCode::not_found);
  EXPECT_FALSE(blocked());
}

TEST_F(JobProcessTest, TellsThatSomebodyElseWaitedForTheProcess) {
  auto job = JobProcess::start({"/bin/true"});
  ASSERT_TRUE(job && job->go({}));
  ASSERT_EQ(::waitpid(job->pid(), nullptr, 0), job->pid());
  const auto end = job->wait();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::internal);
}

}  // namespace
}  // namespace levee::actions
