// The handlers of /api/v1/monitoring/… and /api/v1/processes.
#include <gmock/gmock.h>

#include "unit/api/gpu_fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void fill_memory(View& view, double percent) {
  auto snapshot = std::make_shared<Snapshot>(*view.snapshot);
  HostReading& host = snapshot->host->value;
  host.total = gib(100);
  host.available = Bytes{static_cast<std::uint64_t>((100 - percent) * static_cast<double>(kGiB))};
  view.snapshot = std::move(snapshot);
}

TEST(Status, IsRenderedOncePerView) {
  House house;
  const auto first = house.get("/api/v1/monitoring/status").body;
  EXPECT_EQ(house.get("/api/v1/monitoring/status").body, first);
  house.view = example_view();
  EXPECT_NE(house.get("/api/v1/monitoring/status").body, first);
}

TEST(Status, ShowsANewViewAtOnce) {
  House house;
  (void)house.get("/api/v1/monitoring/status");
  house.view = std::make_shared<View>(*house.view);
  fill_memory(*house.view, 91.5);
  EXPECT_EQ(house.json("/api/v1/monitoring/status")["cpu"]["memory_percent"], 91.5);
}

TEST(Status, DoesNotLookFreshWhenTheEngineStalls) {
  House house;
  house.now = later(example_now(), std::chrono::seconds{61});
  const Json json = house.json("/api/v1/monitoring/status");
  EXPECT_EQ(json["sample_age_seconds"], 61.25);
  EXPECT_EQ(json["troubles"][0]["source"], "engine");
  EXPECT_EQ(house.json("/api/v1/monitoring/report")["current"]["sample_age_seconds"], 61.25);
  EXPECT_EQ(house.json("/api/v1/overview")["troubles"][0]["source"], "engine");
  house.now = example_now();
  EXPECT_EQ(house.json("/api/v1/monitoring/status")["troubles"], Json::array());
}

TEST(Suggestions, AreNoneWhileMemorySuffices) {
  House house;
  fill_memory(*house.view, 80);  // At the threshold, not above it.
  const Json json = house.json("/api/v1/monitoring/optimization-suggestions");
  EXPECT_THAT(keys_of(json), ElementsAre("suggestions", "optimal_batch_sizes", "current_health"));
  EXPECT_EQ(json["suggestions"], Json::array());
  EXPECT_EQ(json["optimal_batch_sizes"].dump(), R"({"small":4,"medium":2,"large":1})");
  EXPECT_EQ(json["current_health"], "healthy");
}

TEST(Suggestions, NameTheGpuThatIsFull) {
  House house;
  GpuReading full = example_gpu(1);
  full.memory->free = mib(100);
  house.view = view_with({example_gpu(0), full, lost(full)});
  const Json list = house.json("/api/v1/monitoring/optimization-suggestions")["suggestions"];
  EXPECT_EQ(
      list,
      Json::array(
          {"High GPU memory usage detected on GPU 1:",
           "- Reduce the batch size or the context length of python (pid 5204, alice), or use "
           "smaller or quantised weights: it holds 2.00 GiB (25 %) and grows by 210 MiB a "
           "minute",
           "- Run it on GPU 0 (NVIDIA GeForce RTX 4060) instead, which has 5.00 GiB free",
           "- Run `levee doctor` to find who holds 1.00 GiB (12 %): the driver names nobody"}));
}

TEST(Suggestions, NameTheProcessAndTheModelsThatFillTheHost) {
  House house;
  fill_memory(*house.view, 85);
  auto snapshot = std::make_shared<Snapshot>(*house.view->snapshot);
  snapshot->processes = {example_process(5204, gib(50), example_now().mono)};
  snapshot->host->value.mem_total = gib(100);
  snapshot->host->value.shmem = gib(12);
  house.view->snapshot = std::move(snapshot);
  auto cache = std::make_shared<estimate::ModelCache>(5);
  ASSERT_TRUE(cache->track("a", gib(7), example_now()));
  house.view->model_cache = std::move(cache);
  const Json list = house.json("/api/v1/monitoring/optimization-suggestions")["suggestions"];
  ASSERT_EQ(list.size(), 7U) << list;
  EXPECT_THAT(list[4].get<std::string>(), HasSubstr("Evict a from the model cache"));
  EXPECT_THAT(list[5].get<std::string>(), HasSubstr("(pid 5204, "));
  EXPECT_THAT(list[6].get<std::string>(), HasSubstr("12.0 GiB"));
}

TEST(Suggestions, AreTheDocumentedOnesWhenMemoryIsHigh) {
  House house;
  fill_memory(*house.view, 80.5);
  EXPECT_EQ(house.json("/api/v1/monitoring/optimization-suggestions")["suggestions"],
            Json::array({"High CPU memory usage detected:", "- Consider reducing model cache size",
                         "- Enable model offloading to disk", "- Use smaller model variants"}));
}

