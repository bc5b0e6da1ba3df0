// /api/v1/models and below.
#include <gmock/gmock.h>

#include <algorithm>

#include "api/model_json.hpp"
#include "unit/api/gpu_fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kValidate = "/api/v1/models/validate";

/// A GPU with so much free memory.
GpuReading free_gpu(int index, Bytes free) {
  GpuReading gpu = example_gpu(index);
  gpu.memory = GpuMemory{.total = gib(80), .used = gib(80) - free, .free = free, .reserved = {}};
  return gpu;
}

std::shared_ptr<const estimate::ModelCache> cache_of(const std::vector<std::string>& ids) {
  auto cache = std::make_shared<estimate::ModelCache>(2);
  for (const std::string& id : ids) {
    EXPECT_TRUE(cache->track(id, mib(1536), example_now()));
  }
  return cache;
}

std::string detail(const Response& response) {
  return json_of(response)["detail"].get<std::string>();
}

// --- the list

TEST(ModelsRoute, ListsWhatIsBuiltInWhereTheViewHasNoRegistry) {
  House house;
  const Json json = house.json("/api/v1/models");
  EXPECT_THAT(keys_of(json), ElementsAre("count", "models", "cache"));
  EXPECT_EQ(json["count"], 6);
  const auto& models = json["models"];
  const auto large =
      std::ranges::find_if(models, [](const Json& model) { return model["model"] == "large"; });
  ASSERT_NE(large, models.end());
  EXPECT_EQ(*large, Json::parse(R"({"model": "large", "cpu_memory_gb": 8.0, "gpu_memory_gb": 16.0,
      "min_gpu_compute": 7.5, "recommended_batch_size": 1, "notes": "", "origin": "built-in"})"));
  EXPECT_TRUE(json["cache"]["hit_rate"].is_null());
  EXPECT_EQ(json["cache"]["size"], 5);
  EXPECT_EQ(json["cache"]["dir"], "/tmp/models");
}

TEST(ModelsRoute, ShowsTheOriginOfEachModel) {
  House house;
  auto registry = std::make_shared<estimate::ModelRegistry>();
  estimate::Requirements needs;
  needs.host = gib(1);
  registry->set_configured({{"a", needs}});
  ASSERT_TRUE(registry->put("b", needs));
  house.view->models = registry;
  const Json models = house.json("/api/v1/models")["models"];
  EXPECT_EQ(models[0]["origin"], "config");
  EXPECT_EQ(models[1]["origin"], "api");
  EXPECT_TRUE(models[1]["min_gpu_compute"].is_null());
}

TEST(ModelsRoute, ShowsTheCacheAndWhatShouldGo) {
  House house;
  house.view->model_cache = cache_of({"a", "b", "c", "a"});
  const Json cache = house.json("/api/v1/models")["cache"];
  EXPECT_EQ(cache["count"], 3);
  EXPECT_EQ(cache["models"][0], Json::parse(R"({"model": "b", "size_gb": 1.5,
                            "last_use": "2026-01-31T08:05:09.123Z"})"));
  EXPECT_EQ(cache["hits"], 1);
  EXPECT_EQ(cache["misses"], 3);
  EXPECT_EQ(cache["hit_rate"], 0.25);
  EXPECT_EQ(cache["proposed_evictions"], Json::parse(R"(["b"])"));
}

TEST(Report, MapsCachedModelsToSizeAndTime) {
  House house;
  EXPECT_EQ(house.json("/api/v1/monitoring/report")["cached_models"], Json::object());
  house.view->model_cache = cache_of({"b", "a"});
  house.view = std::make_shared<View>(*house.view);  // Pages are rendered once per View.
  EXPECT_EQ(house.json("/api/v1/monitoring/report")["cached_models"],
            Json::parse(R"({"b": [1.5, "2026-01-31T08:05:09.123Z"],
                            "a": [1.5, "2026-01-31T08:05:09.123Z"]})"));
}

TEST(ModelMetrics, CountHitsAndMisses) {
  House house;
  EXPECT_THAT(*house.get("/metrics").body,
              testing::Not(HasSubstr("levee_model_cache_hits_total ")));
  house.view = std::make_shared<View>(*house.view);
  house.view->model_cache = cache_of({"a", "b", "a"});
  const std::string text = *house.get("/metrics").body;
  EXPECT_THAT(text, HasSubstr("levee_model_cache_models 2\n"));
  EXPECT_THAT(text, HasSubstr("levee_model_cache_hits_total 1\n"));
  EXPECT_THAT(text, HasSubstr("levee_model_cache_misses_total 2\n"));
}

// --- validation

