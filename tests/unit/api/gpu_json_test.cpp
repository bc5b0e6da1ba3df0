#include "api/gpu_json.hpp"

#include <gmock/gmock.h>

#include "unit/api/gpu_fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;

Json ours(const std::shared_ptr<View>& view, std::size_t place = 0) {
  return gpu_json(*view, view->gpus.at(place));
}

TEST(ManagerGpuJson, IsTheDocumentedExample) {
  const auto view = view_with({example_gpu()});
  EXPECT_EQ(manager_gpu_json(*view, view->gpus.data()), Json::parse(R"({
    "available": true, "gpu_id": 0, "name": "NVIDIA GeForce RTX 4060", "state": "normal",
    "temperature_celsius": 68.0, "load_percent": 45.2,
    "memory": {"used_mb": 3072, "total_mb": 8192, "free_mb": 5120, "percent": 37.5,
               "allocation_stats": {"allocations": {}}},
    "throttling": {"is_throttled": false, "should_throttle": false, "speed_multiplier": 0.8},
    "uuid": "GPU-00000000-aaaa"
  })"));
}

TEST(ManagerGpuJson, HasTheSameKeysForNoDeviceAndForAnUnknownOne) {
  const auto view = view_with({example_gpu(), bare_gpu(1)});
  const Json known = manager_gpu_json(*view, view->gpus.data());
  for (const Json& json :
       {manager_gpu_json(*view, nullptr), manager_gpu_json(*view, &view->gpus[1])}) {
    EXPECT_EQ(keys_of(json), keys_of(known));
    EXPECT_EQ(keys_of(json["memory"]), keys_of(known["memory"]));
    EXPECT_EQ(json["state"], "unavailable");
    EXPECT_TRUE(json["temperature_celsius"].is_null());
    EXPECT_TRUE(json["memory"]["used_mb"].is_null());
    EXPECT_TRUE(json["memory"]["percent"].is_null());
  }
  EXPECT_EQ(manager_gpu_json(*view, nullptr)["available"], false);
  EXPECT_EQ(manager_gpu_json(*view, nullptr)["throttling"]["speed_multiplier"], 1.0);
}

TEST(ManagerGpuJson, KeepsTheLastFiguresOfALostDevice) {
  const auto view = view_with({lost(example_gpu())});
  const Json json = manager_gpu_json(*view, view->gpus.data());
  EXPECT_EQ(json["available"], false);
  EXPECT_EQ(json["state"], "unavailable");
  EXPECT_EQ(json["memory"]["used_mb"], 3072);
}

TEST(ResourceGpuJson, HasTheDocumentedKeysFirst) {
  const auto view = view_with({example_gpu()});
  EXPECT_EQ(resource_gpu_json(view->gpus.data()),
            Json::parse(R"({"available": true, "memory_used_gb": 3.0, "memory_total_gb": 8.0,
                            "memory_percent": 37.5, "utilization": 45.2, "temperature": 68.0,
                            "gpu_id": 0})"));
}

TEST(ResourceGpuJson, InventsNothing) {
  const auto view = view_with({bare_gpu()});
  for (const Json& json : {resource_gpu_json(nullptr), resource_gpu_json(view->gpus.data())}) {
    EXPECT_THAT(keys_of(json),
                ElementsAre("available", "memory_used_gb", "memory_total_gb", "memory_percent",
                            "utilization", "temperature", "gpu_id"));
    for (const char* key :
         {"memory_used_gb", "memory_total_gb", "memory_percent", "utilization", "temperature"}) {
      EXPECT_TRUE(json[key].is_null()) << key;
    }
  }
}

TEST(GpuJson, HasOneKeySetHoweverMuchIsKnown) {
  const auto view = view_with({example_gpu(0), bare_gpu(1), lost(example_gpu(2))});
  EXPECT_EQ(keys_of(ours(view, 0)), keys_of(ours(view, 1)));
  EXPECT_EQ(keys_of(ours(view, 0)), keys_of(ours(view, 2)));
}

