#include "policy/alerts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "policy/culprit.hpp"
#include "support/values.hpp"

namespace levee::policy {
namespace {

using test::at;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

/// An event in short: "alert warning #1", "resolved critical #2".
std::vector<std::string> brief(const std::vector<Event>& events) {
  std::vector<std::string> result;
  for (const Event& event : events) {
    result.push_back(std::string(to_string(event.kind)) + " " +
                     std::string(to_string(event.severity.value())) + " #" +
                     std::to_string(event.alert.value().id));
  }
  return result;
}

class AlertsTest : public testing::Test {
 protected:
  /// One judgement of a 100 GiB machine that uses `percent`.
  std::vector<std::string> using_percent(std::chrono::milliseconds when, double percent) {
    return judge(test::snapshot_of(test::host_using(percent), at(when + 0ms, wall_jump_)));
  }
  std::vector<std::string> available(std::chrono::milliseconds when, Bytes free,
                                     Bytes total = gib(20)) {
    return judge(test::snapshot_of(test::host_with(total, free), at(when, wall_jump_)));
  }
  std::vector<std::string> blind(std::chrono::milliseconds when) {
    return judge(test::blind_snapshot(at(when, wall_jump_)));
  }
  std::vector<std::string> judge(const Snapshot& snapshot) {
    events_ = update_alerts(book_, snapshot, {}, thresholds_, culprit_);
    return brief(events_);
  }