TEST(ValidateRoute, AnswersAllThatIsKnownOfAModelThatFits) {
  House house;
  house.view = view_with({free_gpu(0, gib(20)), free_gpu(1, gib(60))});
  const Response response = house.ask("POST", kValidate, R"({"model": "facebook/musicgen-small"})");
  ASSERT_EQ(response.status, 200) << *response.body;
  const Json json = json_of(response);
  EXPECT_THAT(keys_of(json),
              ElementsAre("model", "verdict", "fits", "match", "entry", "origin", "requirements",
                          "host", "gpu", "warnings", "shortfalls", "help"));
  EXPECT_EQ(json["verdict"], "fits");
  EXPECT_EQ(json["match"], "exact");
  EXPECT_EQ(json["requirements"]["cpu_memory_gb"], 3.0);
  EXPECT_EQ(json["host"], Json::parse(R"({"available_gb": 23.6, "total_gb": 32.0,
                                          "left_gb": 20.6})"));
  EXPECT_EQ(json["gpu"], Json::parse(R"({"gpu_id": 0, "uuid": "GPU-00000000-aaaa",
      "name": "NVIDIA GeForce RTX 4060", "free_gb": 20.0, "total_gb": 80.0,
      "compute_capability": "8.9", "left_gb": 14.0})"));
  EXPECT_THAT(json["warnings"], IsEmpty());
}

TEST(ValidateRoute, RefusesWith409AndNamesEveryShortfall) {
  House house;
  house.view = view_with({free_gpu(0, gib(7))});
  house.view->model_cache = cache_of({"old"});
  const Response response =
      house.ask("POST", kValidate, R"({"model": "facebook/musicgen-large", "gpu_id": 0})");
  EXPECT_EQ(response.status, 409);
  const Json json = json_of(response);
  EXPECT_EQ(json["verdict"], "refused");
  EXPECT_EQ(json["fits"], false);
  ASSERT_EQ(json["shortfalls"].size(), 1U);
  EXPECT_EQ(json["shortfalls"][0]["resource"], "gpu_memory");
  EXPECT_EQ(json["shortfalls"][0]["have_gb"], 7.0);
  EXPECT_EQ(json["shortfalls"][0]["need_gb"], 24.0);
  EXPECT_EQ(json["shortfalls"][0]["missing_gb"], 17.0);
  EXPECT_EQ(json["help"][0]["kind"], "smaller_model");
  EXPECT_EQ(json["help"][0]["models"][0], "facebook/musicgen-small");
  EXPECT_EQ(json["detail"],
            "\"facebook/musicgen-large\" does not fit: memory of GPU 0 (NVIDIA GeForce RTX 4060): "
            "24.0 GiB needed, 7.00 GiB free, 17.0 GiB missing");
  EXPECT_EQ(json["code"], "insufficient_resources");
}

TEST(ValidateRoute, ShowsWhatCapabilityIsMissing) {
  GpuReading old = free_gpu(0, gib(60));
  GpuIdentity who = *old.identity;
  who.compute_capability = ComputeCapability{5, 2};
  old.identity = std::make_shared<const GpuIdentity>(std::move(who));
  House house;
  house.view = view_with({old});
  const Json json = house.json("/api/v1/models/validate?model=small");
  ASSERT_EQ(json["shortfalls"].size(), 1U);
  EXPECT_EQ(json["shortfalls"][0]["resource"], "compute_capability");
  EXPECT_EQ(json["shortfalls"][0]["have"], "5.2");
  EXPECT_EQ(json["shortfalls"][0]["need"], "6.0");
}

TEST(ValidateRoute, AnswersAQuestionWith200EvenIfTheModelDoesNotFit) {
  House house;
  house.view = view_with({});
  const Json json = house.json("/api/v1/models/validate?model=facebook%2Fmusicgen-small");
  EXPECT_EQ(json["verdict"], "refused");
  EXPECT_EQ(json["shortfalls"][0]["resource"], "gpu");
  EXPECT_TRUE(json["gpu"].is_null());
}

TEST(ValidateRoute, ProposesWhatToEvict) {
  House house;
  house.view = view_with({free_gpu(0, gib(3))});
  house.view->model_cache = cache_of({"old", "new"});
  const Json json = house.json("/api/v1/models/validate?model=small");
  ASSERT_EQ(json["help"].size(), 1U);
  EXPECT_EQ(json["help"][0]["kind"], "evict_models");
  EXPECT_EQ(json["help"][0]["models"], Json::parse(R"(["old"])"));
}

