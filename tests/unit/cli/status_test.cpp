#include "render/status.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/cli/examples.hpp"

namespace levee::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

const Style kPlain{.width = 0, .color = false, .charset = Charset::utf8, .utc = true};

TEST(RenderStatus, ShowsHeadAndHostInGpustatsManner) {
  EXPECT_EQ(render_status(example_overview(), Source::daemon, kPlain),
            "train-1  2026-01-31 08:05:09  levee 0.1.0 (daemon pid 812)\n"
            "[host] Linux memory | cpu 12 % |   1534 / 23952 MiB (6 %) | "
            "alice:python/5204(811M) bob:node/77(100M) root:sshd/9(12M) | optimal 1.0x | swap -\n");
}

TEST(RenderStatus, KeepsMemoryInTheThirdField) {
  const std::string text = render_status(example_overview(), Source::daemon, kPlain);
  const std::string host = text.substr(text.find("[host]"));
  const std::size_t second = host.find('|', host.find('|') + 1);
  EXPECT_THAT(host.substr(second, host.find('|', second + 1) - second),
              HasSubstr("1534 / 23952 MiB"));
}

TEST(RenderStatus, SaysWhenItWasOneLook) {
  EXPECT_THAT(render_status(example_overview(), Source::one_look, kPlain),
              HasSubstr("(no daemon: one look)"));
  EXPECT_THAT(render_status(example_overview(), Source::one_look_beside_a_silent_daemon, kPlain),
              HasSubstr("(daemon silent: one look)"));
}

TEST(RenderStatus, ShowsUnknownValuesAsADash) {
  Json overview = example_overview();
  overview["host"] = nullptr;
  overview["state"] = "unavailable";
  overview["speed_multiplier"] = nullptr;
  overview["processes"] = Json::array();
  EXPECT_THAT(render_status(overview, Source::daemon, kPlain),
              HasSubstr("| cpu - |      - / - MiB (-) | - | unavailable - | swap -\n"));
}

TEST(RenderStatus, TellsUnusedSwapFromNoSwap) {
  Json overview = example_overview();
  overview["host"]["swap_total_bytes"] = 4294967296;
  overview["host"]["swap_used_bytes"] = 0;
  EXPECT_THAT(render_status(overview, Source::daemon, kPlain), HasSubstr("| swap 0 / 4096 MiB"));
  overview["host"]["swap_used_bytes"] = nullptr;
  EXPECT_THAT(render_status(overview, Source::daemon, kPlain), HasSubstr("| swap - / 4096 MiB"));
}

TEST(RenderStatus, NamesTheCgroupWhenItsLimitCounts) {
  Json overview = example_overview();
  overview["host"]["ceiling"] = {{"path", "/docker/3f"}};
  EXPECT_THAT(render_status(overview, Source::daemon, kPlain), HasSubstr("[host] cgroup memory |"));
}

TEST(RenderStatus, SurvivesAnAnswerOfAnyShape) {
  for (const char* text :
       {"null", "[]", "3", "\"x\"", "{}", R"({"host": 7, "alerts": [], "processes": {"a": 1}})",
        R"({"host": {"used_bytes": "many"}, "alerts": {"active": [1, null, {}]}, "troubles": [2]})",
        R"({"query_time": 5, "daemon": [], "processes": [null, 3, {"pid": -1e300}]})"}) {
    EXPECT_THAT(render_status(Json::parse(text), Source::daemon, kPlain), HasSubstr("[host]"))
        << text;
  }
}

TEST(RenderStatus, ShowsActiveAlertsWithTheirCulprit) {
  Json overview = example_overview();
  overview["alerts"]["active"].push_back(example_alert());
  const std::string text = render_status(overview, Source::daemon, kPlain);
  EXPECT_THAT(text, HasSubstr("  warning   cpu_memory: 82.1 % > 80 % for 3m 20s by "
                              "alice:python/5204 (5.00 GiB, +210 MiB/min)\n"));
}

