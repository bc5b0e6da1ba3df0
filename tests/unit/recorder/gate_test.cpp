#include "recorder/incident_gate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/values.hpp"

namespace levee::recorder {
namespace {

using test::at;
using testing::ElementsAre;
using namespace std::chrono_literals;

Incident trigger_of(IncidentKind kind, std::chrono::milliseconds when, std::string reason = "why") {
  Incident incident;
  incident.kind = kind;
  incident.at = at(when);
  incident.reasons = {std::move(reason)};
  return incident;
}

TEST(IncidentGate, WaitsForTheAftermath) {
  IncidentGate gate;
  EXPECT_FALSE(gate.due(at(0s)));
  EXPECT_TRUE(gate.offer(trigger_of(IncidentKind::emergency, 0s), 5s));
  EXPECT_FALSE(gate.due(at(4999ms)));
  const auto incident = gate.due(at(5s));
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->id, "20260131T080509Z-emergency");
  EXPECT_FALSE(gate.due(at(6s)));
}

TEST(IncidentGate, TheKernelsWordNamesAStoryOfSeveralTriggers) {
  IncidentGate gate;
  EXPECT_TRUE(gate.offer(trigger_of(IncidentKind::emergency, 0s, "full"), 5s));
  EXPECT_TRUE(gate.offer(trigger_of(IncidentKind::job_killed, 1s, "job"), 5s));
  Incident kill = trigger_of(IncidentKind::oom_kill, 2s, "killed");
  kill.victims = {
      {.pid = 7, .comm = "x", .uid = {}, .rss = {}, .cgroup = {}, .own_cgroup = {}, .limit = {}}};
  EXPECT_TRUE(gate.offer(kill, 5s));
  EXPECT_TRUE(gate.offer(kill, 5s));
  const auto incident = gate.due(at(5s));
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->kind, IncidentKind::oom_kill);
  EXPECT_THAT(incident->reasons, ElementsAre("full", "job", "killed"));
  EXPECT_EQ(incident->victims.size(), 1U);
  EXPECT_EQ(incident->triggers, 4U);
  EXPECT_EQ(incident->at.mono, at(0s).mono);
}

TEST(IncidentGate, AStormMakesOneBundleAMinuteAndIsCounted) {
  IncidentGate gate;
  std::vector<Incident> saved;
  for (auto when = 0ms; when < 200s; when += 100ms) {
    gate.offer(trigger_of(IncidentKind::xid, when), 5s);
    if (auto incident = gate.due(at(when))) {
      saved.push_back(std::move(*incident));
    }
  }
  ASSERT_EQ(saved.size(), 4U);
  std::uint64_t told = 0;
  for (std::size_t i = 0; i < saved.size(); ++i) {
    told += saved[i].triggers + saved[i].unsaved_before;
    if (i > 0) {
      EXPECT_GE(saved[i].at.mono - saved[i - 1].at.mono, kIncidentGap);
    }
  }
  // All of them, but those of the last minute, which the next bundle would tell.
  EXPECT_GT(told, 1800U);
  EXPECT_LE(told, 2000U);
  EXPECT_GT(saved[1].unsaved_before, 500U);
}

TEST(IncidentGate, OtherKindsDoNotWaitForEachOther) {
  IncidentGate gate;
  EXPECT_TRUE(gate.offer(trigger_of(IncidentKind::xid, 0s), 0s));
  EXPECT_TRUE(gate.due(at(0s)));
  EXPECT_FALSE(gate.offer(trigger_of(IncidentKind::xid, 59s), 0s));
  EXPECT_TRUE(gate.offer(trigger_of(IncidentKind::on_demand, 59s), 0s));
  EXPECT_TRUE(gate.take());
  EXPECT_TRUE(gate.offer(trigger_of(IncidentKind::xid, 60s), 0s));
}

TEST(IncidentGate, AWallClockThatJumpsMovesNothing) {
  IncidentGate gate;
  EXPECT_TRUE(gate.offer(trigger_of(IncidentKind::xid, 0s), 5s));
  EXPECT_FALSE(gate.due(at(1s, 24h)));
  EXPECT_TRUE(gate.due(at(5s, -24h)));
}

TEST(IncidentGate, KeepsABoundedNumberOfReasons) {
  IncidentGate gate;
  for (int i = 0; i < 1000; ++i) {
    gate.offer(trigger_of(IncidentKind::on_demand, 0s, std::to_string(i)), 5s);
  }
  const auto incident = gate.take();
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->reasons.size(), kMostReasons);
  EXPECT_EQ(incident->triggers, 1000U);
}

}  // namespace
}  // namespace levee::recorder
