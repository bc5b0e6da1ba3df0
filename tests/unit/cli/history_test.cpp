#include "render/history.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/time_text.hpp"
#include "render/chart.hpp"

namespace levee::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

const WallTime kStart = *parse_iso8601("2026-01-31T08:00:00.000Z");
const Style kNarrow{.width = 25, .color = false, .charset = Charset::utf8, .utc = true};
const Style kNarrowAscii{.width = 25, .color = false, .charset = Charset::ascii, .utc = true};

Chart chart_of(const std::vector<std::optional<double>>& values) {
  Chart chart;
  chart.rows = 2;
  chart.label = [](double value) { return std::to_string(static_cast<int>(value)); };
  chart.color = [](double) { return Color::plain; };
  for (std::size_t i = 0; i < values.size(); ++i) {
    chart.points.push_back({kStart + std::chrono::seconds(i), values[i]});
  }
  return chart;
}

TEST(Bars, TakeTheWorstOfEachColumn) {
  EXPECT_THAT(bars(chart_of({1, 9, 2, 3}), 2), ElementsAre(9, 3));
}

TEST(Bars, StretchWhenThereAreFewerPointsThanColumns) {
  EXPECT_THAT(bars(chart_of({1, 2}), 4), ElementsAre(1, 1, 2, 2));
}

TEST(Bars, LeaveAHoleWhereNothingIsKnown) {
  EXPECT_THAT(bars(chart_of({1, std::nullopt, 3}), 3), ElementsAre(1, std::nullopt, 3));
  Chart gap = chart_of({1, 2});
  gap.points[1].at = kStart + 9s;  // Nobody watched for 8 s.
  EXPECT_THAT(bars(gap, 10),
              ElementsAre(1, 1, std::nullopt, std::nullopt, std::nullopt, std::nullopt,
                          std::nullopt, std::nullopt, std::nullopt, 2));
}

TEST(Bars, SurviveAClockThatWasSetBack) {
  Chart chart = chart_of({1, 2, 3});
  chart.points[1].at = kStart - 1h;
  EXPECT_EQ(bars(chart, 5).size(), 5U);
  chart.points[2].at = kStart - 2h;  // Even the end lies before the start.
  EXPECT_EQ(bars(chart, 5).size(), 5U);
}

TEST(Bars, AreNoneWithoutPointsOrWidth) {
  EXPECT_THAT(bars(chart_of({}), 2), ElementsAre(std::nullopt, std::nullopt));
  EXPECT_TRUE(bars(chart_of({1}), 0).empty());
}

TEST(RenderChart, DrawsBlocksWithBothAxes) {
  EXPECT_EQ(render_chart(chart_of({0, 50, 100, std::nullopt}), kNarrow),
            "100 │          █████     \n"
            "  0 │▁▁▁▁▁██████████     \n"
            "     08:00:00    08:00:03\n");
}

TEST(RenderChart, DrawsPlainCharactersInAscii) {
  const std::string text = render_chart(chart_of({0, 50, 100, std::nullopt}), kNarrowAscii);
  EXPECT_THAT(text, HasSubstr("100 |          #####     \n  0 |.....##########     \n"));
}

TEST(RenderChart, ShowsAKnownZeroButNoUnknown) {
  EXPECT_THAT(render_chart(chart_of({0}), kNarrow), HasSubstr("▁"));
  EXPECT_THAT(render_chart(chart_of({std::nullopt}), kNarrow), Not(HasSubstr("▁")));
}

TEST(RenderChart, IsEmptyWithoutPointsOrScale) {
  EXPECT_EQ(render_chart(chart_of({}), kNarrow), "");
  Chart flat = chart_of({1});
  flat.top = 0;
  EXPECT_EQ(render_chart(flat, kNarrow), "");
}

TEST(RenderChart, KeepsValuesBeyondTheTopInside) {
  EXPECT_EQ(render_chart(chart_of({5000}), kNarrow), render_chart(chart_of({100}), kNarrow));
}

