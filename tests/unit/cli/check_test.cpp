#include "render/check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/cli/examples.hpp"

namespace levee::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Case {
  const char* health;
  const char* word;
  int exit_code;
};
class EveryHealth : public testing::TestWithParam<Case> {};
TEST_P(EveryHealth, HasItsWordAndExitCode) {
  const Verdict verdict = judge(example_report(GetParam().health));
  EXPECT_EQ(verdict.word, GetParam().word);
  EXPECT_EQ(verdict.exit_code, GetParam().exit_code);
}
INSTANTIATE_TEST_SUITE_P(Judge, EveryHealth,
                         testing::Values(Case{"healthy", "safe", 0}, Case{"moderate", "warning", 1},
                                         Case{"critical", "critical", 2},
                                         Case{"unknown", "unknown", 3},
                                         Case{"splendid", "unknown", 3}, Case{"", "unknown", 3}));

TEST(Judge, KnowsNothingOfAnAnswerOfAnotherShape) {
  for (const char* text : {"null", "[]", "{}", R"({"health_status": 0})",
                           R"({"health_status": null, "alerts": 3, "current": []})"}) {
    EXPECT_EQ(judge(Json::parse(text)).exit_code, 3) << text;
  }
}

TEST(Judge, SaysEmergencyWhileOneLasts) {
  Json report = example_report("critical");
  Json alert = example_alert();
  alert["severity"] = "emergency";
  report["alerts"]["recent"].push_back(alert);
  EXPECT_EQ(judge(report).word, "emergency");
  EXPECT_EQ(judge(report).exit_code, 2);
  report["alerts"]["recent"][0]["resolved_at"] = "2026-01-31T08:05:00.123Z";
  EXPECT_EQ(judge(report).word, "critical");
}

TEST(Judge, PutsTheWorstActiveAlertFirst) {
  Json report = example_report("critical");
  Json over = example_alert();
  over["resolved_at"] = "2026-01-31T08:05:00.123Z";
  over["severity"] = "emergency";
  Json critical = example_alert();
  critical["severity"] = "critical";
  critical["value"] = 93;
  critical["threshold"] = 90;
  report["alerts"]["recent"] = {example_alert(), over, critical};
  EXPECT_THAT(judge(report).reasons,
              ElementsAre(HasSubstr("93.0 % > 90 %"), HasSubstr("82.1 % > 80 % by alice"),
                          HasSubstr("82.1 % > 80 %, over for 9s by alice")));
}

TEST(Judge, GivesTheStateAsAReasonWhenNoAlertIs) {
  Json report = example_report("critical");
  report["current"]["state"] = "critical";
  EXPECT_THAT(judge(report).reasons, ElementsAre("the host's memory is in state critical"));
}

TEST(Judge, SaysWhyItDoesNotKnow) {
  Json report = example_report("unknown");
  report["current"]["host"] = nullptr;
  report["current"]["troubles"].push_back({{"detail", "cannot read /proc/meminfo"}});
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.memory, "");
  EXPECT_THAT(verdict.reasons,
              ElementsAre("no fresh reading of the host's memory", "cannot read /proc/meminfo"));
}

TEST(RenderCheck, IsOneLine) {
  EXPECT_EQ(render_check(judge(example_report("healthy")), Style{}),
            "safe: 21.9 GiB of 23.4 GiB available\n");
  Json report = example_report("moderate");
  report["alerts"]["recent"].push_back(example_alert());
  EXPECT_EQ(render_check(judge(report), Style{}),
            "warning: 21.9 GiB of 23.4 GiB available; cpu_memory 82.1 % > 80 % by "
            "alice:python/5204 (5.00 GiB, +210 MiB/min)\n");
  EXPECT_EQ(render_check(judge(Json()), Style{}),
            "unknown: no fresh reading of the host's memory\n");
}

TEST(RenderCheck, IsColouredByItsExitCode) {
  EXPECT_THAT(render_check(judge(example_report("moderate")), Style{.color = true}),
              HasSubstr("\x1b[38;5;208mwarning\x1b[0m"));
}

TEST(CheckJson, CarriesTheExitCodeAndTheReasons) {
  Json report = example_report("moderate");
  report["alerts"]["recent"].push_back(example_alert());
  const Json json = check_json(judge(report), report, true);
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_EQ(json["health"], "moderate");
  EXPECT_EQ(json["available_bytes"], 23506976768);
  EXPECT_EQ(json["reasons"].size(), 1U);
  EXPECT_EQ(json["daemon"], true);
  EXPECT_TRUE(check_json(judge(Json()), Json(), false)["available_bytes"].is_null());
}

}  // namespace
}  // namespace levee::cli
