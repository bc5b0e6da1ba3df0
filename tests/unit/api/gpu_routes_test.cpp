// /api/v1/gpus… and /api/gpu/…: the right answers, and what is refused.
#include <gmock/gmock.h>

#include "unit/api/gpu_fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A house with GPUs.
class GpuHouse : public House {
 public:
  explicit GpuHouse(std::vector<GpuReading> gpus) { view = view_with(std::move(gpus)); }
};

/// The `data` of a good answer of the GPU manager.
Json data_of(House& house, std::string target) {
  const Json json = house.json(std::move(target));
  EXPECT_EQ(json.value("success", false), true);
  return json.value("data", Json());
}

void with_settings(House& house, std::map<std::string, std::string> keys) {
  config::Inputs inputs;
  inputs.command_line = std::move(keys);
  house.view->settings =
      std::make_shared<const config::Settings>(config::Settings::load(std::move(inputs)).value());
}

// --- /api/v1/gpus

TEST(GetGpus, ListsEveryDeviceOrTheOneAskedFor) {
  GpuHouse house({example_gpu(0), example_instance(), example_gpu(1)});
  const Json all = house.json("/api/v1/gpus");
  EXPECT_THAT(keys_of(all), ElementsAre("timestamp", "count", "gpus", "troubles"));
  EXPECT_EQ(all["count"], 3);
  EXPECT_EQ(all["gpus"].size(), 3U);
  const Json one = house.json("/api/v1/gpus?gpu_id=1");
  EXPECT_EQ(one["count"], 1);
  EXPECT_EQ(one["gpus"][0]["uuid"], "GPU-00000001-aaaa");
  EXPECT_EQ(house.json("/api/v1/gpus?gpu_id=MIG-1234")["gpus"][0]["mig_profile"], "3g.40gb");
}

TEST(GetGpus, AnswersWithoutAny) {
  House house;
  EXPECT_EQ(house.json("/api/v1/gpus")["gpus"], Json::array());
  const Response missing = house.get("/api/v1/gpus?gpu_id=0");
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(json_of(missing)["hint"].get<std::string>(), HasSubstr("levee doctor"));
}

TEST(GetGpuHistory, ShowsTheWindowThatIsAskedFor) {
  GpuHouse house({example_gpu()});
  remember(*house.view, 0, {40, 50, 60, 70});
  const Json json = house.json("/api/v1/gpus/history?gpu_id=0&window_seconds=2");
  EXPECT_EQ(json["uuid"], "GPU-00000000-aaaa");
  EXPECT_EQ(json["window_seconds"], 2);
  EXPECT_EQ(json["count"], json["history"].size());
  ASSERT_GE(json["history"].size(), 2U);
  EXPECT_LE(json["history"].size(), 3U);
  const Json& newest = json["history"].back();
  EXPECT_THAT(keys_of(newest),
              ElementsAre("timestamp", "memory_used_bytes", "memory_percent", "temperature_celsius",
                          "utilization_percent", "power_watts"));
  EXPECT_EQ(newest["temperature_celsius"], 70);
  EXPECT_EQ(newest["memory_percent"], 37.5);
  EXPECT_EQ(house.json("/api/v1/gpus/history")["count"], 4);
}

TEST(GetGpuHistory, ShowsUnknownValuesAsNull) {
  GpuHouse house({bare_gpu()});
  house.view->gpus[0].past.append(
      history::gpu_sample(*house.view->gpus[0].reading, house.view->snapshot->at),
      std::chrono::hours{1});
  const Json row = house.json("/api/v1/gpus/history")["history"][0];
  EXPECT_TRUE(row["memory_used_bytes"].is_null());
  EXPECT_TRUE(row["temperature_celsius"].is_null());
}

// --- /api/gpu

TEST(GpuManager, SaysUnavailableWhereThereIsNoGpu) {
  House house;
  const Json status = data_of(house, "/api/gpu/status?gpu_id=0");
  EXPECT_EQ(status["available"], false);
  EXPECT_EQ(status["gpu_id"], 0);
  EXPECT_EQ(status["state"], "unavailable");
  EXPECT_EQ(data_of(house, "/api/gpu/status"), status);
  EXPECT_EQ(data_of(house, "/api/gpu/dashboard"),
            Json::parse(R"({"available": false, "state_color": "gray"})"));
  EXPECT_EQ(data_of(house, "/api/gpu/status/all"), Json::array());
}