TEST(GpuJson, HasEveryFigureInBaseUnits) {
  auto view = view_with({example_gpu()});
  view->gpus[0].xids = {GpuXid{"GPU-00000000-aaaa", 79, example_now().wall}};
  const Json json = ours(view);
  for (const auto& [key, value] : json.items()) {
    const bool may_be_null = key == "parent_uuid" || key == "mig_profile" ||
                             key == "gpu_instance" || key == "compute_instance" ||
                             key == "condition_detail" || key == "memory_reserved_bytes" ||
                             key == "memory_committed_bytes";  // The ledger's.
    EXPECT_EQ(value.is_null(), may_be_null) << key;
  }
  EXPECT_EQ(json["memory_used_bytes"], mib(3072).count);
  EXPECT_EQ(json["memory_available_bytes"], mib(5120 - 512).count);
  EXPECT_EQ(json["memory_unattributed_bytes"], gib(1).count);
  EXPECT_EQ(json["memory_pressure"], false);
  EXPECT_EQ(json["compute_capability"], "8.9");
  EXPECT_EQ(json["state_of_memory"], "optimal");
  EXPECT_EQ(json["state_of_temperature"], "normal");
  EXPECT_EQ(json["sample_age_seconds"], 0.5);
  EXPECT_EQ(json["health"]["xids"][0]["code"], 79);
  EXPECT_EQ(json["health"]["xids"][0]["at"], "2026-01-31T08:05:09.123Z");
  const Json& process = json["processes"][0];
  EXPECT_EQ(process["pid"], 5204);
  EXPECT_EQ(process["user"], "alice");
  EXPECT_EQ(process["gpu_memory_bytes"], gib(2).count);
  EXPECT_EQ(process["visible"], true);
  EXPECT_EQ(json["users"][0]["user"], "alice");
}

TEST(GpuJson, UnknownIsNullNeverZero) {
  const Json json = ours(view_with({bare_gpu()}));
  for (const auto& [key, value] : json.items()) {
    EXPECT_FALSE(value.is_number() && value != 0 && key != "speed_multiplier") << key;
    const bool is_figure = key.ends_with("_bytes") || key.ends_with("_celsius") ||
                           key.ends_with("_percent") || key.ends_with("_watts") ||
                           key.ends_with("_mhz") || key.ends_with("_per_second");
    EXPECT_TRUE(!is_figure || value.is_null()) << key;
  }
  EXPECT_TRUE(json["processes"].is_null());
  EXPECT_TRUE(json["memory_pressure"].is_null());
  EXPECT_TRUE(json["health"]["ecc_corrected"].is_null());
  EXPECT_EQ(json["temperature_trend"]["trend"], "unknown");
}

TEST(GpuJson, GrantsNothingByOldFigures) {
  const Json json = ours(view_with({lost(example_gpu())}));
  EXPECT_EQ(json["condition"], "lost");
  EXPECT_EQ(json["condition_detail"], "nvmlDeviceGetMemoryInfo_v2: GPU is lost");
  EXPECT_EQ(json["memory_used_bytes"], mib(3072).count);
  EXPECT_TRUE(json["memory_available_bytes"].is_null());
  EXPECT_TRUE(json["memory_pressure"].is_null());
}

TEST(GpuJson, AProcessThatCannotBeSeenIsItsPid) {
  GpuReading gpu = example_gpu();
  gpu.processes->front().identity = nullptr;
  gpu.processes->front().rss.reset();
  gpu.processes->front().memory.reset();
  const Json json = ours(view_with({gpu}));
  const Json& process = json["processes"][0];
  EXPECT_EQ(process["pid"], 5204);
  EXPECT_EQ(process["visible"], false);
  for (const char* key : {"user", "comm", "command", "gpu_memory_bytes", "rss_bytes"}) {
    EXPECT_TRUE(process[key].is_null()) << key;
  }
  EXPECT_TRUE(json["memory_unattributed_bytes"].is_null()) << "what it holds is unknown";
  EXPECT_TRUE(json["users"][0]["user"].is_null());
  EXPECT_EQ(json["users"][0]["complete"], false);
}