TEST(Cleanup, TellsTheEngineAndSaysWhatWasFreed) {
  House house;
  house.outcome = CleanedUp{.cpu_freed = Bytes{1'288'490'189},  // 1.2 GB
                            .gpu_freed = Bytes{858'993'459},    // 0.8 GB
                            .message = ""};
  const Response response = house.ask("POST", "/api/v1/monitoring/cleanup?force=true");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(*response.body,
            R"({"success":true,"cpu_memory_freed_gb":1.2,"gpu_memory_freed_gb":0.8,)"
            R"("message":"Cleanup completed. CPU: 1.2GB freed, GPU: 0.8GB freed"})");
  ASSERT_EQ(house.commands.size(), 1U);
  EXPECT_TRUE(std::get<Cleanup>(house.commands[0]).force);
}

TEST(Cleanup, IsGentleUnlessForced) {
  House house;
  house.outcome = CleanedUp{.cpu_freed = {}, .gpu_freed = {}, .message = "Nothing to free"};
  const Response response = house.ask("POST", "/api/v1/monitoring/cleanup");
  EXPECT_EQ(json_of(response)["message"], "Nothing to free");
  EXPECT_EQ(json_of(response)["cpu_memory_freed_gb"], 0.0);
  EXPECT_FALSE(std::get<Cleanup>(house.commands[0]).force);
  EXPECT_EQ(house.ask("POST", "/api/v1/monitoring/cleanup?force=false", "{}").status, 200);
}

TEST(Cleanup, RefusesOtherFlagsAndBodiesWithContent) {
  House house;
  house.outcome = CleanedUp{};
  for (const char* query : {"force=", "force=1", "force=yes", "force=True", "force"}) {
    EXPECT_EQ(house.ask("POST", std::string("/api/v1/monitoring/cleanup?") + query).status, 400)
        << query;
  }
  for (const char* body : {R"({"force":true})", "[]", "null", "{", "x"}) {
    EXPECT_EQ(house.ask("POST", "/api/v1/monitoring/cleanup", body).status, 400) << body;
  }
  EXPECT_TRUE(house.commands.empty());
}

TEST(Cleanup, PassesOnWhyTheEngineCannot) {
  House house;
  house.outcome = fail(ErrorCode::unavailable, "the command queue is full", "try again");
  const Response response = house.ask("POST", "/api/v1/monitoring/cleanup");
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(*response.body, HasSubstr("queue is full"));
}

TEST(Processes, AreTheLargestFirstWithTheirAge) {
  House house;
  const Json json = house.json("/api/v1/processes");
  ASSERT_EQ(json["processes"].size(), 2U);
  EXPECT_EQ(json["processes"][0]["pid"], 5204);
  EXPECT_EQ(json["processes"][0]["age_seconds"], 2.0);
  EXPECT_EQ(json["processes_seen"], 311);
  EXPECT_EQ(house.json("/api/v1/processes?limit=1")["processes"].size(), 1U);
}

/// A process of `user` that grows.
ProcessReading grower(pid_t pid, const char* user, uid_t uid, std::optional<double> growth) {
  ProcessReading process = example_process(pid, gib(1), example_now().mono);
  auto identity = std::make_shared<ProcessIdentity>(*process.identity);
  identity->user = user;
  identity->uid = uid;
  process.identity = std::move(identity);
  process.growth_per_second = growth;
  return process;
}

/// The pids that `query` is answered with.
std::vector<int> pids(House& house, const std::string& query) {
  std::vector<int> found;
  const Json answer = house.json("/api/v1/processes?" + query);
  for (const Json& process : answer["processes"]) {
    found.push_back(process["pid"].get<int>());
  }
  return found;
}

TEST(Processes, AreSortedByGrowthAndChosenByUser) {
  House house;
  auto snapshot = std::make_shared<Snapshot>(*house.view->snapshot);
  snapshot->processes = {grower(1, "alice", 1000, std::nullopt), grower(2, "bob", 1001, -5.0),
                         grower(3, "alice", 1000, 7.0), grower(4, "CORP\\eve", 70'000, 9.0),
                         ProcessReading{}};
  house.view->snapshot = snapshot;
  EXPECT_THAT(pids(house, "sort=growth"), ElementsAre(4, 3, 2, 1, 0));
  EXPECT_THAT(pids(house, "sort=rss"), ElementsAre(1, 2, 3, 4, 0));
  EXPECT_THAT(pids(house, "user=alice&sort=growth"), ElementsAre(3, 1));
  EXPECT_THAT(pids(house, "user=1001"), ElementsAre(2));
  EXPECT_THAT(pids(house, "user=CORP%5Ceve"), ElementsAre(4));
  EXPECT_THAT(pids(house, "user=ali"), ElementsAre());
  EXPECT_THAT(pids(house, "user="), ElementsAre());
  EXPECT_EQ(house.json("/api/v1/processes?user=alice&limit=1")["total"], 2);
}

TEST(Processes, RefuseAnOrderThatIsNone) {
  House house;
  for (const char* sort : {"", "pss", "RSS", "growth,rss", "-rss"}) {
    EXPECT_EQ(house.get(std::string("/api/v1/processes?sort=") + sort).status, 400) << sort;
  }
}

TEST(Processes, AreFiftyUnlessAskedOtherwise) {
  House house;
  auto snapshot = std::make_shared<Snapshot>(*house.view->snapshot);
  snapshot->processes.assign(60, example_process(1, kib(4), snapshot->at.mono));
  house.view->snapshot = snapshot;
  EXPECT_EQ(house.json("/api/v1/processes")["processes"].size(), 50U);
  EXPECT_EQ(house.json("/api/v1/processes?limit=1000")["processes"].size(), 60U);
  EXPECT_EQ(house.get("/api/v1/processes?limit=0").status, 400);
  EXPECT_EQ(house.get("/api/v1/processes?limit=-5").status, 400);
}

}  // namespace
}  // namespace levee::api