TEST(GpuManager, LeavesInstancesOutOfTheListOfAll) {
  GpuHouse house({example_gpu(0), example_instance(), example_gpu(1)});
  const Json all = data_of(house, "/api/gpu/status/all");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1]["gpu_id"], 1);
  EXPECT_EQ(data_of(house, "/api/gpu/status?gpu_id=MIG-1234")["memory"]["total_mb"], 4096);
}

TEST(GpuManager, TrendHasTheDocumentedKeysFirst) {
  GpuHouse house({example_gpu()});
  remember(*house.view, 0, {60, 62, 64, 66, 68, 70});
  EXPECT_EQ(data_of(house, "/api/gpu/temperature/trend?gpu_id=0&duration=5"), Json::parse(R"({
    "gpu_id": 0, "duration_minutes": 5, "current_temp": 70.0, "avg_temp": 65.0, "min_temp": 60.0,
    "max_temp": 70.0, "trend": "rising", "celsius_per_minute": 120.0, "samples": 6,
    "covered_seconds": 5.0})"));
}

TEST(GpuManager, TrendOfNothingIsUnknown) {
  GpuHouse house({bare_gpu()});
  const Json trend = data_of(house, "/api/gpu/temperature/trend");
  EXPECT_EQ(trend["trend"], "unknown");
  EXPECT_TRUE(trend["current_temp"].is_null());
  EXPECT_TRUE(trend["avg_temp"].is_null());
  EXPECT_EQ(trend["samples"], 0);
}

TEST(GpuManager, HistoryHasARowPerIntervalAndNoMoreThanAskedFor) {
  GpuHouse house({example_gpu()});
  remember(*house.view, 0, std::vector<double>(60, 50.0));
  const Json rows = data_of(house, "/api/gpu/metrics/history");
  EXPECT_GE(rows.size(), 20U);  // 60 seconds, a row each 3.
  EXPECT_LE(rows.size(), 21U);
  with_settings(house, {{"history_size", "5"}, {"monitor_interval", "10"}});
  EXPECT_EQ(data_of(house, "/api/gpu/metrics/history").size(), 5U);
  EXPECT_EQ(data_of(house, "/api/gpu/metrics/history").back()["timestamp"],
            "2026-01-31T08:05:09.123Z");
  EXPECT_THAT(keys_of(rows[0]),
              ElementsAre("timestamp", "temperature_celsius", "load_percent", "memory_used_mb",
                          "memory_total_mb", "memory_percent", "power_watts"));
}

TEST(GpuManager, ConfigShowsItsKeysWithTheirOrigin) {
  House house;
  with_settings(house, {{"temp_optimal", "60"}});
  const Json json = house.json("/api/gpu/config");
  EXPECT_EQ(json["data"]["temp_optimal"], 60);
  EXPECT_EQ(json["data"]["memory_reserve_mb"], 512);
  EXPECT_EQ(json["data"]["throttle_cooldown_seconds"], 30);
  EXPECT_EQ(json["origins"]["temp_optimal"], "command line");
  EXPECT_EQ(json["origins"]["temp_normal"], "built-in");
  EXPECT_EQ(keys_of(json["data"]), keys_of(json["origins"]));
}

