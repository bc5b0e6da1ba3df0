#include "gpus/gpu_source.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "gpus/wire.hpp"
#include "support/patience.hpp"
#include "support/temp_dir.hpp"
#include "unit/gpus/gpu_values.hpp"

namespace levee::gpus {
namespace {

using namespace levee::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// `text` as one word of a shell script.
std::string shell_word(const std::string& text) { return "'" + text + "'"; }

/// A command that says `message`.
std::string say(const wire::Message& message) {
  std::string line = wire::encode(message);
  line.pop_back();
  return "printf '%s\\n' " + shell_word(line) + "\n";
}

std::string say_list(const std::vector<std::string>& uuids) {
  wire::Devices list;
  for (const std::string& uuid : uuids) {
    list.devices.push_back(gpu_named(uuid, static_cast<int>(list.devices.size())));
  }
  return say(list);
}

/// A command that answers question $n for `uuid`; the temperature is the question's number.
std::string say_answer(const std::string& uuid) {
  GpuReading reading = reading_of(gpu_named(uuid, 0));
  reading.temperature_celsius = 4711;
  std::string command = say(wire::Answer{815, 1ms, {reading}});
  for (const std::string number : {"815", "4711"}) {
    command.replace(command.find(number), number.size(), "'$n'");
  }
  return command;
}

/// Runs `body` for every question, its number being $n.
std::string for_each_question(const std::string& body) {
  return "while read -r line; do n=${line#*:}; n=${n%\\}}\n" + body + "done\n";
}

/// A script in place of the helper, which counts its starts.
class GpuSourceTest : public testing::Test {
 protected:
  [[nodiscard]] GpuSource::Options running(const std::string& script) const {
    put(dir_ / "helper", "echo $$ >> " + (dir_ / "starts").string() + "\n" + script);
    return {.helper = {"/bin/sh", (dir_ / "helper").string()}};
  }

  /// The pids of all helpers so far.
  [[nodiscard]] std::vector<pid_t> starts() const {
    std::ifstream file(dir_ / "starts");
    return {std::istream_iterator<pid_t>(file), {}};
  }

  /// Waits until the helper has been started `count` times.
  [[nodiscard]] bool started(std::size_t count) const {
    return eventually([&] { return starts().size() >= count; });
  }

  /// Takes what comes, at the instant `since`, until `enough(scan)`. Error reports are collected.
  template <class Condition>
  GpuScan scan_until(GpuSource& source, std::chrono::milliseconds since, Condition enough) {
    GpuScan scan;
    std::vector<GpuXid> xids;
    EXPECT_TRUE(eventually([&] {
      scan = source.finish(at(since).mono, at(since).mono);
      xids.insert(xids.end(), scan.xids.begin(), scan.xids.end());
      return enough(scan);
    }));
    scan.xids = xids;
    return scan;
  }