TEST(RenderStatus, ExplainsAHealthThatContradictsTheState) {
  Json overview = example_overview();
  overview["health"] = "moderate";
  EXPECT_THAT(render_status(overview, Source::daemon, kPlain), HasSubstr("health: moderate"));
  overview["alerts"]["active"].push_back(example_alert());
  EXPECT_THAT(render_status(overview, Source::daemon, kPlain), Not(HasSubstr("health: moderate")));
}

TEST(RenderStatus, ShowsTroublesWithTheirHint) {
  Json overview = example_overview();
  overview["troubles"].push_back(
      {{"source", "pressure"}, {"detail", "cannot read it"}, {"hint", "boot with psi=1"}});
  overview["store"] = {{"enabled", true}, {"durable", false}, {"reason", "disk full"}};
  const std::string text = render_status(overview, Source::daemon, kPlain);
  EXPECT_THAT(text, HasSubstr("trouble: pressure: cannot read it\n  hint: boot with psi=1\n"));
  EXPECT_THAT(text, HasSubstr("trouble: history is kept in memory only: disk full\n"));
}

TEST(RenderStatus, SaysHowOldAStaleReadingIs) {
  Json overview = example_overview();
  overview["host"]["stale"] = true;
  overview["sample_age_seconds"] = 12.4;
  EXPECT_THAT(render_status(overview, Source::daemon, kPlain),
              HasSubstr("the host's figures are 12 s old"));
}

TEST(RenderStatus, FitsTheTerminal) {
  Json overview = example_overview();
  overview["alerts"]["active"].push_back(example_alert());
  for (const std::size_t width : {1U, 20U, 40U, 80U, 120U}) {
    const std::string text =
        render_status(overview, Source::daemon, Style{.width = width, .utc = true});
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      EXPECT_LE(columns(text.substr(at, end - at)), width);
      at = end + 1;
    }
  }
}

TEST(RenderStatus, ColoursTheStateAsTheContractSays) {
  const Style color{.width = 0, .color = true, .charset = Charset::utf8, .utc = true};
  Json overview = example_overview();
  EXPECT_THAT(render_status(overview, Source::daemon, color),
              HasSubstr("\x1b[32moptimal 1.0x\x1b[0m"));
  overview["state"] = "throttled";
  EXPECT_THAT(render_status(overview, Source::daemon, color),
              HasSubstr("\x1b[38;5;208mthrottled 1.0x"));
  EXPECT_EQ(render_status(overview, Source::daemon, kPlain).find('\x1b'), std::string::npos);
}

TEST(RenderStatus, IsPureAsciiWhenAsked) {
  Json overview = example_overview();
  overview["processes"][0]["user"] = "zoë";
  const std::string text =
      render_status(overview, Source::daemon,
                    Style{.width = 60, .color = false, .charset = Charset::ascii, .utc = true});
  EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c > 0; })) << text;
}

TEST(ProcessText, LeavesOutGrowthThatIsNoise) {
  EXPECT_EQ(process_text(Json::parse(
                R"({"pid": 7, "user": "a", "comm": "b", "rss_bytes": 1048576,
                    "growth_bytes_per_second": 100})")),
            "a:b/7 (1.00 MiB)");
  EXPECT_EQ(process_text(Json()), "");
  EXPECT_EQ(process_text(Json::object()), "-:-/- (-)");
}

TEST(ProcessText, ShowsShrinkingWithItsSign) {
  EXPECT_THAT(process_text(Json::parse(
                  R"({"pid": 7, "rss_bytes": 1048576, "growth_bytes_per_second": -1048576})")),
              HasSubstr(", -60.0 MiB/min"));
}

TEST(CrossingText, PointsTheWayTheThresholdLooks) {
  EXPECT_EQ(crossing_text(example_alert()), "82.1 % > 80 %");
  EXPECT_EQ(crossing_text(Json::parse(
                R"({"type": "host_available", "unit": "GB", "value": 1.8, "threshold": 2.925})")),
            "1.8 GB < 2.925 GB");
  EXPECT_EQ(crossing_text(Json::object()), "- -");
}

}  // namespace
}  // namespace levee::cli