TEST(GpuJson, AnInstanceNamesItsParent) {
  const Json json = ours(view_with({example_gpu(), example_instance()}), 1);
  EXPECT_EQ(json["gpu_id"], 0);
  EXPECT_EQ(json["uuid"], "MIG-1234");
  EXPECT_EQ(json["parent_uuid"], "GPU-00000000-aaaa");
  EXPECT_EQ(json["mig_profile"], "3g.40gb");
  EXPECT_EQ(json["gpu_instance"], 1);
}

TEST(GpuJson, BytesThatAreNoTextDoNotSpoilTheAnswer) {
  auto who = *example_identity(0);
  who.name = "odd \xff\xfe \"name\"\n";
  GpuReading gpu = example_gpu();
  gpu.identity = std::make_shared<const GpuIdentity>(std::move(who));
  House house;
  house.view = view_with({gpu});
  const Json all = house.json("/api/v1/gpus");
  ASSERT_EQ(all["count"], 1);
  EXPECT_NE(all["gpus"][0]["name"].get<std::string>().find("\"name\"\n"), std::string::npos);
}

TEST(GpustatJson, HasGpustatsKeysInItsUnitsThenOurs) {
  const auto view = view_with({example_gpu()});
  const Json json = gpustat_json(*view, view->gpus[0]);
  const std::vector<std::string> keys = keys_of(json);
  EXPECT_THAT(std::vector(keys.begin(), keys.begin() + 12),
              ElementsAre("index", "uuid", "name", "temperature.gpu", "fan.speed",
                          "utilization.gpu", "utilization.enc", "utilization.dec", "power.draw",
                          "enforced.power.limit", "memory.used", "memory.total"));
  EXPECT_EQ(json["memory.used"], 3072);
  EXPECT_EQ(json["temperature.gpu"], 68);
  EXPECT_EQ(json["utilization.gpu"], 45);
  EXPECT_EQ(json["power.draw"], 91);
  EXPECT_EQ(json["processes"][0]["username"], "alice");
  EXPECT_EQ(json["processes"][0]["gpu_memory_usage"], 2048);
  EXPECT_EQ(json["processes"][0]["full_command"], "python train.py");
  EXPECT_EQ(json["memory_used_bytes"], mib(3072).count);
}

TEST(GpustatJson, UnknownIsNull) {
  const auto view = view_with({bare_gpu()});
  const Json json = gpustat_json(*view, view->gpus[0]);
  for (const char* key : {"temperature.gpu", "fan.speed", "utilization.gpu", "power.draw",
                          "memory.used", "memory.total", "processes"}) {
    EXPECT_TRUE(json[key].is_null()) << key;
  }
}

TEST(ColorOf, IsThatOfTheContract) {
  EXPECT_EQ(color_of(Level::optimal), "green");
  EXPECT_EQ(color_of(Level::normal), "blue");
  EXPECT_EQ(color_of(Level::throttled), "orange");
  EXPECT_EQ(color_of(Level::critical), "red");
  EXPECT_EQ(color_of(Level::unavailable), "gray");
}

TEST(TemperatureTrend, LooksBackAsFarAsAskedAndSkipsWhatIsUnknown) {
  const auto view = view_with({example_gpu()});
  remember(*view, 0, {90, 90, 90, 50, 51, 52, 53, 54, 55});
  const MonoTime now = view->snapshot->at.mono;
  EXPECT_EQ(temperature_trend(view->gpus[0], now, std::chrono::seconds{5}).direction,
            forecast::Direction::rising);
  EXPECT_EQ(temperature_trend(view->gpus[0], now, std::chrono::minutes{5}).most, 90);
  const auto bare = view_with({bare_gpu()});
  EXPECT_EQ(temperature_trend(bare->gpus[0], now, std::chrono::minutes{5}).samples, 0U);
}

}  // namespace
}  // namespace levee::api
