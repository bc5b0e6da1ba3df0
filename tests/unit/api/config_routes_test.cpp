// GET and PUT /api/v1/config.
#include <gmock/gmock.h>

#include "config/keys.hpp"
#include "unit/api/fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ConfigRoute, ShowsEveryKeyWithItsOrigin) {
  House house;
  const Json json = house.json("/api/v1/config");
  EXPECT_THAT(keys_of(json), ElementsAre("config", "file", "notes"));
  ASSERT_EQ(json["config"].size(), config::keys().size());
  for (const config::Key& key : config::keys()) {
    const Json& shown = json["config"][std::string(key.name)];
    EXPECT_THAT(keys_of(shown), ElementsAre("value", "origin", "where", "default", "type", "range",
                                            "description", "live"));
    EXPECT_EQ(shown["value"], shown["default"]) << key.name;
  }
  EXPECT_EQ(json["config"]["memory_optimal"]["origin"], "built-in");
  EXPECT_EQ(json["config"]["server.listen"]["value"], "127.0.0.1:8000");
  EXPECT_EQ(json["config"]["server.listen"]["live"], false);
  EXPECT_TRUE(json["file"].is_null());
}

TEST(ConfigRoute, ShowsWhatDiffersFromTheDefault) {
  House house;
  house.view->settings = std::make_shared<const config::Settings>(
      house.view->settings->with_runtime({{"memory_optimal", 60.0}}).value());
  const Json key = house.json("/api/v1/config")["config"]["memory_optimal"];
  EXPECT_EQ(key["value"], 60);
  EXPECT_EQ(key["default"], 70);
  EXPECT_EQ(key["origin"], "run time");
}

TEST(ConfigRoute, HandsTypedChangesToTheEngine) {
  House house;
  house.outcome = ConfigUpdated{.changed = {"memory_optimal"}, .needs_restart = {}};
  const Response response =
      house.ask("PUT", "/api/v1/config",
                R"({"memory_optimal": 60, "memory_pressure_threshold": 0.5, "store.enabled": true,
          "log.level": "debug", "webhook.urls": ["http://127.0.0.1:1/"], "hook.command": []})");
  ASSERT_EQ(response.status, 200) << *response.body;
  ASSERT_EQ(house.commands.size(), 1U);
  using Texts = std::vector<std::string>;
  const config::Values expected{{"memory_optimal", std::int64_t{60}},
                                {"memory_pressure_threshold", 0.5},
                                {"store.enabled", true},
                                {"log.level", "debug"},
                                {"webhook.urls", Texts{"http://127.0.0.1:1/"}},
                                {"hook.command", Texts{}}};
  EXPECT_EQ(std::get<UpdateConfig>(house.commands[0]).changes, expected);
}

/// An engine that applies changes and publishes them before it answers.
TEST(ConfigRoute, AnswersWithWhatIsInForceAfterwards) {
  House house;
  Ports ports{
      .view = [&] { return house.view; },
      .command =
          [&](const Command& command, const std::function<void(Result<Outcome>)>& done) {
            auto next = std::make_shared<View>(*house.view);
            next->settings = std::make_shared<const config::Settings>(
                next->settings->with_runtime(std::get<UpdateConfig>(command).changes).value());
            house.view = std::move(next);
            done(ConfigUpdated{.changed = {"memory_optimal", "server.listen"},
                               .needs_restart = {"server.listen"}});
          },
      .stored_history = {},
      .stored_events = {},
      .ledger = {},
      .now = [&] { return house.now; },
      .authority = Authority{.daemon_uid = kDaemonUid}};
  Api api(std::move(ports));
  std::optional<Response> answer;
  api.handle(house.request("PUT", "/api/v1/config",
                           R"({"memory_optimal": 60, "server.listen": "127.0.0.1:9000"})"),
             [&](Response response) { answer = std::move(response); });
  ASSERT_TRUE(answer.has_value());
  const Json json = json_of(*answer);
  EXPECT_THAT(keys_of(json), ElementsAre("changed", "needs_restart", "config"));
  EXPECT_EQ(json["changed"], Json::array({"memory_optimal", "server.listen"}));
  EXPECT_EQ(json["needs_restart"], Json::array({"server.listen"}));
  EXPECT_EQ(json["config"]["memory_optimal"]["value"], 60);
}