TEST(ValidateRoute, TakesTheGpuByIndexAndUuid) {
  House house;
  house.view = view_with({free_gpu(0, gib(20)), free_gpu(1, gib(60))});
  const auto chosen = [&](const std::string& gpu) {
    const std::string body = R"({"model": "small", "gpu_id": )" + gpu + "}";
    const Json json = json_of(house.ask("POST", kValidate, body));
    return json.contains("gpu") ? json["gpu"]["gpu_id"].get<int>() : -1;
  };
  EXPECT_EQ(chosen("1"), 1);
  EXPECT_EQ(chosen("\"1\""), 1);
  EXPECT_EQ(chosen("\"GPU-00000001-aaaa\""), 1);
  EXPECT_EQ(chosen("null"), 0);
  EXPECT_EQ(house.json("/api/v1/models/validate?model=small&gpu_id=1")["gpu"]["gpu_id"], 1);
}

TEST(ValidateRoute, RefusesWhatItCannotUnderstand) {
  House house;
  house.view = view_with({free_gpu(0, gib(20))});
  struct Case {
    std::string body;
    int status;
    std::string_view detail;
  };
  const Case cases[] = {
      {"{}", 400, "no model is named"},
      {R"({"model": 5})", 400, "not a text"},
      {R"({"model": null})", 400, "not a text"},
      {R"({"model": ""})", 400, "empty"},
      {R"({"model": ")" + std::string(10'240, 'x') + "\"}", 400, "10240 bytes"},
      {R"({"model": "a\nb"})", 400, "control characters"},
      {R"({"model": "a\u0000b"})", 400, "control characters"},
      {R"({"model": "small", "gpu": 0})", 400, "\"gpu\" is not expected"},
      {R"({"model": "small", "gpu_id": -1})", 400, "neither an index nor a UUID"},
      {R"({"model": "small", "gpu_id": 0.5})", 400, "neither an index nor a UUID"},
      {R"({"model": "small", "gpu_id": [0]})", 400, "neither an index nor a UUID"},
      {R"({"model": "small", "gpu_id": 7})", 404, "no GPU \"7\""},
      {R"({"model": "small", "gpu_id": "x"})", 404, "no GPU"},
      {R"({"model": "small", "model": "large"})", 400, "more than once"},
      {"[]", 400, "not an object"},
      {"", 400, "empty"},
  };
  for (const Case& each : cases) {
    const Response response = house.ask("POST", kValidate, each.body);
    EXPECT_EQ(response.status, each.status) << each.body;
    EXPECT_THAT(detail(response), HasSubstr(std::string(each.detail))) << each.body;
  }
  for (const char* query : {"", "?model=", "?model=%FF", "?gpu_id=0", "?model=small&gpu_id=9",
                            "?model=small&model=large", "?model=small&gpu=0"}) {
    EXPECT_GE(house.get(std::string(kValidate) + query).status, 400) << query;
  }
}

// --- registering

constexpr const char* kMine = "/api/v1/models?model=my%2Fmodel";

TEST(PutModel, HandsTheRequirementsToTheEngine) {
  House house;
  house.outcome = ModelsChanged{};
  const Response response = house.ask("PUT", kMine,
                                      R"({"cpu_memory_gb": 6, "gpu_memory_gb": 12.5,
          "min_gpu_compute": 7.0, "recommended_batch_size": 3, "notes": "ours"})");
  ASSERT_EQ(response.status, 200) << *response.body;
  EXPECT_EQ(json_of(response)["origin"], "api");
  EXPECT_EQ(json_of(response)["gpu_memory_gb"], 12.5);
  ASSERT_EQ(house.commands.size(), 1U);
  const auto& command = std::get<RegisterModel>(house.commands[0]);
  EXPECT_EQ(command.id, "my/model");
  EXPECT_EQ(command.requirements, (estimate::Requirements{.host = gib(6),
                                                          .gpu = mib(12'800),
                                                          .min_compute = ComputeCapability{7, 0},
                                                          .recommended_batch = 3,
                                                          .notes = "ours"}));
}

TEST(PutModel, TakesNullForNotSaid) {
  House house;
  house.outcome = ModelsChanged{};
  EXPECT_EQ(house.ask("PUT", kMine, R"({"cpu_memory_gb": 1, "min_gpu_compute": null})").status,
            200);
}

