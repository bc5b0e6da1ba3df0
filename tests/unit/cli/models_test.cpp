#include "render/models.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const Style kPlain{.width = 0, .color = false, .charset = Charset::utf8, .utc = true};

Json example_verdict() {
  return Json::parse(R"({
    "model": "facebook/musicgen-small", "verdict": "fits", "fits": true, "match": "exact",
    "entry": "facebook/musicgen-small", "origin": "built-in",
    "requirements": {"cpu_memory_gb": 3.0, "gpu_memory_gb": 6.0, "min_gpu_compute": 6.0,
                     "recommended_batch_size": 2, "notes": ""},
    "host": {"available_gb": 22.1, "total_gb": 23.5, "left_gb": 19.1},
    "gpu": {"gpu_id": 1, "uuid": "GPU-1", "name": "Sim H100", "free_gb": 20.0, "total_gb": 80.0,
            "compute_capability": "9.0", "left_gb": 14.0},
    "warnings": [], "shortfalls": [], "help": []})");
}

TEST(RenderVerdict, SaysWhatIsRequiredAndWhatWouldBeLeft) {
  EXPECT_EQ(render_verdict(example_verdict(), kPlain),
            "Required: CPU 3.0GB, GPU 6.0GB\n"
            "          compute capability 6.0 or newer, recommended batch size 2\n"
            "facebook/musicgen-small fits: 14.0 GB of GPU 1 (Sim H100) and 19.1 GB of host memory "
            "would be left\n");
}

TEST(RenderVerdict, ShowsGigabytesAsTheyAre) {
  Json verdict = example_verdict();
  verdict["requirements"]["cpu_memory_gb"] = 0.125;
  verdict["requirements"]["gpu_memory_gb"] = 0;
  verdict["requirements"]["min_gpu_compute"] = nullptr;
  verdict["gpu"] = nullptr;
  const std::string text = render_verdict(verdict, kPlain);
  EXPECT_THAT(text, StartsWith("Required: CPU 0.125GB, GPU 0.0GB\n"
                               "          recommended batch size 2\n"));
  EXPECT_THAT(text, HasSubstr("fits: 19.1 GB of host memory would be left\n"));
}

TEST(RenderVerdict, ShowsWarningsInTheDocumentedForm) {
  Json verdict = example_verdict();
  verdict["warnings"] = {"host memory: only 0 B of 3.00 GiB (0.0 %) would be left"};
  EXPECT_THAT(render_verdict(verdict, kPlain),
              HasSubstr("would be left\nResource warning: host memory: only 0 B"));
}

TEST(RenderVerdict, ShowsEveryShortfallAndWhatWouldHelp) {
  Json verdict = example_verdict();
  verdict["fits"] = false;
  verdict["match"] = "by_size";
  verdict["entry"] = "small";
  verdict["requirements"]["notes"] = "the large one";
  verdict["shortfalls"] = Json::parse(R"([{"detail": "one"}, {"detail": "two"}])");
  verdict["help"] = Json::parse(R"([{"detail": "three"}])");
  const std::string text = render_verdict(verdict, kPlain);
  EXPECT_FALSE(fits(verdict));
  EXPECT_THAT(text, HasSubstr("batch size 2; as any small model\n          the large one\n"));
  EXPECT_THAT(text, HasSubstr("does not fit\n  one\n  two\nhelp: three\n"));
  EXPECT_THAT(text, Not(HasSubstr("would be left")));
}

TEST(RenderVerdict, LetsNoNameSteerTheTerminal) {
  Json verdict = example_verdict();
  verdict["model"] = "a\x1B[2J\nb";
  EXPECT_THAT(render_verdict(verdict, kPlain), Not(HasSubstr("\x1B")));
}

TEST(RenderVerdict, SurvivesAnAnswerOfAnotherVersion) {
  for (const char* other : {"{}", "[]", "null", R"({"requirements": 5, "warnings": [1],
      "shortfalls": [null], "help": {}, "gpu": [], "fits": "yes"})"}) {
    const Json verdict = Json::parse(other);
    EXPECT_FALSE(fits(verdict)) << other;
    EXPECT_THAT(render_verdict(verdict, kPlain), StartsWith("Required: CPU -GB, GPU -GB\n"));
    EXPECT_FALSE(render_models(verdict, kPlain).empty());
  }
}

Json example_models() {
  return Json::parse(R"({"count": 2, "models": [
      {"model": "large", "cpu_memory_gb": 8.0, "gpu_memory_gb": 16.0, "min_gpu_compute": 7.5,
       "recommended_batch_size": 1, "notes": "", "origin": "built-in"},
      {"model": "my/model", "cpu_memory_gb": 6.5, "gpu_memory_gb": 0.0, "min_gpu_compute": null,
       "recommended_batch_size": 4, "notes": "", "origin": "api"}],
    "cache": {"size": 1, "count": 2, "hit_rate": 0.25, "proposed_evictions": ["large"],
              "models": [{"model": "large", "size_gb": 15.2, "last_use": "2026-01-31T08:05:09.123Z"},
                         {"model": "b", "size_gb": 1.0, "last_use": "2026-01-31T09:05:09.123Z"}]}})");
}

TEST(RenderModels, IsATableAndTheCacheBelowIt) {
  EXPECT_EQ(render_models(example_models(), kPlain),
            "MODEL     CPU-GB  GPU-GB  COMPUTE  BATCH  ORIGIN\n"
            "large     8.0     16.0    7.5      1      built-in\n"
            "my/model  6.5     0.0     -        4      api\n"
            "cached: 2 of 1, hit rate 25 %\n"
            "  CACHED  GB    LAST USE\n"
            "  large   15.2  2026-01-31T08:05:09.123Z\n"
            "  b       1.0   2026-01-31T09:05:09.123Z\n"
            "too many: large could be evicted\n");
}

TEST(RenderModels, ShowsNotesWhereThereAreAny) {
  Json models = example_models();
  models["models"][1]["notes"] = "ours";
  const std::string text = render_models(models, kPlain);
  EXPECT_THAT(text, HasSubstr("ORIGIN    NOTES\n"));
  EXPECT_THAT(text, HasSubstr("api       ours\n"));
}

TEST(RenderModels, DoesNotPretendToKnowACacheWithoutADaemon) {
  Json models = example_models();
  models["cache"] = nullptr;
  const std::string text = render_models(models, kPlain);
  EXPECT_THAT(text, HasSubstr("no daemon: which models are loaded is not known\n"));
  EXPECT_THAT(text, Not(HasSubstr("cached")));
}

}  // namespace
}  // namespace levee::cli