TEST(ConfigRoute, SuggestsTheKeyThatWasMeant) {
  House house;
  const Response response =
      house.ask("PUT", "/api/v1/config", R"({"memory_optimal": 60, "memory_nromal": 80})");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(json_of(response)["detail"].get<std::string>(), HasSubstr("memory_nromal"));
  EXPECT_THAT(json_of(response)["hint"].get<std::string>(), HasSubstr("memory_normal"));
  EXPECT_TRUE(house.commands.empty());
}

TEST(ConfigRoute, PassesOnWhatTheEngineRefuses) {
  House house;
  house.outcome = fail(ErrorCode::invalid_argument, "memory_optimal must be below memory_normal");
  const Response response = house.ask("PUT", "/api/v1/config", R"({"memory_optimal": 99})");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(*response.body, HasSubstr("below memory_normal"));
}

TEST(ConfigRoute, SaysWhereTheBodyIsBroken) {
  House house;
  const Response response = house.ask("PUT", "/api/v1/config", "{\n  \"memory_optimal\": }");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(json_of(response)["detail"].get<std::string>(), HasSubstr("line 2, column 21"));
}

TEST(ConfigRoute, RefusesBodiesThatAreNotAnObjectOfSettings) {
  House house;
  for (const char* body : {" ",
                           "{",
                           "nul",
                           "{]",
                           "{} {}",
                           R"({"memory_optimal": 1,})",
                           R"({'memory_optimal': 1})",
                           R"({"memory_optimal": 1e999})",
                           R"({"memory_optimal": NaN})",
                           "// comment\n{}",
                           "{\"memory_optimal\": \"\xff\"}",
                           "[]",
                           "1",
                           "null",
                           "true",
                           R"("memory_optimal")",
                           R"([{"memory_optimal": 1}])",
                           R"({"memory_optimal": null})",
                           R"({"memory_optimal": {"value": 60}})",
                           R"({"webhook.urls": [1]})",
                           R"({"webhook.urls": [["a"]]})",
                           R"({"webhook.urls": [null]})",
                           R"({"process_top": 18446744073709551615})",
                           R"({"": 1})",
                           R"({"server": {"listen": "x"}})",
                           R"({"memory_optimal": 1, "memory_optimal": 2})",
                           R"({"memory_optimal": 1, "\u006demory_optimal": 2})"}) {
    const Response response = house.ask("PUT", "/api/v1/config", body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_FALSE(json_of(response)["hint"].get<std::string>().empty()) << body;
  }
  EXPECT_TRUE(house.commands.empty());
}

TEST(ConfigRoute, NeedsABody) {
  House house;
  EXPECT_EQ(house.ask("PUT", "/api/v1/config").status, 400);
}

TEST(ConfigRoute, BoundsTheDepthOfABody) {
  House house;
  std::string deep(500'000, '[');
  EXPECT_EQ(house.ask("PUT", "/api/v1/config", deep).status, 400);
  deep.clear();
  for (int i = 0; i < 20; ++i) {
    deep += R"({"a":)";
  }
  deep += "1" + std::string(20, '}');
  const Response response = house.ask("PUT", "/api/v1/config", deep);
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(json_of(response)["detail"].get<std::string>(), HasSubstr("16 levels"));
}

TEST(ConfigRoute, QuotesNoMoreOfABadBodyThanNeeded) {
  House house;
  const Response response =
      house.ask("PUT", "/api/v1/config", "{" + std::string(1'000'000, '"') + "}");
  EXPECT_EQ(response.status, 400);
  const Response token =
      house.ask("PUT", "/api/v1/config", "{\"" + std::string(100'000, 'x') + "\n\"}");
  EXPECT_EQ(token.status, 400);
  EXPECT_LT(token.body->size(), 2'000U);
}

}  // namespace
}  // namespace levee::api