TEST(RoundUp, GivesFriendlyUpperEdges) {
  EXPECT_EQ(round_up_decimal(0, 1), 1);
  EXPECT_EQ(round_up_decimal(1.2, 1), 2);
  EXPECT_EQ(round_up_decimal(21, 1), 50);
  EXPECT_EQ(round_up_decimal(50, 1), 50);
  EXPECT_EQ(round_up_decimal(51, 1), 100);
  EXPECT_EQ(round_up_binary(3, 1), 4);
  EXPECT_EQ(round_up_binary(0, 1), 1);
}

Json example_history() {
  return Json::parse(R"({
    "window_seconds": 300, "covered_seconds": 2, "resolution_seconds": 1.0, "source": "memory",
    "count": 3, "note": null,
    "history": [
      {"timestamp": "2026-01-31T08:00:00.000Z", "cpu_percent": null, "cpu_memory_percent": 10.0,
       "cpu_memory_percent_max": 12.0, "swap_used_bytes": 0, "memory_pressure_percent": 0.0},
      {"timestamp": "2026-01-31T08:00:01.000Z", "cpu_percent": 50.0, "cpu_memory_percent": 20.0,
       "cpu_memory_percent_max": 99.0, "swap_used_bytes": 3221225472, "memory_pressure_percent": 3},
      {"timestamp": "2026-01-31T08:00:02.000Z", "cpu_percent": 70.0, "cpu_memory_percent": 30.0,
       "cpu_memory_percent_max": 30.0, "swap_used_bytes": null, "memory_pressure_percent": 1}]
  })");
}

TEST(RenderHistory, SumsUpAndSaysWhatIsCovered) {
  const auto text = render_history(example_history(), "memory", Style{.width = 60, .utc = true});
  ASSERT_TRUE(text.has_value());
  EXPECT_THAT(*text, HasSubstr("memory used  now 30.0 %, min 10.0 %, avg 20.0 %, max 99.0 %\n"));
  EXPECT_THAT(*text, HasSubstr("covers 2s of the last 5m 0s, every 1s, from memory\n"));
  EXPECT_THAT(*text, HasSubstr("100.0 % │"));
}

TEST(RenderHistory, LeavesUnknownValuesOutOfTheMean) {
  const auto cpu = render_history(example_history(), "cpu", Style{});
  EXPECT_THAT(*cpu, HasSubstr("now 70.0 %, min 50.0 %, avg 60.0 %, max 70.0 %\n"));
  const auto swap = render_history(example_history(), "swap", Style{});
  EXPECT_THAT(*swap, HasSubstr("now -, min 0 B, avg 1.50 GiB, max 3.00 GiB\n"));
  EXPECT_THAT(*swap, HasSubstr("4.00 GiB │"));
}

TEST(RenderHistory, ScalesPressureToItsData) {
  EXPECT_THAT(*render_history(example_history(), "pressure", Style{}), HasSubstr("5.0 % │"));
}

TEST(RenderHistory, SaysWhenNothingIsKnown) {
  for (const char* text : {"null", "{}", "[]", R"({"history": []})",
                           R"({"history": [1, {"timestamp": "yesterday"}, {}]})"}) {
    const auto shown_text = render_history(Json::parse(text), "memory", Style{});
    ASSERT_TRUE(shown_text.has_value());
    EXPECT_THAT(*shown_text, HasSubstr("nothing is known of memory in this window\n")) << text;
  }
}

TEST(RenderHistory, PassesOnWhyThereIsNoMore) {
  Json answer = example_history();
  answer["note"] = "older history cannot be read: disk full";
  EXPECT_THAT(*render_history(answer, "memory", Style{}), HasSubstr("disk full\n"));
}

TEST(RenderHistory, RefusesAnUnknownSeriesWithASuggestion) {
  const auto text = render_history(example_history(), "memroy", Style{});
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(text.error().hint, HasSubstr("did you mean memory?"));
  EXPECT_THAT(render_history(Json(), "", Style{}).error().hint,
              HasSubstr("accepted: memory, cpu, swap, pressure"));
}

}  // namespace
}  // namespace levee::cli
