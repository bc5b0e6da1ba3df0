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
  EXPECT_THAT(keys_of(json), ElementsAre("model", "framework", "training", "fills_memory",
                                         "context", "batch", "facts", "verdict", "free_bytes",
                                         "terms", "total", "nearest", "correction", "remarks"));
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

// --- what jobs teach

/// Jobs of 10 GiB that was fixed and 1 GiB that was not, which took twice that.
std::vector<JobRecord> doubled(std::size_t count) {
  JobRecord record;
  record.lease = "job";
  record.predicted = {.model = "gpt2",
                      .framework = "transformers",
                      .is_training = false,
                      .fills_memory = false,
                      .fixed = gib(10),
                      .soft = gib(1),
                      .low = mib(10'600),
                      .expected = gib(11),
                      .high = mib(11'800)};
  record.peak = gib(12);
  return std::vector<JobRecord>(count, record);
}

Bytes term(const Json& estimate, std::string_view name) {
  for (const Json& each : estimate["terms"]) {
    if (each["name"] == name) {
      return Bytes{each["expected_bytes"].get<std::uint64_t>()};
    }
  }
  return {};
}

TEST(PostEstimate, IsCorrectedByHowJobsWent) {
  LedgerHouse at;
  const Json before = estimate(at, R"({"model": "gpt2"})");
  EXPECT_TRUE(before["correction"].is_null());
  at.ledger.record = doubled(30);
  const Json after = estimate(at, R"({"model": "gpt2"})");
  EXPECT_EQ(after["correction"]["jobs"], 30);
  const double factor = after["correction"]["factor"];
  EXPECT_NEAR(factor, 1.91, 0.01);
  EXPECT_EQ(term(after, "weights"), term(before, "weights"));
  EXPECT_NEAR(static_cast<double>(term(after, "context").count),
              factor * static_cast<double>(term(before, "context").count), 1);
  EXPECT_TRUE(estimate(at, R"({"model": "gpt2", "framework": "vllm"})")["correction"].is_null());
}

TEST(GetRecord, ListsJobsAndWhatTheyTaught) {
  LedgerHouse at;
  EXPECT_EQ(at.house.json("/api/v1/estimate/record"),
            Json::parse(R"({"jobs": [], "corrections": []})"));
  at.ledger.record = doubled(2);
  at.ledger.record.back().lease = "newest";
  const Json json = at.house.json("/api/v1/estimate/record");
  EXPECT_THAT(keys_of(json["jobs"][0]),
              ElementsAre("lease", "model", "framework", "training", "ended", "low_bytes",
                          "expected_bytes", "high_bytes", "peak_bytes", "turnout"));
  EXPECT_EQ(json["jobs"][0]["lease"], "newest");
  EXPECT_EQ(json["jobs"][0]["turnout"], "above");
  EXPECT_EQ(json["corrections"][0]["framework"], "transformers");
}

TEST(DeleteRecord, IsTheAdministrators) {
  LedgerHouse at;
  at.ledger.record = doubled(2);
  EXPECT_EQ(at.house.ask("DELETE", "/api/v1/estimate/record").status, 403);
  EXPECT_EQ(at.ledger.record.size(), 2U);
  at.house.uid = 0;
  EXPECT_EQ(at.house.ask("DELETE", "/api/v1/estimate/record").status, 200);
  EXPECT_TRUE(at.ledger.record.empty());
}

TEST(PostLease, TakesAnEstimateAndAsksForItsWorst) {
  LedgerHouse at;
  const Json told = estimate(at, R"({"model": "gpt2"})");
  const Json lease = json_of(at.post(Json{{"id", "a"}, {"estimate", told}}.dump()));
  EXPECT_EQ(lease["model"], "gpt2");
  EXPECT_EQ(lease["demand"]["gpu_memory_bytes"], told["total"]["high_bytes"]);
  const auto prediction = at.ledger.last_request.prediction;
  ASSERT_TRUE(prediction);
  EXPECT_EQ(prediction->framework, "transformers");
  EXPECT_EQ(prediction->expected.count, told["total"]["expected_bytes"]);
  EXPECT_EQ((prediction->fixed + prediction->soft).count, told["total"]["expected_bytes"]);
  EXPECT_EQ(at.post(Json{{"id", "b"}, {"estimate", told}, {"gpu_memory", "1GB"}}.dump()).status,
            201);
  EXPECT_EQ(at.ledger.last_request.demand.bytes_each, gib(1));
}

TEST(PostLease, KeepsTheFormulasWordOfACorrectedEstimate) {
  LedgerHouse at;
  const Json plain = estimate(at, R"({"model": "gpt2"})");
  at.ledger.record = doubled(30);
  const Json told = estimate(at, R"({"model": "gpt2"})");
  EXPECT_EQ(at.post(Json{{"estimate", told}}.dump()).status, 201);
  const auto corrected = *at.ledger.last_request.prediction;
  EXPECT_EQ(at.post(Json{{"estimate", plain}}.dump()).status, 201);
  const auto uncorrected = *at.ledger.last_request.prediction;
  EXPECT_EQ(corrected.fixed, uncorrected.fixed);
  EXPECT_NEAR(static_cast<double>(corrected.soft.count),
              static_cast<double>(uncorrected.soft.count), 8);
  EXPECT_GT(corrected.expected, uncorrected.expected);
}

TEST(PostLease, RefusesAnEstimateThatWasChanged) {
  LedgerHouse at;
  const Json told = estimate(at, R"({"model": "gpt2"})");
  const auto refused = [&](const char* pointer, const Json& value) {
    Json changed = told;
    changed[Json::json_pointer(pointer)] = value;
    const Response response = at.post(Json{{"estimate", changed}}.dump());
    EXPECT_EQ(response.status, 400) << pointer << " " << value << " " << *response.body;
    return json_of(response)["detail"].get<std::string>();
  };
  EXPECT_THAT(refused("/model", ""), HasSubstr("\"model\" is not as"));
  EXPECT_THAT(refused("/model", std::string(600, 'x')), HasSubstr("model"));
  EXPECT_THAT(refused("/framework", "caffe"), HasSubstr("framework"));
  EXPECT_THAT(refused("/training", "yes"), HasSubstr("training"));
  EXPECT_THAT(refused("/terms", Json::array()), HasSubstr("terms"));
  EXPECT_THAT(refused("/terms", 5), HasSubstr("terms"));
  EXPECT_THAT(refused("/terms/0", 5), HasSubstr("terms"));
  EXPECT_THAT(refused("/terms/0/name", "magic"), HasSubstr("terms"));
  EXPECT_THAT(refused("/terms/0/expected_bytes", -1), HasSubstr("terms"));
  EXPECT_THAT(refused("/terms/0/expected_bytes", std::uint64_t{1} << 60), HasSubstr("terms"));
  EXPECT_THAT(refused("/total", nullptr), HasSubstr("total"));
  EXPECT_THAT(refused("/total/high_bytes", 1), HasSubstr("total"));
  EXPECT_EQ(at.post(R"({"estimate": "gpt2"})").status, 400);
  EXPECT_EQ(at.post(R"({"estimate": []})").status, 400);
}

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
