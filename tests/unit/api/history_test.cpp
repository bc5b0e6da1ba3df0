// GET /api/v1/monitoring/history: from memory, from the store, or whichever reaches further back.
#include <gmock/gmock.h>

#include "unit/api/fixture.hpp"

namespace levee::api {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kPath = "/api/v1/monitoring/history";

/// What the store answers for the samples of a host, `age` back and `length` long.
std::vector<history::Bucket> stored_past(seconds age, seconds length, seconds width) {
  const auto samples =
      example_samples(later(example_now(), length - age), static_cast<int>(length.count()));
  std::vector<history::Point> points;
  for (const history::HostSample& sample : *samples) {
    std::ranges::move(history::points_of(sample), std::back_inserter(points));
  }
  return history::roll_up(points, width);
}

TEST(History, AnswersFromMemoryWhatMemoryCovers) {
  House house;
  house.view->samples = example_samples(example_now(), 900);
  const Json json = house.json(kPath);
  EXPECT_THAT(keys_of(json), ElementsAre("window_seconds", "covered_seconds", "resolution_seconds",
                                         "source", "from", "to", "count", "note", "history"));
  EXPECT_EQ(json["window_seconds"], 300);
  EXPECT_EQ(json["covered_seconds"], 300.0);
  EXPECT_EQ(json["resolution_seconds"], 1.0);
  EXPECT_EQ(json["source"], "memory");
  EXPECT_EQ(json["from"], "2026-01-31T08:00:09.123Z");
  EXPECT_EQ(json["to"], "2026-01-31T08:05:09.123Z");
  EXPECT_EQ(json["count"], 301);
  EXPECT_EQ(json["history"].size(), 301U);
  EXPECT_TRUE(house.queries.empty());
}

TEST(History, GivesEachMomentItsFields) {
  House house;
  house.view->samples = example_samples(example_now(), 300);
  const Json row = house.json(kPath)["history"][0];
  EXPECT_THAT(
      keys_of(row),
      ElementsAre("timestamp", "cpu_percent", "cpu_memory_percent", "cpu_memory_percent_max",
                  "gpu_memory_percent", "gpu_utilization", "memory_total_bytes",
                  "memory_available_bytes", "swap_used_bytes", "memory_pressure_percent"));
  EXPECT_EQ(row["timestamp"], "2026-01-31T08:00:09.123Z");
  EXPECT_EQ(row["cpu_percent"], 50.0);
  EXPECT_EQ(row["cpu_memory_percent"], 25.0);
  EXPECT_EQ(row["memory_available_bytes"], gib(24).count);
  EXPECT_EQ(row["memory_pressure_percent"], 2.5);
  EXPECT_TRUE(row["gpu_memory_percent"].is_null());
}

TEST(History, WritesNullForWhatWasNotMeasured) {
  House house;
  auto samples = *example_samples(example_now(), 300);
  samples.front().cpu_percent.reset();
  samples.front().swap_used.reset();
  samples.front().pressure_some_avg10.reset();
  samples.front().total = {};
  house.view->samples = std::make_shared<const std::vector<history::HostSample>>(samples);
  const Json row = house.json(kPath)["history"][0];
  for (const char* key : {"cpu_percent", "cpu_memory_percent", "cpu_memory_percent_max",
                          "swap_used_bytes", "memory_pressure_percent"}) {
    EXPECT_TRUE(row[key].is_null()) << key;
  }
}

TEST(History, AsksTheStoreForWhatLiesFurtherBack) {
  House house;
  house.stored = stored_past(hours{6}, hours{6}, seconds{10});
  const Json json = house.json(std::string(kPath) + "?window_seconds=43200");
  ASSERT_EQ(house.queries.size(), 1U);
  EXPECT_EQ(house.queries[0].width, seconds{10});
  EXPECT_EQ(house.queries[0].from, example_now().wall - hours{12});
  EXPECT_EQ(house.queries[0].to, example_now().wall);
  EXPECT_EQ(json["source"], "store");
  EXPECT_EQ(json["resolution_seconds"], 10.0);
  EXPECT_EQ(json["window_seconds"], 43200);
  EXPECT_NEAR(json["covered_seconds"].get<double>(), 21'600, 20);  // What exists: six hours.
  EXPECT_EQ(json["history"].size(), json["count"]);
  EXPECT_EQ(json["history"][0]["cpu_memory_percent"], 25.0);
  EXPECT_EQ(json["history"][0]["swap_used_bytes"], gib(1).count);
  EXPECT_EQ(json["history"][0]["memory_pressure_percent"], 2.5);
  EXPECT_EQ(json["history"][0]["cpu_percent"], 50.0);
}

TEST(History, ShowsTheWorstMomentOfABucket) {
  House house;
  std::vector<history::Point> points;
  for (const double available : {20.0, 10.0}) {
    points.push_back({"host/memory_total_bytes", example_now().wall - hours{1}, 40.0});
    points.push_back({"host/memory_available_bytes", example_now().wall - hours{1}, available});
  }
  house.stored = history::roll_up(points, seconds{10});
  const Json row = house.json(std::string(kPath) + "?window_seconds=7200")["history"][0];
  EXPECT_EQ(row["cpu_memory_percent"], 62.5);
  EXPECT_EQ(row["cpu_memory_percent_max"], 75.0);
}

TEST(History, ChoosesTheResolutionByHowLongItIsKept) {
  House house;
  const std::pair<const char*, seconds> cases[] = {
      {"3600", seconds{1}},       {"3601", seconds{10}},      {"86401", seconds{60}},
      {"1200000", seconds{60}},   {"1200060", seconds{3600}},  // Too many rows.
      {"2592001", seconds{3600}}, {"63072000", seconds{3600}}};
  for (const auto& [window, width] : cases) {
    house.queries.clear();
    (void)house.get(std::string(kPath) + "?window_seconds=" + window);
    ASSERT_EQ(house.queries.size(), 1U) << window;
    EXPECT_EQ(house.queries[0].width, width) << window;
  }
}

TEST(History, FallsBackToMemoryAndSaysWhyWithoutAStore) {
  House house;
  house.stored = fail(ErrorCode::unavailable, "the store is turned off");
  const Json json = house.json(std::string(kPath) + "?window_seconds=86400");
  EXPECT_EQ(json["source"], "memory");
  EXPECT_EQ(json["covered_seconds"], 10.0);
  EXPECT_THAT(json["note"].get<std::string>(), HasSubstr("turned off"));
}

TEST(History, PrefersMemoryWhenTheStoreReachesNoFurther) {
  House house;
  house.stored = stored_past(seconds{10}, seconds{10}, seconds{1});
  const Json json = house.json(kPath);
  EXPECT_EQ(json["source"], "memory");
  EXPECT_TRUE(json["note"].is_null());
}

TEST(History, UsesTheStoreRightAfterARestart) {
  House house;
  house.view->samples = std::make_shared<const std::vector<history::HostSample>>();
  house.stored = stored_past(seconds{280}, seconds{270}, seconds{1});
  EXPECT_EQ(house.json(kPath)["source"], "store");
}

TEST(History, BoundsTheRowsOfALongMemoryAndKeepsTheWorstMoment) {
  House house;
  auto samples = *example_samples(example_now(), 49'999);
  samples[1].available = gib(8);
  house.view->samples = std::make_shared<const std::vector<history::HostSample>>(samples);
  const Json json = house.json(std::string(kPath) + "?window_seconds=50000");
  EXPECT_EQ(json["source"], "memory");
  EXPECT_EQ(json["resolution_seconds"], 3.0);
  EXPECT_EQ(json["count"], 16'667);
  EXPECT_EQ(json["covered_seconds"], 49'999.0);
  EXPECT_EQ(json["history"][0]["cpu_memory_percent"], 25.0);
  EXPECT_EQ(json["history"][0]["cpu_memory_percent_max"], 75.0);
  EXPECT_EQ(json["history"][1]["cpu_memory_percent_max"], 25.0);
}

TEST(History, WritesNumbersWithTheirDecimals) {
  House house;
  auto samples = *example_samples(example_now(), 300);
  samples.front().cpu_percent = 0.04;
  samples.front().pressure_some_avg10 = 7.05;
  samples.back().cpu_percent = 99.96;
  samples.back().pressure_some_avg10 = std::numeric_limits<double>::infinity();
  house.view->samples = std::make_shared<const std::vector<history::HostSample>>(samples);
  const std::string body = *house.get(kPath).body;
  EXPECT_THAT(body, HasSubstr(R"("cpu_percent":0.0,)"));
  EXPECT_THAT(body, HasSubstr(R"("memory_pressure_percent":7.05})"));
  EXPECT_THAT(body, HasSubstr(R"("cpu_percent":100.0,)"));
  EXPECT_THAT(body, HasSubstr(R"("memory_pressure_percent":null})"));
}

TEST(History, IsEmptyBeforeAnythingIsKnown) {
  House house;
  house.view->samples = std::make_shared<const std::vector<history::HostSample>>();
  house.stored = std::vector<history::Bucket>{};
  const Json json = house.json(kPath);
  EXPECT_EQ(json["history"], Json::array());
  EXPECT_EQ(json["covered_seconds"], 0.0);
  EXPECT_TRUE(json["from"].is_null());
}

TEST(History, RefusesWindowsThatAreNone) {
  House house;
  for (const char* window :
       {"", "0", "-1", "-300", "63072001", "99999999999", "18446744073709551616", "1e3", "300.5",
        "300s", "5m", "%20300", "+300", "0x12c", "NaN", "inf", "three"}) {
    const Response response = house.get(std::string(kPath) + "?window_seconds=" + window);
    EXPECT_EQ(response.status, 400) << window;
    EXPECT_THAT(json_of(response)["detail"].get<std::string>(), HasSubstr("63072000")) << window;
  }
  EXPECT_TRUE(house.queries.empty());
}

TEST(History, TakesTheSmallestAndTheLargestWindow) {
  House house;
  EXPECT_EQ(house.json(std::string(kPath) + "?window_seconds=1")["count"], 2);
  EXPECT_EQ(house.get(std::string(kPath) + "?window_seconds=63072000").status, 200);
}

}  // namespace
}  // namespace levee::api
