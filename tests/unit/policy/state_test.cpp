#include "policy/state.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/values.hpp"

namespace levee::policy {
namespace {

using test::at;
using namespace std::chrono_literals;

TEST(MemoryLevel, HasTheDocumentedBounds) {
  const struct {
    double percent;
    Level level;
  } cases[] = {{0, Level::optimal},       {69.999, Level::optimal}, {70, Level::normal},
               {84.999, Level::normal},   {85, Level::throttled},   {95, Level::throttled},
               {95.001, Level::critical}, {100, Level::critical}};
  for (const auto& [percent, level] : cases) {
    for (const Level previous :
         {Level::optimal, Level::normal, Level::throttled, Level::critical, Level::unavailable}) {
      EXPECT_EQ(memory_level(percent, previous, {}), level)
          << percent << " after " << to_string(previous);
    }
  }
}

TEST(MemoryLevel, UnknownReadingIsUnavailable) {
  EXPECT_EQ(memory_level({}, Level::optimal, {}), Level::unavailable);
  EXPECT_EQ(memory_level({}, Level::critical, {}), Level::unavailable);
}

TEST(MemoryLevel, UsesTheBoundsItIsGiven) {
  Thresholds t;
  t.memory_optimal = 10;
  t.memory_normal = 20;
  t.memory_critical = 30;
  EXPECT_EQ(memory_level(9.9, Level::optimal, t), Level::optimal);
  EXPECT_EQ(memory_level(10, Level::optimal, t), Level::normal);
  EXPECT_EQ(memory_level(20, Level::optimal, t), Level::throttled);
  EXPECT_EQ(memory_level(30, Level::optimal, t), Level::throttled);
  EXPECT_EQ(memory_level(30.1, Level::optimal, t), Level::critical);
}

TEST(MemoryLevel, HysteresisDelaysOnlyTheWayDown) {
  Thresholds t;
  t.hysteresis = 5;
  EXPECT_EQ(memory_level(85, Level::normal, t), Level::throttled) << "up at once";
  EXPECT_EQ(memory_level(96, Level::optimal, t), Level::critical);
  EXPECT_EQ(memory_level(84, Level::throttled, t), Level::throttled);
  EXPECT_EQ(memory_level(80, Level::throttled, t), Level::throttled);
  EXPECT_EQ(memory_level(79.9, Level::throttled, t), Level::normal);
  EXPECT_EQ(memory_level(94, Level::critical, t), Level::critical);
  EXPECT_EQ(memory_level(90, Level::critical, t), Level::throttled) << "95 is throttled";
  EXPECT_EQ(memory_level(10, Level::critical, t), Level::optimal) << "a deep fall goes all the way";
  EXPECT_EQ(memory_level(67, Level::critical, t), Level::normal)
      << "but not below what the margin allows";
  EXPECT_EQ(memory_level(84, Level::unavailable, t), Level::normal) << "nothing to hold on to";
}

TEST(MemoryLevel, HysteresisNeverWorsensAState) {
  Thresholds t;
  t.hysteresis = 20;
  for (double percent = 0; percent <= 100; percent += 0.5) {
    for (const Level previous :
         {Level::optimal, Level::normal, Level::throttled, Level::critical}) {
      const Level plain = memory_level(percent, Level::unavailable, t);
      const Level level = memory_level(percent, previous, t);
      ASSERT_GE(level, plain);
      ASSERT_LE(level, std::max(previous, plain));
    }
  }
}

TEST(FreshHost, IsNothingWhenStaleOrAbsent) {
  Thresholds t;
  t.stale_after = 5s;
  Snapshot snapshot = test::snapshot_of(test::host_using(50), at(0s));
  snapshot.at = at(5s);
  EXPECT_EQ(fresh_host(snapshot, t), &snapshot.host->value) << "exactly as old as allowed";
  snapshot.at = at(5'001ms);
  EXPECT_EQ(fresh_host(snapshot, t), nullptr);
  snapshot.at = at(1s, 24h);
  EXPECT_NE(fresh_host(snapshot, t), nullptr) << "the wall clock does not age a reading";
  snapshot.host.reset();
  EXPECT_EQ(fresh_host(snapshot, t), nullptr);
}

Alert alert_of(Severity severity, std::optional<std::chrono::seconds> ended_ago, MonoTime now) {
  Alert alert;
  alert.severity = severity;
  alert.last_active = now - ended_ago.value_or(0s);
  if (severity >= Severity::critical) {
    alert.last_critical = alert.last_active;
  }
  if (ended_ago) {
    alert.resolved_at = at(0s).wall;  // the rules must not look at it
  }
  return alert;
}

TEST(Health, SummarisesStateAndTheAlertsOfFiveMinutes) {
  const MonoTime now = at(1h).mono;
  const auto active = std::nullopt;
  const struct {
    const char* why;
    Level level;
    std::vector<Alert> alerts;
    Health health;
  } cases[] = {
      {"nothing wrong", Level::optimal, {}, Health::healthy},
      {"throttled alone warns nobody", Level::throttled, {}, Health::healthy},
      {"critical state", Level::critical, {}, Health::critical},
      {"no reading", Level::unavailable, {}, Health::unknown},
      {"no reading, whatever was",
       Level::unavailable,
       {alert_of(Severity::emergency, active, now)},
       Health::unknown},
      {"active warning",
       Level::normal,
       {alert_of(Severity::warning, active, now)},
       Health::moderate},
      {"recent warning",
       Level::optimal,
       {alert_of(Severity::warning, 299s, now)},
       Health::moderate},
      {"old warning", Level::optimal, {alert_of(Severity::warning, 300s, now)}, Health::healthy},
      {"two warnings (the documented example)",
       Level::normal,
       {alert_of(Severity::warning, active, now), alert_of(Severity::warning, 60s, now)},
       Health::moderate},
      {"recent critical",
       Level::optimal,
       {alert_of(Severity::critical, 299s, now)},
       Health::critical},
      {"recent emergency",
       Level::optimal,
       {alert_of(Severity::emergency, 299s, now)},
       Health::critical},
      {"old emergency",
       Level::optimal,
       {alert_of(Severity::emergency, 300s, now)},
       Health::healthy},
      {"critical hidden behind warnings",
       Level::optimal,
       {alert_of(Severity::warning, active, now), alert_of(Severity::warning, 1s, now),
        alert_of(Severity::critical, 200s, now)},
       Health::critical},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(health(c.level, c.alerts, now), c.health) << c.why;
  }
}

TEST(Health, AnAlertThatWasCriticalStaysSoForFiveMinutesEvenAsAWarning) {
  const MonoTime now = at(1h).mono;
  Alert eased = alert_of(Severity::warning, std::nullopt, now);
  eased.last_critical = now - 299s;
  EXPECT_EQ(health(Level::normal, std::vector{eased}, now), Health::critical);
  eased.last_critical = now - 300s;
  EXPECT_EQ(health(Level::normal, std::vector{eased}, now), Health::moderate);
}

TEST(CountsAsRecent, ActiveAlertsAlwaysDo) {
  const MonoTime now = at(24h).mono;
  Alert alert = alert_of(Severity::warning, std::nullopt, now);
  alert.last_active = now - 10h;  // nobody could read since
  EXPECT_TRUE(counts_as_recent(alert, now));
  alert.resolved_at = at(0s).wall;
  EXPECT_FALSE(counts_as_recent(alert, now));
}

}  // namespace
}  // namespace levee::policy