  Thresholds thresholds_;
  AlertBook book_;
  std::optional<Culprit> culprit_;
  std::vector<Event> events_;  // of the last judgement
  std::chrono::milliseconds wall_jump_{0};
};

TEST_F(AlertsTest, QuietMachineSaysNothing) {
  EXPECT_THAT(using_percent(0s, 50), IsEmpty());
  EXPECT_THAT(active_alerts(book_), IsEmpty());
  EXPECT_THAT(book_.recent, IsEmpty());
}

TEST_F(AlertsTest, DocumentedExample) {
  ASSERT_THAT(using_percent(0s, 82.1), ElementsAre("alert warning #1"));
  const Event& event = events_[0];
  EXPECT_EQ(event.at, at(0s).wall);
  EXPECT_EQ(event.message, "High CPU memory usage");
  const Alert& alert = event.alert.value();
  EXPECT_EQ(alert.type, AlertType::cpu_memory);
  EXPECT_EQ(alert.severity, Severity::warning);
  EXPECT_NEAR(alert.value, 82.1, 1e-6);
  EXPECT_DOUBLE_EQ(alert.threshold, 80);
  EXPECT_EQ(alert.message, "High CPU memory usage");
  EXPECT_EQ(alert.timestamp, at(0s).wall);
  EXPECT_FALSE(alert.resolved_at);
  EXPECT_FALSE(alert.gpu_id);
  EXPECT_FALSE(alert.recommendations.empty());
}

TEST_F(AlertsTest, PercentFiresOnStrictlyGreater) {
  EXPECT_THAT(using_percent(0s, 80), IsEmpty());
  EXPECT_THAT(using_percent(1s, 80.001), ElementsAre("alert warning #1"));
  EXPECT_THAT(using_percent(2s, 90), IsEmpty()) << "90 is still a warning";
  EXPECT_THAT(using_percent(3s, 90.001), ElementsAre("alert critical #1"));
  EXPECT_EQ(events_[0].message, "Critical CPU memory usage");
  EXPECT_DOUBLE_EQ(events_[0].alert->threshold, 90);
  EXPECT_THAT(using_percent(4s, 80), ElementsAre("resolved critical #1"));
}

TEST_F(AlertsTest, AvailableFiresOnStrictlyLess) {
  thresholds_.cpu_memory_warning = 99;
  thresholds_.cpu_memory_critical = 100;
  EXPECT_THAT(available(0s, gib(4)), IsEmpty());
  EXPECT_THAT(available(1s, gib(4) - Bytes{1}), ElementsAre("alert warning #1"));
  EXPECT_EQ(events_[0].alert->type, AlertType::host_available);
  EXPECT_DOUBLE_EQ(events_[0].alert->threshold, 4);
  EXPECT_THAT(available(2s, gib(2)), IsEmpty()) << "2 GB is still a warning";
  EXPECT_THAT(available(3s, gib(2) - Bytes{1}), ElementsAre("alert emergency #1"));
  EXPECT_DOUBLE_EQ(events_[0].alert->threshold, 2);
  EXPECT_NEAR(events_[0].alert->value, 2, 1e-6);
  EXPECT_THAT(available(4s, gib(4)), ElementsAre("resolved emergency #1"));
}

TEST_F(AlertsTest, SmallMachineIsJudgedByItsCappedLines) {
  thresholds_.cpu_memory_warning = 99;
  thresholds_.cpu_memory_critical = 100;
  EXPECT_THAT(available(0s, gib(2), gib(8)), IsEmpty());
  EXPECT_THAT(available(1s, gib(2) - Bytes{1}, gib(8)), ElementsAre("alert warning #1"));
  EXPECT_THAT(available(2s, gib(1) - Bytes{1}, gib(8)), ElementsAre("alert emergency #1"));
  EXPECT_DOUBLE_EQ(events_[0].alert->threshold, 1);
}

TEST_F(AlertsTest, BothRulesRunSideBySideMostSevereFirst) {
  EXPECT_THAT(available(0s, gib(1)), ElementsAre("alert critical #1", "alert emergency #2"));
  const auto active = active_alerts(book_);
  ASSERT_EQ(active.size(), 2U);
  EXPECT_EQ(active[0].type, AlertType::host_available);
  EXPECT_EQ(active[1].type, AlertType::cpu_memory);
  EXPECT_THAT(available(1s, gib(3)), IsEmpty());
  EXPECT_THAT(available(2s, gib(20)), ElementsAre("resolved critical #1", "resolved emergency #2"));
}

TEST_F(AlertsTest, RepeatsAtMostEveryThirtySecondsWhileItLasts) {
  int said = 0;
  for (int second = 0; second < 120; ++second) {
    const auto events = using_percent(1s * second, 82);
    said += static_cast<int>(events.size());
    EXPECT_EQ(!events.empty(), second % 30 == 0) << second;
  }
  EXPECT_EQ(said, 4);
  EXPECT_THAT(book_.recent, testing::SizeIs(1)) << "one alert, however often it is repeated";
  EXPECT_EQ(book_.recent[0].timestamp, at(0s).wall);
}

TEST_F(AlertsTest, RepeatShowsTheValueOfItsMoment) {
  using_percent(0s, 82);
  using_percent(15s, 88);
  ASSERT_THAT(using_percent(30s, 85), ElementsAre("alert warning #1"));
  EXPECT_NEAR(events_[0].alert->value, 85, 1e-6);
  EXPECT_NEAR(active_alerts(book_)[0].value, 85, 1e-6);
}

TEST_F(AlertsTest, EscalationIsSaidAtOnceAndRestartsTheRepeat) {
  using_percent(0s, 82);
  EXPECT_THAT(using_percent(1s, 91), ElementsAre("alert critical #1"));
  EXPECT_THAT(using_percent(30s, 91), IsEmpty());
  EXPECT_THAT(using_percent(31s, 91), ElementsAre("alert critical #1"));
}

TEST_F(AlertsTest, EasingIsSilentAndComingBackToTheSameSeverityToo) {
  using_percent(0s, 91);
  EXPECT_THAT(using_percent(1s, 82), IsEmpty());
  EXPECT_EQ(active_alerts(book_)[0].severity, Severity::warning) << "shown as it is now";
  EXPECT_THAT(using_percent(2s, 91), IsEmpty()) << "was said already";
  EXPECT_THAT(using_percent(3s, 82), IsEmpty());
  EXPECT_THAT(using_percent(30s, 82), ElementsAre("alert warning #1"));
  EXPECT_THAT(using_percent(31s, 91), ElementsAre("alert critical #1"));
}

TEST_F(AlertsTest, WhoeverHeardOfTheWorstHearsOfTheEnd) {
  using_percent(0s, 91);
  using_percent(10s, 82);
  using_percent(30s, 82);  // repeated as a warning
  ASSERT_THAT(using_percent(40s, 50), ElementsAre("resolved critical #1"));
  const Alert& alert = events_[0].alert.value();
  EXPECT_EQ(events_[0].message, "Resolved: Critical CPU memory usage");
  EXPECT_EQ(alert.severity, Severity::critical);
  EXPECT_DOUBLE_EQ(alert.threshold, 90);
  EXPECT_EQ(alert.timestamp, at(0s).wall);
  EXPECT_EQ(alert.resolved_at, at(40s).wall);
  EXPECT_EQ(book_.recent[0].severity, Severity::critical);
  EXPECT_EQ(book_.recent[0].last_critical, at(0s).mono);
  EXPECT_EQ(book_.recent[0].last_active, at(40s).mono);
}

TEST_F(AlertsTest, ResolvesExactlyOnce) {
  using_percent(0s, 82);
  EXPECT_THAT(using_percent(1s, 50), ElementsAre("resolved warning #1"));
  for (int second = 2; second < 100; ++second) {
    EXPECT_THAT(using_percent(1s * second, 50), IsEmpty());
  }
  EXPECT_THAT(active_alerts(book_), IsEmpty());
  EXPECT_EQ(book_.recent[0].resolved_at, at(1s).wall);
}

TEST_F(AlertsTest, UnknownReadingNeitherFiresNorResolves) {
  EXPECT_THAT(blind(0s), IsEmpty());
  using_percent(1s, 91);
  for (int second = 2; second < 100; ++second) {
    EXPECT_THAT(blind(1s * second), IsEmpty()) << "no repeat either: nobody knows";
  }
  EXPECT_EQ(active_alerts(book_).size(), 1U);
  EXPECT_THAT(using_percent(100s, 50), ElementsAre("resolved critical #1"));
}

TEST_F(AlertsTest, ReturnWithinFiveSecondsIsTheSameAlertAndSilent) {
  using_percent(0s, 82);
  using_percent(1s, 50);
  EXPECT_THAT(using_percent(5'999ms, 82), IsEmpty());
  const auto active = active_alerts(book_);
  ASSERT_EQ(active.size(), 1U);
  EXPECT_EQ(active[0].id, 1U);
  EXPECT_EQ(active[0].timestamp, at(0s).wall);
  EXPECT_FALSE(active[0].resolved_at);
  EXPECT_THAT(using_percent(7s, 50), IsEmpty()) << "was never announced again, so no resolved";
  EXPECT_TRUE(book_.recent[0].resolved_at);
}

TEST_F(AlertsTest, ReturnAfterFiveSecondsIsANewAlert) {
  using_percent(0s, 82);
  using_percent(1s, 50);
  EXPECT_THAT(using_percent(6s, 82), ElementsAre("alert warning #2"));
  EXPECT_EQ(events_[0].alert->timestamp, at(6s).wall);
  ASSERT_EQ(book_.recent.size(), 2U);
  EXPECT_EQ(book_.recent[0].id, 2U) << "newest first";
  EXPECT_EQ(book_.recent[1].id, 1U);
}

TEST_F(AlertsTest, ReturnThatIsWorseIsSaidAtOnce) {
  using_percent(0s, 82);
  using_percent(1s, 50);
  EXPECT_THAT(using_percent(2s, 91), ElementsAre("alert critical #1"));
  EXPECT_THAT(using_percent(3s, 50), ElementsAre("resolved critical #1"));
}

TEST_F(AlertsTest, FlappingReadingSpeaksOncePerRepeat) {
  int fired = 0;
  int resolved = 0;
  for (int second = 0; second < 300; ++second) {
    for (const std::string& event : using_percent(1s * second, second % 2 == 0 ? 82 : 79)) {
      fired += event.starts_with("alert") ? 1 : 0;
      resolved += event.starts_with("resolved") ? 1 : 0;
    }
  }
  EXPECT_EQ(fired, 10);
  EXPECT_EQ(resolved, 10);
  EXPECT_EQ(book_.recent.size(), 1U);
}

TEST_F(AlertsTest, AtTheGuardsWordTheEmergencyIsSaidEvenIfTheReadingLooksWell) {
  Snapshot snapshot = test::snapshot_of(test::host_with(gib(64), gib(30)), at(0s));
  snapshot.brake_line_reached = true;
  ASSERT_THAT(judge(snapshot), ElementsAre("alert emergency #1"));
  EXPECT_DOUBLE_EQ(events_[0].alert->value, 30);
  EXPECT_THAT(events_[0].message, Not(HasSubstr("is below"))) << "30 GB are not below 2 GB";
  snapshot = test::snapshot_of(test::host_with(gib(64), gib(1)), at(1s));
  EXPECT_THAT(judge(snapshot), ElementsAre("alert critical #2")) << "percent; the other was said";
  EXPECT_EQ(active_alerts(book_)[0].message, "Available memory is below the emergency line");
}

TEST_F(AlertsTest, NamesTheCulpritWhenItSpeaks) {
  culprit_ = find_culprit(std::vector{test::process_of(7, "trainer", gib(9), 1e9)});
  using_percent(0s, 82);
  ASSERT_TRUE(events_[0].alert->culprit);
  EXPECT_EQ(events_[0].alert->culprit->id.pid, 7);
  EXPECT_THAT(events_[0].alert->recommendations[0], HasSubstr("process 7 (trainer, user ada)"));
  culprit_.reset();
  using_percent(30s, 82);
  EXPECT_FALSE(events_[0].alert->culprit) << "not the one of half a minute ago";
}

TEST_F(AlertsTest, OtherThresholdsCountFromTheNextJudgement) {
  EXPECT_THAT(using_percent(0s, 60), IsEmpty());
  thresholds_.cpu_memory_warning = 55;
  EXPECT_THAT(using_percent(1s, 60), ElementsAre("alert warning #1"));
  thresholds_.cpu_memory_warning = 80;
  EXPECT_THAT(using_percent(2s, 60), ElementsAre("resolved warning #1"));
  thresholds_.alert_repeat = 2s;
  using_percent(100s, 82);
  EXPECT_THAT(using_percent(102s, 82), ElementsAre("alert warning #2"));
}

TEST_F(AlertsTest, RemembersABoundedNumber) {
  for (int i = 0; i < static_cast<int>(kRecentAlerts) + 50; ++i) {
    using_percent(20s * i, 82);
    using_percent(20s * i + 10s, 50);
  }
  EXPECT_EQ(book_.recent.size(), kRecentAlerts);
  EXPECT_EQ(book_.recent.front().id, kRecentAlerts + 50);
  EXPECT_EQ(book_.recent.back().id, 51U);
}

TEST_F(AlertsTest, ClocksThatJumpChangeNoTiming) {
  std::mt19937 random(3);
  std::vector<std::vector<std::string>> steady;
  std::vector<std::vector<std::string>> jumping;
  std::vector<double> load;
  for (int i = 0; i < 600; ++i) {
    load.push_back(60.0 + static_cast<double>(random() % 40));
  }
  for (int second = 0; second < 600; ++second) {
    steady.push_back(using_percent(1s * second, load[static_cast<std::size_t>(second / 4)]));
  }
  book_ = {};
  for (int second = 0; second < 600; ++second) {
    wall_jump_ = std::chrono::hours{static_cast<int>(random() % 48) - 24};
    jumping.push_back(using_percent(1s * second, load[static_cast<std::size_t>(second / 4)]));
  }
  EXPECT_EQ(steady, jumping);
}

TEST_F(AlertsTest, AMonotonicGapIsOnlyALongTime) {
  using_percent(0s, 82);
  EXPECT_THAT(using_percent(8h, 82), ElementsAre("alert warning #1"));
  EXPECT_THAT(using_percent(16h, 50), ElementsAre("resolved warning #1"));
}

/// Whatever the readings do: alerts open before they are resolved, are resolved once, ids rise.
TEST_F(AlertsTest, EveryResolvedHasItsAlertWhateverTheReadingsDo) {
  std::mt19937 random(17);
  std::map<std::uint64_t, int> open;  // alert id → announced and not resolved
  std::uint64_t newest = 0;
  std::chrono::milliseconds when{0};
  for (int i = 0; i < 20'000; ++i) {
    when += std::chrono::milliseconds{random() % 4000};
    Snapshot snapshot =
        random() % 10 == 0
            ? test::blind_snapshot(at(when))
            : test::snapshot_of(test::host_with(gib(20), mib(random() % 6000)), at(when));
    snapshot.brake_line_reached = random() % 20 == 0;
    for (const Event& event : update_alerts(book_, snapshot, {}, thresholds_, culprit_)) {
      const std::uint64_t id = event.alert.value().id;
      if (event.kind == EventKind::alert) {
        open[id] = 1;
        EXPECT_FALSE(event.alert->resolved_at);
      } else {
        EXPECT_EQ(open[id], 1) << "resolved what was not announced";
        open[id] = 0;
        EXPECT_TRUE(event.alert->resolved_at);
      }
      newest = std::max(newest, id);
      ASSERT_LE(id, newest + 1);
    }
    for (const Alert& alert : active_alerts(book_)) {
      EXPECT_FALSE(alert.resolved_at);
    }
  }
  EXPECT_GT(newest, 100U) << "the readings did move";
}

}  // namespace
}  // namespace levee::policy