TEST(PutModel, RefusesNonsenseBeforeTheEngineHearsOfIt) {
  House house;
  house.outcome = ModelsChanged{};
  struct Case {
    std::string body;
    std::string_view detail;
  };
  const Case cases[] = {
      {"{}", "0 GB"},
      {R"({"cpu_memory_gb": -1})", "cpu_memory_gb: -1"},
      {R"({"cpu_memory_gb": 1e999})", ""},
      {R"({"cpu_memory_gb": 1e300})", "1e+300"},
      {R"({"cpu_memory_gb": "6"})", "is not a number"},
      {R"({"cpu_memory_gb": [6]})", ""},
      {R"({"cpu_memory_gb": 99999999999999999999})", ""},
      {R"({"cpu_memory": 6})", "no field \"cpu_memory\""},
      {R"({"gpu_memory_gb": 6, "recommended_batch_size": 0})", "0 is not a batch size"},
      {R"({"gpu_memory_gb": 6, "min_gpu_compute": 0})", "0 is not a compute capability"},
      {R"({"gpu_memory_gb": 6, "notes": "a\u001b[2J"})", "notes"},
      {R"({"gpu_memory_gb": 6, "model": "x"})", "no field \"model\""},
  };
  for (const Case& each : cases) {
    const Response response = house.ask("PUT", kMine, each.body);
    EXPECT_EQ(response.status, 400) << each.body;
    EXPECT_THAT(detail(response), HasSubstr(std::string(each.detail))) << each.body;
  }
  for (const char* path : {"/api/v1/models", "/api/v1/models?model=", "/api/v1/models?model=%FF%FE",
                           "/api/v1/models?model=a%0Ab"}) {
    EXPECT_EQ(house.ask("PUT", path, R"({"cpu_memory_gb": 1})").status, 400) << path;
  }
  EXPECT_THAT(house.commands, IsEmpty());
}

TEST(DeleteModel, AsksTheEngine) {
  House house;
  house.outcome = ModelsChanged{};
  const Response response = house.ask("DELETE", kMine);
  EXPECT_EQ(json_of(response), Json::parse(R"({"removed": "my/model"})"));
  EXPECT_EQ(std::get<RemoveModel>(house.commands.at(0)).id, "my/model");
  house.outcome = fail(ErrorCode::not_found, "no such model");
  EXPECT_EQ(house.ask("DELETE", kMine).status, 404);
  EXPECT_EQ(house.ask("DELETE", "/api/v1/models").status, 400);
}

// --- the cache

constexpr const char* kCache = "/api/v1/models/cache";

TEST(ModelCacheRoute, TracksTouchesAndForgets) {
  House house;
  house.outcome = ModelsChanged{.hit = true};
  house.view->model_cache = cache_of({"a"});
  const Response tracked = house.ask("POST", kCache, R"({"model": "a", "size_gb": 1.5})");
  EXPECT_THAT(keys_of(json_of(tracked)), ElementsAre("model", "hit", "cache"));
  EXPECT_EQ(json_of(tracked)["hit"], true);
  EXPECT_EQ(std::get<TrackModel>(house.commands.at(0)).size, mib(1536));
  EXPECT_EQ(house.ask("POST", kCache, R"({"model": "a"})").status, 200);
  EXPECT_EQ(std::get<TrackModel>(house.commands.at(1)).size, std::nullopt);
  EXPECT_EQ(house.ask("DELETE", "/api/v1/models/cache?model=a").status, 200);
  EXPECT_EQ(std::get<ForgetModel>(house.commands.at(2)).id, "a");
}

TEST(ModelCacheRoute, RefusesNonsense) {
  House house;
  house.outcome = ModelsChanged{};
  for (const char* body :
       {"{}", R"({"model": ""})", R"({"model": "a", "size_gb": -1})",
        R"({"model": "a", "size_gb": "6"})", R"({"model": "a", "size_gb": 65537})",
        R"({"model": "a", "size_gb": true})", R"({"model": "a", "size": 1})", "[]", "x"}) {
    EXPECT_EQ(house.ask("POST", kCache, body).status, 400) << body;
  }
  EXPECT_THAT(house.commands, IsEmpty());
}

// --- who may

TEST(ModelRoutes, AreChangedOnlyByThoseWhoMay) {
  House house;
  house.outcome = ModelsChanged{};
  const auto register_one = [&] {
    return house.ask("PUT", kMine, R"({"cpu_memory_gb": 1})").status;
  };
  const auto track_one = [&] {
    return house.ask("POST", kCache, R"({"model": "a", "size_gb": 1})").status;
  };
  house.uid = kOtherUid;
  EXPECT_EQ(register_one(), 403);
  EXPECT_EQ(house.ask("DELETE", kMine).status, 403);
  EXPECT_EQ(track_one(), 200) << "every user's jobs cache models";
  EXPECT_EQ(house.ask("DELETE", "/api/v1/models/cache?model=a").status, 200);
  house.uid.reset();
  EXPECT_EQ(track_one(), 403);
  house.uid_lookups = 0;
  EXPECT_EQ(house.get("/api/v1/models").status, 200);
  EXPECT_EQ(house.ask("POST", kValidate, R"({"model": "small"})").status, 409);
  EXPECT_EQ(house.uid_lookups, 0) << "looking is for everybody";
}

}  // namespace
}  // namespace levee::api