  TempDir dir_;
};

GpuScan finish_all(GpuSource& source, std::chrono::milliseconds since) {
  return source.finish_all(at(since).mono, at(since + 10s).mono);
}

bool has_trouble(const GpuScan& scan) { return !scan.troubles.empty(); }

bool is_alive(pid_t pid) { return ::kill(pid, 0) == 0; }

/// Gone, or dead and not yet reaped by whoever adopted it.
bool is_dead(pid_t pid) {
  const std::string stat = contents(fmt::format("/proc/{}/stat", pid));
  return stat.empty() || stat.find(") Z") != std::string::npos;
}

std::optional<double> temperature(const GpuScan& scan, std::size_t row = 0) {
  return row < scan.gpus.size() ? scan.gpus[row].temperature_celsius : std::nullopt;
}

TEST_F(GpuSourceTest, ReadsEveryDevice) {
  GpuSource source(
      running(say_list({"a", "b"}) + for_each_question(say_answer("a") + say_answer("b"))));
  source.begin(at(0ms).mono);
  const GpuScan scan = finish_all(source, 0ms);
  ASSERT_THAT(scan.gpus, SizeIs(2));
  EXPECT_EQ(scan.gpus[0].identity->uuid, "a");
  EXPECT_EQ(scan.gpus[1].identity->uuid, "b");
  EXPECT_EQ(scan.gpus[1].identity->index, 1);
  EXPECT_THAT(scan.troubles, IsEmpty());
}

TEST_F(GpuSourceTest, LooksForNothingWithoutAHelper) {
  GpuSource source({});
  source.begin(at(0ms).mono);
  const GpuScan scan = finish_all(source, 0ms);
  EXPECT_THAT(scan.gpus, IsEmpty());
  EXPECT_THAT(scan.troubles, IsEmpty());
}

TEST_F(GpuSourceTest, WaitsForADeviceThatAnsweredBefore) {
  GpuSource source(running(say_list({"a"}) + for_each_question("sleep 0.02\n" + say_answer("a"))));
  source.begin(at(0ms).mono);
  EXPECT_EQ(temperature(finish_all(source, 0ms)), 1);
  source.begin(at(1s).mono);
  EXPECT_EQ(temperature(source.finish(at(1s).mono, at(11s).mono)), 2);
}

TEST_F(GpuSourceTest, WaitsForNobodyWhoHasNeverAnswered) {
  GpuSource source(running(say_list({"a"}) + "cat > /dev/null\n"));
  source.begin(at(0ms).mono);
  ASSERT_TRUE(started(1));
  const auto before = std::chrono::steady_clock::now();
  EXPECT_THAT(source.finish(at(0ms).mono, at(20s).mono).gpus, IsEmpty());
  EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
}

TEST_F(GpuSourceTest, WaitsOnlyOnceForADeviceThatBeginsToHang) {
  GpuSource source(running(say_list({"hung", "quick"}) +
                           for_each_question("if [ $n = 1 ]; then\n" + say_answer("hung") + "fi\n" +
                                             say_answer("quick"))));
  source.begin(at(0ms).mono);
  ASSERT_EQ(temperature(finish_all(source, 0ms), 0), 1);
  source.begin(at(1s).mono);
  ASSERT_EQ(temperature(source.finish(at(1s).mono, at(1500ms).mono), 1), 2);
  source.begin(at(2s).mono);
  const auto before = std::chrono::steady_clock::now();
  const GpuScan scan = source.finish(at(2s).mono, at(22s).mono);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
  EXPECT_EQ(temperature(scan, 0), 1);  // Its last word.
  EXPECT_EQ(temperature(scan, 1), 3);
  EXPECT_EQ(scan.gpus[0].condition, GpuCondition::ok);
}

TEST_F(GpuSourceTest, DoesNotWaitPastADeadlineThatIsOver) {
  GpuSource source(running(
      say_list({"a"}) + for_each_question("if [ $n != 1 ]; then sleep 3; fi\n" + say_answer("a"))));
  source.begin(at(0ms).mono);
  finish_all(source, 0ms);
  source.begin(at(4s).mono);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(temperature(source.finish(at(4s).mono, at(4s).mono)), 1);
  EXPECT_EQ(temperature(source.finish(at(4s).mono, at(0s).mono)), 1);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
}

TEST_F(GpuSourceTest, HandsOutErrorReportsOnce) {
  const GpuXid xid{"a", 79, at(0ms).wall};
  GpuSource source(running(say_list({"a"}) + say(xid) + "cat > /dev/null\n"));
  source.begin(at(0ms).mono);
  const auto got_one = [](const GpuScan& scan) { return !scan.xids.empty(); };
  EXPECT_THAT(scan_until(source, 0ms, got_one).xids, ElementsAre(xid));
  EXPECT_THAT(source.finish(at(0ms).mono, at(0ms).mono).xids, IsEmpty());
}

TEST_F(GpuSourceTest, KeepsTheRowsOfAHelperThatCrashedAndStartsAnother) {
  GpuSource source(
      running(say_list({"a"}) +
              for_each_question(say_answer("a") + "if [ $n = 2 ]; then kill -SEGV $$; fi\n")));
  source.begin(at(0ms).mono);
  finish_all(source, 0ms);
  source.begin(at(1s).mono);
  const GpuScan scan = scan_until(source, 1s, has_trouble);
  ASSERT_THAT(scan.gpus, SizeIs(1));
  EXPECT_EQ(scan.troubles[0].source, "gpus");
  EXPECT_THAT(scan.troubles[0].error.message, HasSubstr("signal 11 (Segmentation fault)"));
  source.begin(at(1999ms).mono);
  EXPECT_THAT(starts(), SizeIs(1));
  source.begin(at(2000ms).mono);
  EXPECT_TRUE(started(2));
  const GpuScan well = finish_all(source, 2s);
  EXPECT_THAT(well.troubles, IsEmpty());
  EXPECT_EQ(temperature(well), 3);
}

TEST_F(GpuSourceTest, DoublesTheBackOffOfAHelperThatEndsAtOnceUpToAMinute) {
  GpuSource source(running("exit 3\n"));
  std::chrono::milliseconds now = 0ms;
  std::size_t count = 0;
  for (const auto wait : {0s, 1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    if (count > 0) {
      source.begin(at(now + wait - 1ms).mono);
      EXPECT_THAT(starts(), SizeIs(count)) << "before " << wait.count() << " s";
    }
    now += wait;
    source.begin(at(now).mono);
    ASSERT_TRUE(started(++count));
    // Seen at the same instant: the next back-off counts from here.
    const GpuScan scan = finish_all(source, now);
    ASSERT_TRUE(has_trouble(scan));
    EXPECT_THAT(scan.troubles[0].error.message, HasSubstr("exited with code 3"));
  }
}

TEST_F(GpuSourceTest, ForgetsTheBackOffAfterAHelperThatWasOfUseForLong) {
  const std::string healthy =
      say_list({"a"}) + for_each_question(say_answer("a") + "if [ -e " + (dir_ / "die").string() +
                                          " ]; then exit 3; fi\n");
  GpuSource source(running("if [ $(wc -l < " + (dir_ / "starts").string() +
                           ") -lt 3 ]; then exit 3; fi\n" + healthy));
  for (const auto now : {0s, 1s, 3s}) {
    source.begin(at(now).mono);
    finish_all(source, now);
  }
  ASSERT_THAT(starts(), SizeIs(3));
  put(dir_ / "die", "");
  source.begin(at(70s).mono);
  scan_until(source, 70s, has_trouble);
  source.begin(at(70'999ms).mono);
  EXPECT_THAT(starts(), SizeIs(3));
  source.begin(at(71s).mono);
  EXPECT_TRUE(started(4));
}

TEST_F(GpuSourceTest, ReplacesAHelperThatTalksNonsense) {
  for (const std::string& nonsense :
       {std::string("echo Segmentation fault\n"), std::string("echo\n"), say(wire::Ask{1}),
        std::string("head -c 5000000 /dev/zero | tr '\\0' x\n")}) {
    GpuSource source(running(nonsense + "cat > /dev/null\n"));
    source.begin(at(0ms).mono);
    const GpuScan scan = scan_until(source, 0ms, has_trouble);
    EXPECT_EQ(scan.troubles[0].error.code, ErrorCode::corrupt) << nonsense;
    const pid_t pid = starts().back();
    EXPECT_TRUE(eventually([&] { return is_dead(pid); }));
  }
}

TEST_F(GpuSourceTest, GivesAHelperAMinuteToListItsDevices) {
  GpuSource source(running("cat > /dev/null\n"));
  source.begin(at(0ms).mono);
  ASSERT_TRUE(started(1));
  const pid_t pid = starts().back();
  source.begin(at(60s).mono);
  EXPECT_TRUE(is_alive(pid));
  EXPECT_FALSE(has_trouble(source.finish(at(60s).mono, at(60s).mono)));
  source.begin(at(60'001ms).mono);
  EXPECT_TRUE(eventually([&] { return is_dead(pid); }));
  const GpuScan scan = source.finish(at(61s).mono, at(61s).mono);
  ASSERT_TRUE(has_trouble(scan));
  EXPECT_EQ(scan.troubles[0].error.code, ErrorCode::timed_out);
}

TEST_F(GpuSourceTest, ReplacesAHelperWhenNoDeviceAnswersForLong) {
  GpuSource source(running(say_list({"a"}) + "cat > /dev/null\n"));
  source.begin(at(0ms).mono);
  ASSERT_TRUE(started(1));
  const auto shows = [](const GpuScan& scan) { return !scan.gpus.empty(); };
  // The list is there as soon as its device shows as silent.
  EXPECT_TRUE(eventually([&] {
    return shows(source.finish(at(0ms).mono, at(0ms).mono)) ||
           shows(source.finish(at(10s).mono, at(10s).mono));
  }));
  source.begin(at(21s).mono);
  const GpuScan scan = source.finish(at(21s).mono, at(21s).mono);
  ASSERT_TRUE(has_trouble(scan));
  EXPECT_THAT(scan.troubles[0].error.message, HasSubstr("no GPU has answered"));
  ASSERT_THAT(scan.gpus, SizeIs(1));
  EXPECT_EQ(scan.gpus[0].condition, GpuCondition::unreadable);
}

TEST_F(GpuSourceTest, LeavesAHelperWithoutDevicesInPeace) {
  GpuSource source(running(say_list({}) + "cat > /dev/null\n"));
  source.begin(at(0ms).mono);
  finish_all(source, 0ms);
  source.begin(at(1h).mono);
  source.begin(at(2h).mono);
  EXPECT_FALSE(has_trouble(source.finish(at(2h).mono, at(2h).mono)));
  EXPECT_THAT(starts(), SizeIs(1));
}

TEST_F(GpuSourceTest, LooksAgainAfterTenMinutesWhereThereIsNoDriver) {
  GpuSource source(
      running(say(wire::Trouble{{"gpus", {ErrorCode::not_found, "no driver", {}}}, true})));
  source.begin(at(0ms).mono);
  EXPECT_FALSE(has_trouble(finish_all(source, 0ms)));
  source.begin(at(599'999ms).mono);
  EXPECT_THAT(starts(), SizeIs(1));
  source.begin(at(600s).mono);
  EXPECT_TRUE(started(2));
  finish_all(source, 600s);
  source.look_again();
  source.begin(at(601s).mono);
  EXPECT_TRUE(started(3));
}

TEST_F(GpuSourceTest, ReportsWhatTheHelperSaysOfADriverUntilThatIsMended) {
  const std::string mended = (dir_ / "mended").string();
  GpuSource source(running(
      "if [ ! -e " + mended + " ]; then\n" +
      say(wire::Trouble{{"nvml", {ErrorCode::unavailable, "version mismatch", "reboot"}}, false}) +
      "exit 1\nfi\n" + say_list({"a"}) + for_each_question(say_answer("a"))));
  source.begin(at(0ms).mono);
  const GpuScan scan = finish_all(source, 0ms);
  ASSERT_THAT(scan.troubles, SizeIs(1));  // That it ended for it is no news.
  EXPECT_EQ(scan.troubles[0].source, "nvml");
  EXPECT_THAT(scan.troubles[0].error.hint, HasSubstr("reboot"));
  put(mended, "");
  source.begin(at(1s).mono);
  EXPECT_THAT(finish_all(source, 1s).troubles, IsEmpty());
}

TEST_F(GpuSourceTest, KeepsATroubleThatWasToldBeforeTheList) {
  GpuSource source(running(
      say(wire::Trouble{{"nvml", {ErrorCode::unavailable, "GPU 1 cannot be reached", {}}}, false}) +
      say_list({"a"}) +
      for_each_question("if [ $n = 2 ]; then\n" + say_list({"a"}) + "fi\n" + say_answer("a"))));
  source.begin(at(0ms).mono);
  EXPECT_TRUE(has_trouble(finish_all(source, 0ms)));
  source.begin(at(0ms).mono);
  scan_until(source, 0ms, [](const GpuScan& scan) { return scan.troubles.empty(); });
}

TEST_F(GpuSourceTest, NamesAHelperThatCannotBeRun) {
  GpuSource source({.helper = {(dir_ / "nothing").string()}});
  source.begin(at(0ms).mono);
  const GpuScan scan = finish_all(source, 0ms);
  ASSERT_TRUE(has_trouble(scan));
  EXPECT_EQ(scan.troubles[0].error.code, ErrorCode::not_found);
  EXPECT_THAT(scan.troubles[0].error.message, HasSubstr("nothing"));
}

TEST_F(GpuSourceTest, IsNotHeldUpByAHelperThatNeverListens) {
  GpuSource source(running(say_list({}) + "exec sleep 600\n"));
  source.begin(at(0ms).mono);
  finish_all(source, 0ms);
  const auto before = std::chrono::steady_clock::now();
  for (int i = 1; i <= 20'000; ++i) {
    source.begin(at(i * 1ms).mono);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
}

TEST_F(GpuSourceTest, GivesTheHelperItsEnvironmentAndAGroupButNoDescriptors) {
  constexpr int kStray = 77;  // Without close-on-exec.
  ASSERT_EQ(::dup2(STDERR_FILENO, kStray), kStray);
  ::setenv("LEVEE_TEST_WORD", "passed on", 1);
  GpuSource source(running("exec 2> " + (dir_ / "seen").string() + R"(
echo $LEVEE_TEST_WORD >&2
if [ -e /proc/$$/fd/77 ]; then echo leaked >&2; fi
if [ $(cut -d' ' -f5 /proc/$$/stat) = $$ ]; then echo grouped >&2; fi
)" + say_list({}) + "cat > /dev/null\n"));
  source.begin(at(0ms).mono);
  finish_all(source, 0ms);
  ::close(kStray);
  ::unsetenv("LEVEE_TEST_WORD");
  EXPECT_EQ(contents(dir_ / "seen"), "passed on\ngrouped\n");
}

TEST_F(GpuSourceTest, EndsTheHelperWithItsChildrenAndReapsIt) {
  GpuSource source(running("sleep 600 &\necho $! > " + (dir_ / "child").string() + "\n" +
                           say_list({}) + "wait\n"));
  source.begin(at(0ms).mono);
  finish_all(source, 0ms);
  source.stop();
  source.stop();
  EXPECT_FALSE(is_alive(starts().at(0)));
  EXPECT_TRUE(eventually([&] { return is_dead(std::stoi(contents(dir_ / "child"))); }));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  source.begin(at(1ms).mono);
  EXPECT_TRUE(started(2));
}

TEST_F(GpuSourceTest, LeavesNoZombieOfAHelperThatHung) {
  GpuSource source(running("cat > /dev/null\n"));
  source.begin(at(0ms).mono);
  ASSERT_TRUE(started(1));
  source.begin(at(61s).mono);
  EXPECT_TRUE(eventually([&] {
    source.begin(at(61s).mono);  // Too early for another.
    return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
  }));
  EXPECT_THAT(starts(), SizeIs(1));
}

}  // namespace
}  // namespace levee::gpus
