#include "render/alerts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/time_text.hpp"
#include "unit/cli/examples.hpp"

namespace levee::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

const WallTime kNow = *parse_iso8601("2026-01-31T08:05:09.123Z");
const Style kUtc{.width = 0, .color = false, .charset = Charset::utf8, .utc = true};

TEST(RenderAlerts, SaysThatThereAreNone) {
  EXPECT_EQ(render_alerts(Json::parse(R"({"alerts": [], "total": 0})"), kNow, kUtc), "no alerts\n");
  EXPECT_EQ(render_alerts(Json(), kNow, kUtc), "no alerts\n");
}

TEST(RenderAlerts, IsATableWithDurationAndCulprit) {
  Json over = example_alert();
  over["resolved_at"] = "2026-01-31T08:02:00.100Z";
  over["culprit"] = nullptr;
  const Json answer = {{"alerts", {example_alert(), over}}, {"total", 2}};
  EXPECT_EQ(render_alerts(answer, kNow, kUtc),
            "TIME                 SEVERITY  TYPE        VALUE   THRESHOLD  DURATION       CULPRIT\n"
            "2026-01-31 08:01:49  warning   cpu_memory  82.1 %  > 80 %     3m 20s, lasts  "
            "alice:python/5204 (5.00 GiB, +210 MiB/min)\n"
            "2026-01-31 08:01:49  warning   cpu_memory  82.1 %  > 80 %     11s            -\n");
}

TEST(RenderAlerts, SaysForWhichTimeThereAreNone) {
  const Json answer = Json::parse(R"({"alerts": [], "total": 0, "window_seconds": 7200})");
  EXPECT_EQ(render_alerts(answer, kNow, kUtc), "no alerts in the last 2h 0m\n");
}

TEST(RenderAlerts, DoesNotClaimThatAnAlertLastsWhoseEndNobodySaw) {
  Json lost = example_alert();
  lost["lasts"] = nullptr;
  lost["last_seen"] = "2026-01-31T08:02:19.100Z";
  const std::string text = render_alerts({{"alerts", {lost}}}, kNow, kUtc);
  EXPECT_THAT(text, HasSubstr("> 80 %     30s, end unknown  alice"));
  EXPECT_THAT(text, Not(HasSubstr("lasts")));
}

TEST(RenderAlerts, SaysWhyEarlierOnesAreMissing) {
  Json answer = {{"alerts", {example_alert()}}, {"note", "the store is turned off"}};
  EXPECT_THAT(render_alerts(answer, kNow, kUtc), HasSubstr("note: the store is turned off\n"));
  answer["alerts"] = Json::array();
  EXPECT_EQ(render_alerts(answer, kNow, kUtc), "no alerts\nnote: the store is turned off\n");
}

TEST(RenderAlerts, SaysWhenThereAreMore) {
  const Json answer = {{"alerts", {example_alert()}}, {"total", 7}};
  EXPECT_THAT(render_alerts(answer, kNow, kUtc), HasSubstr("1 of 7; --limit shows more\n"));
}

TEST(RenderAlerts, ShowsUnknownFieldsAsADash) {
  const Json answer = {{"alerts", {Json::object(), 5}}};
  EXPECT_THAT(render_alerts(answer, kNow, kUtc),
              HasSubstr("-     -         -     -      -          -         -\n"));
}

}  // namespace
}  // namespace levee::cli
