#include "policy/thresholds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

namespace levee::policy {
namespace {

using testing::HasSubstr;

TEST(ValidateThresholds, AcceptsTheDefaultsAndTheEdges) {
  EXPECT_TRUE(validate({}));
  Thresholds t;
  t.memory_optimal = 0.1;
  t.memory_normal = 0.2;
  t.memory_critical = 100;
  t.cpu_memory_critical = 100;
  t.memory_pressure_threshold = 1;
  t.hysteresis = 0.05;
  EXPECT_TRUE(validate(t));
}

struct Bad {
  const char* named;  // what the message must name
  std::function<void(Thresholds&)> spoil;
};

class BadThresholds : public testing::TestWithParam<Bad> {};

TEST_P(BadThresholds, AreRefusedByName) {
  Thresholds t;
  GetParam().spoil(t);
  const auto checked = validate(t);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(checked.error().message, HasSubstr(GetParam().named));
  EXPECT_FALSE(checked.error().hint.empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, BadThresholds,
    testing::Values(
        Bad{"memory_optimal", [](auto& bad) { bad.memory_optimal = 0; }},
        Bad{"memory_optimal", [](auto& bad) { bad.memory_optimal = -1; }},
        Bad{"memory_optimal", [](auto& bad) { bad.memory_optimal = std::nan(""); }},
        Bad{"memory_optimal", [](auto& bad) { bad.memory_optimal = 85; }},  // equal is out of order
        Bad{"memory_normal", [](auto& bad) { bad.memory_normal = 96; }},
        Bad{"memory_normal", [](auto& bad) { bad.memory_normal = 60; }},
        Bad{"memory_critical", [](auto& bad) { bad.memory_critical = 100.1; }},
        Bad{"memory_critical", [](auto& bad) { bad.memory_critical = HUGE_VAL; }},
        Bad{"memory_critical", [](auto& bad) { bad.memory_critical = 85; }},
        Bad{"cpu_memory_warning", [](auto& bad) { bad.cpu_memory_warning = 0; }},
        Bad{"cpu_memory_warning", [](auto& bad) { bad.cpu_memory_warning = 90; }},
        Bad{"cpu_memory_critical", [](auto& bad) { bad.cpu_memory_critical = 101; }},
        Bad{"cpu_memory_critical", [](auto& bad) { bad.cpu_memory_critical = std::nan(""); }},
        Bad{"host_available_emergency", [](auto& bad) { bad.host_available_emergency = gib(4); }},
        Bad{"host_available_warning", [](auto& bad) { bad.host_available_warning = gib(1); }},
        Bad{"hysteresis", [](auto& bad) { bad.hysteresis = -0.1; }},
        Bad{"hysteresis", [](auto& bad) { bad.hysteresis = 70; }},
        Bad{"hysteresis", [](auto& bad) { bad.hysteresis = std::nan(""); }},
        Bad{"memory_pressure_threshold", [](auto& bad) { bad.memory_pressure_threshold = 0; }},
        Bad{"memory_pressure_threshold", [](auto& bad) { bad.memory_pressure_threshold = 85; }},
        Bad{"memory_pressure_threshold",
            [](auto& bad) { bad.memory_pressure_threshold = std::nan(""); }}));

TEST(ValidateThresholds, OrderMessageShowsBothValues) {
  Thresholds t;
  t.memory_normal = 96.5;
  const auto checked = validate(t);
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message, HasSubstr("memory_normal = 96.5 %"));
  EXPECT_THAT(checked.error().message, HasSubstr("memory_critical = 95 %"));
}

TEST(HostLines, AreAbsoluteFromSixteenGigabytesOn) {
  for (const Bytes total : {gib(16), gib(64), gib(2048)}) {
    const HostLines lines = host_lines(total, {});
    EXPECT_EQ(lines.warning, gib(4));
    EXPECT_EQ(lines.emergency, gib(2));
    EXPECT_FALSE(lines.capped);
  }
}

TEST(HostLines, AreCappedBelow) {
  const HostLines eight = host_lines(gib(8), {});
  EXPECT_EQ(eight.warning, gib(2));
  EXPECT_EQ(eight.emergency, gib(1));
  EXPECT_TRUE(eight.capped);
  const HostLines nearly = host_lines(gib(16) - Bytes{8}, {});
  EXPECT_EQ(nearly.warning, gib(4) - Bytes{2});
  EXPECT_EQ(nearly.emergency, gib(2) - Bytes{1});
  EXPECT_TRUE(nearly.capped);
}

TEST(HostLines, TheCapLowersAndNeverRaises) {
  Thresholds t;
  t.host_available_warning = gib(1);
  t.host_available_emergency = mib(512);
  const HostLines lines = host_lines(gib(8), t);
  EXPECT_EQ(lines.warning, gib(1));
  EXPECT_EQ(lines.emergency, mib(512));
  EXPECT_FALSE(lines.capped);
  t.host_available_warning = gib(7);
  EXPECT_EQ(host_lines(gib(8), t).warning, gib(2));
  EXPECT_TRUE(host_lines(gib(8), t).capped);
}

TEST(HostLines, EmergencyStaysBelowWarningOnEveryMachine) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 10'000; ++i) {
    Thresholds t;
    t.host_available_emergency = Bytes{random() % (8 * kGiB)};
    t.host_available_warning = t.host_available_emergency + Bytes{1 + random() % (8 * kGiB)};
    const Bytes total{kMiB + random() % (32 * kGiB)};
    const HostLines lines = host_lines(total, t);
    ASSERT_LT(lines.emergency, lines.warning) << total.count;
    ASSERT_LE(lines.warning, t.host_available_warning);
    ASSERT_LE(lines.emergency, t.host_available_emergency);
  }
}

}  // namespace
}  // namespace levee::policy
