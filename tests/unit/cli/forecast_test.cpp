#include "render/forecast.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::cli {
namespace {

using testing::HasSubstr;

Json filling() {
  return Json::parse(
      R"({"pattern": "rising", "level_bytes": 21474836480, "limit_bytes": 25769803776,
    "bytes_per_second": 3670016, "projected": {"ahead_seconds": 60, "bytes": 21695037440,
    "low_bytes": 21600000000, "high_bytes": 21800000000, "percent": 84.2},
    "full_in_seconds": 240.0, "full_soonest_seconds": 200.0, "full_latest_seconds": null,
    "no_estimate": null, "growers": {"processes": [{"pid": 5204, "user": "alice",
    "comm": "python", "bytes_per_second": 3670016, "share": 1.0}], "users": []}})");
}

TEST(FullText, NamesTheTimeAndWhoFillsIt) {
  EXPECT_EQ(full_text(filling()), "full in ~4 min: alice/python 5204 +210 MiB/min");
  Json nobody = filling();
  nobody["growers"]["processes"].clear();
  EXPECT_EQ(full_text(nobody), "full in ~4 min");
}

TEST(FullText, IsEmptyWithoutAnEstimate) {
  Json calm = filling();
  calm["full_in_seconds"] = nullptr;
  EXPECT_EQ(full_text(calm), "");
  EXPECT_EQ(full_text(Json()), "");
}

TEST(RenderForecast, TellsTheIntervalAndWhyThereIsNoEstimate) {
  Json json = filling();
  EXPECT_THAT(render_forecast(json, Json(), Style{}),
              HasSubstr("in ~4 min (from 3 min, or never)"));
  json["full_latest_seconds"] = 400.0;
  EXPECT_THAT(render_forecast(json, Json(), Style{}), HasSubstr("(from 3 min to 7 min)"));
  json["full_in_seconds"] = nullptr;
  json["no_estimate"] = "saw_tooth";
  EXPECT_THAT(render_forecast(json, Json(), Style{}),
              HasSubstr("no estimate: it goes up and down, and its peaks do not rise"));
}

TEST(RenderForecast, OfJsonThatSaysNothingIsStillText) {
  EXPECT_THAT(render_forecast(Json(), Json(), Style{}), HasSubstr("no estimate: -"));
}

TEST(RenderForecast, ALeakIsNamedWithItsRate) {
  const Json leak = Json::parse(R"({"verdict": "leaking", "watched_seconds": 14400,
    "evidence_seconds": 5640, "bytes_per_hour": 209715200, "low_bytes_per_hour": 200000000,
    "high_bytes_per_hour": 220000000, "seconds_to_limit": 7200})");
  EXPECT_THAT(render_forecast(filling(), leak, Style{}),
              HasSubstr("memory leak detected: 200 MiB/h"));
}

}  // namespace
}  // namespace levee::cli