TEST(GpuManager, PutHandsTheChangesToTheEngineAndShowsTheResult) {
  House house;
  house.outcome = ConfigUpdated{.changed = {"temp_throttle"}, .needs_restart = {}};
  const Response response =
      house.ask("PUT", "/api/gpu/config", R"({"temp_throttle": 80, "memory_limit_mb": 7168})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json_of(response)["success"], true);
  ASSERT_EQ(house.commands.size(), 1U);
  EXPECT_EQ(std::get<UpdateConfig>(house.commands[0]).changes.size(), 2U);
}

TEST(GpuManager, PutSaysWhatTheEngineRefuses) {
  House house;
  house.outcome = fail(ErrorCode::invalid_argument, "temp_normal is 50", "above temp_optimal");
  const Response response = house.ask("PUT", "/api/gpu/config", R"({"temp_normal": 50})");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(json_of(response), Json::parse(R"({"success": false, "error": "temp_normal is 50",
      "hint": "above temp_optimal", "code": "invalid_argument"})"));
}

TEST(GpuManager, PutRefusesWhatIsNoObjectOfValues) {
  House house;
  for (const char* body : {"", "[]", "7", "null", "{", R"({"temp_optimal": 60)", "temp_optimal=60",
                           R"({"temp_optimal": {"value": 60}})", R"({"temp_optimal": null})"}) {
    const Response response = house.ask("PUT", "/api/gpu/config", body);
    EXPECT_GE(response.status, 400) << body;
    EXPECT_LT(response.status, 500) << body;
    EXPECT_EQ(json_of(response)["success"], false) << body;
  }
  EXPECT_TRUE(house.commands.empty());
}

TEST(GpuManager, ChangesAreForTheDaemonsUserOnly) {
  GpuHouse house({example_gpu()});
  house.uid = kOtherUid;
  const Response response = house.ask("PUT", "/api/gpu/config", R"({"temp_optimal": 60})");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(json_of(response)["success"], false);
  EXPECT_TRUE(house.commands.empty());
  EXPECT_EQ(house.get("/api/gpu/status").status, 200);
}

struct Refused {
  const char* method;
  const char* target;
  int status;
};

class RefusedGpuRequest : public testing::TestWithParam<Refused> {};

TEST_P(RefusedGpuRequest, ComesInTheManagersEnvelope) {
  GpuHouse house({example_gpu()});
  const Refused& refused = GetParam();
  const Response response = house.ask(refused.method, refused.target);
  EXPECT_EQ(response.status, refused.status) << refused.target;
  const Json json = json_of(response);
  EXPECT_EQ(json["success"], false);
  EXPECT_FALSE(json["error"].get<std::string>().empty());
  EXPECT_FALSE(json.contains("detail"));
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedGpuRequest,
    testing::Values(Refused{"GET", "/api/gpu/status?gpu_id=1", 404},
                    Refused{"GET", "/api/gpu/status?gpu_id=-1", 404},
                    Refused{"GET", "/api/gpu/status?gpu_id=", 404},
                    Refused{"GET", "/api/gpu/status?gpu=0", 400},
                    Refused{"GET", "/api/gpu/status?gpu_id=0&gpu_id=0", 400},
                    Refused{"GET", "/api/gpu/status/", 404}, Refused{"GET", "/api/gpu/", 404},
                    Refused{"POST", "/api/gpu/status", 405},
                    Refused{"DELETE", "/api/gpu/config", 405},
                    Refused{"GET", "/api/gpu/status/all?gpu_id=0", 400},
                    Refused{"GET", "/api/gpu/temperature/trend?duration=0", 400},
                    Refused{"GET", "/api/gpu/temperature/trend?duration=1441", 400},
                    Refused{"GET", "/api/gpu/temperature/trend?duration=-5", 400},
                    Refused{"GET", "/api/gpu/temperature/trend?duration=5m", 400},
                    Refused{"GET", "/api/gpu/temperature/trend?duration=1e3", 400},
                    Refused{"GET", "/api/gpu/temperature/trend?gpu_id=7", 404},
                    Refused{"GET", "/api/gpu/metrics?gpu_id=7", 404},
                    Refused{"GET", "/api/gpu/metrics/history?gpu_id=7", 404},
                    Refused{"GET", "/api/gpu/dashboard?gpu_id=7", 404},
                    Refused{"GET", "/api/gpu/monitoring/start", 405}));

TEST(RefusedGpuHistory, KeepsThePlainForm) {
  GpuHouse house({example_gpu()});
  for (const char* target :
       {"/api/v1/gpus/history?gpu_id=7", "/api/v1/gpus?gpu_id=7",
        "/api/v1/gpus/history?window_seconds=0", "/api/v1/gpus/history?window_seconds=86401"}) {
    const Response response = house.get(target);
    EXPECT_GE(response.status, 400) << target;
    EXPECT_TRUE(json_of(response).contains("detail")) << target;
  }
}

}  // namespace
}  // namespace levee::api
