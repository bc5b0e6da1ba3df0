// POST /api/v1/estimate and the requirements of one model.
#include <gmock/gmock.h>

#include "unit/api/ledger_fixture.hpp"

namespace levee::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json estimate(LedgerHouse& at, const std::string& body) {
  const Response response = at.house.ask("POST", "/api/v1/estimate", body);
  EXPECT_EQ(response.status, 200) << *response.body;
  return json_of(response);
}

TEST(PostEstimate, AnswersTermByTermAndJudgesByWhatMayBePromised) {
  LedgerHouse at;
  const Json json = estimate(at, R"({"model": "qwen2.5-0.5b", "framework": "vllm"})");
  EXPECT_THAT(keys_of(json),
              ElementsAre("model", "framework", "context", "batch", "facts", "verdict",
                          "free_bytes", "terms", "total", "nearest", "remarks"));
  std::vector<std::string> names;
  for (const Json& term : json["terms"]) {
    names.push_back(term["name"]);
    EXPECT_THAT(keys_of(term),
                ElementsAre("name", "low_bytes", "expected_bytes", "high_bytes", "reason"));
  }
  EXPECT_THAT(names, ElementsAre("weights", "kv_cache", "activations", "context", "graphs", "slack",
                                 "host"));
  EXPECT_EQ(json["free_bytes"], mib(8192 - 512 - 3072).count);
  EXPECT_EQ(json["verdict"], "does_not_fit");
  at.ledger.grant("a", mib(1024));
  EXPECT_EQ(estimate(at, R"({"model": "gpt2", "gpu": 0})")["free_bytes"],
            mib(8192 - 512 - 3072 - 1024).count);
  EXPECT_EQ(estimate(at, R"({"model": "gpt2", "gpu_memory": "24GB"})")["verdict"], "fits");
}

TEST(PostEstimate, HasNoVerdictWhereNothingIsKnownOfTheMachine) {
  LedgerHouse at;
  at.ledger.failure = Error{ErrorCode::unavailable, "no ledger", {}};
  const Json json = estimate(at, R"({"model": "gpt2"})");
  EXPECT_TRUE(json["verdict"].is_null());
  EXPECT_TRUE(json["nearest"].is_null());
}

TEST(PostEstimate, TakesAConfiguration) {
  LedgerHouse at;
  const Json json = estimate(at, R"({"config": {"model_type": "llama", "num_hidden_layers": 2,
      "hidden_size": 64, "num_attention_heads": 8, "vocab_size": 100, "intermediate_size": 128}})");
  EXPECT_EQ(json["facts"]["layers"], 2);
  EXPECT_EQ(json["facts"]["origin"], "configuration");
}

TEST(PostEstimate, SaysWhatItGuessed) {
  LedgerHouse at;
  EXPECT_THAT(estimate(at, R"({"model": "whale-13b"})")["remarks"][0].get<std::string>(),
              HasSubstr("guessed by the size in its name"));
}

struct Bad {
  std::string_view body;
  int status;
  std::string_view detail;
};

class BadEstimate : public testing::TestWithParam<Bad> {};

TEST_P(BadEstimate, IsRefusedWithAReason) {
  LedgerHouse at;
  const Response response = at.house.ask("POST", "/api/v1/estimate", std::string(GetParam().body));
  EXPECT_EQ(response.status, GetParam().status) << *response.body;
  EXPECT_THAT(json_of(response)["detail"].get<std::string>(), HasSubstr(GetParam().detail));
}

INSTANTIATE_TEST_SUITE_P(
    PostEstimate, BadEstimate,
    testing::Values(
        Bad{"[]", 400, "object"}, Bad{"{}", 400, "no model is named"},
        Bad{R"({"model": ""})", 400, "empty"}, Bad{R"({"model": 5})", 400, "not a text"},
        Bad{R"({"model": "whale"})", 404, "nothing is known of \"whale\""},
        Bad{R"({"model": "gpt2", "contxt": 5})", 400, "\"contxt\" is nothing an estimate has"},
        Bad{R"({"model": "gpt2", "context": 0})", 400, "\"context\" is"},
        Bad{R"({"model": "gpt2", "context": -5})", 400, "\"context\" is"},
        Bad{R"({"model": "gpt2", "batch": 1.5})", 400, "\"batch\" is"},
        Bad{R"({"model": "gpt2", "batch": 18446744073709551615})", 400, "\"batch\" is"},
        Bad{R"({"model": "gpt2", "framework": "caffe"})", 400, "\"framework\" is \"caffe\""},
        Bad{R"({"model": "gpt2", "version": "new"})", 400, "\"version\" is"},
        Bad{R"({"model": "gpt2", "quant": "q4"})", 400, "no format of weights"},
        Bad{R"({"model": "gpt2", "kv_dtype": "q8_0/"})", 400, "no type of a cache"},
        Bad{R"({"model": "gpt2", "tp": 64})", 400, "12 heads"},
        Bad{R"({"model": "gpt2", "pp": 13})", 400, "12 layers"},
        Bad{R"({"model": "gpt2", "zero": 3})", 400, "is of training"},
        Bad{R"({"model": "gpt2", "train": "adam", "zero": 4})", 400, "\"zero\" is"},
        Bad{R"({"model": "gpt2", "train": "magic"})", 400, "\"train\" is"},
        Bad{R"({"model": "gpt2", "gpu_memory": 24})", 400, "\"gpu_memory\" is \"24\""},
        Bad{R"({"model": "gpt2", "gpu": 7})", 404, "no GPU"},
        Bad{R"({"model": "gpt2", "gpu": [0]})", 400, "neither an index nor a UUID"},
        Bad{R"({"config": 5})", 400, "no JSON object"},
        Bad{R"({"config": {"model_type": "llama"}})", 400, "is missing"}));

TEST(GetRequirements, FindsTheModelInThePath) {
  LedgerHouse at;
  const Json json = at.house.json("/api/v1/models/facebook%2Fmusicgen-small/requirements");
  EXPECT_EQ(json["model"], "facebook/musicgen-small");
  EXPECT_EQ(json["match"], "exact");
  EXPECT_EQ(json["gpu_memory_gb"], 6.0);
  EXPECT_EQ(json["estimate"]["facts"]["family"], "musicgen");
  EXPECT_EQ(at.house.json("/api/v1/models/facebook/musicgen-small/requirements"), json);
}

TEST(GetRequirements, HasNoEstimateOfWhatIsNotKnown) {
  LedgerHouse at;
  const Json json = at.house.json("/api/v1/models/whale/requirements");
  EXPECT_EQ(json["match"], "unknown");
  EXPECT_THAT(json["warning"].get<std::string>(), HasSubstr("whale"));
  EXPECT_TRUE(json["estimate"].is_null());
}

TEST(GetRequirements, NeedsAName) {
  LedgerHouse at;
  EXPECT_EQ(at.house.get("/api/v1/models//requirements").status, 404);
  EXPECT_EQ(at.house.get("/api/v1/models/requirements").status, 404);
  EXPECT_EQ(at.house.get("/api/v1/models/a%00b/requirements").status, 400);
  EXPECT_EQ(at.house.get("/api/v1/models/a/requirements?model=b").status, 400);
  EXPECT_EQ(at.house.ask("POST", "/api/v1/models/a/requirements", "{}").status, 405);
}

}  // namespace
}  // namespace levee::api
