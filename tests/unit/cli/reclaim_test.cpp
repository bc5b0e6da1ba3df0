#include "render/reclaim.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const Style kPlain{.width = 0, .color = false, .charset = Charset::utf8, .utc = true};

Json example_client() {
  return Json::parse(R"({"id": "r3", "pid": 4242, "user": "marie", "uid": 1000, "name": "trainer",
    "lease": null, "priority": -2, "state": "ready", "passed_over_seconds": null,
    "offers": [{"strategy": "clear_cache", "device": "host", "gpu_id": null,
                "estimate_bytes": 2147483648},
               {"strategy": "offload", "device": "GPU-5", "gpu_id": 1, "estimate_bytes": null}],
    "record": {"asked": 4, "done": 3, "refused": 1, "failed": 0, "timed_out": 0, "late": 0,
               "lied": 2, "said_bytes": 9, "freed_bytes": 1073741824}})");
}

Json example_answer() {
  return Json::parse(R"({"client": "r3", "pid": 4242, "name": "trainer", "device": "host",
    "gpu_id": null, "result": "done", "said_bytes": 1073741824, "message": null,
    "deadline_ms": 5000,
    "process": {"before_bytes": 4294967296, "after_bytes": 3221225472,
                "fell_by_bytes": 1073741824},
    "verdict": "honest", "passed_over_seconds": null})");
}

TEST(RenderReclaimClients, ShowsWhoCanGiveBackWhat) {
  const std::string text = render_reclaim_clients({{"clients", {example_client()}}}, kPlain);
  EXPECT_THAT(text, AllOf(HasSubstr("r3"), HasSubstr("4242"), HasSubstr("ready"),
                          HasSubstr("clear_cache on host (2.00 GiB), offload on GPU 1")));
  EXPECT_THAT(text, HasSubstr("asked 4, freed 1.00 GiB, refused 1, lied 2"));
  EXPECT_THAT(text, Not(HasSubstr("failed")));
}

TEST(RenderReclaimClients, ShowsForHowLongOneIsPassedOver) {
  Json client = example_client();
  client["state"] = "passed_over";
  client["passed_over_seconds"] = 90.2;
  client["record"]["asked"] = 0;
  EXPECT_THAT(render_reclaim_clients({{"clients", {client}}}, kPlain),
              AllOf(HasSubstr("passed over for 1m 30s"), HasSubstr("never asked")));
}

TEST(RenderReclaimClients, SaysThatThereIsNobody) {
  EXPECT_THAT(render_reclaim_clients({{"clients", Json::array()}}, kPlain),
              HasSubstr("no process"));
  EXPECT_THAT(render_reclaim_clients({}, kPlain), HasSubstr("no process"));
}

TEST(RenderReclaimAnswer, PutsWhatWasSaidBesideWhatWasMeasured) {
  EXPECT_EQ(render_reclaim_answer(example_answer(), kPlain),
            "r3 (pid 4242, trainer) says that it freed 1.00 GiB of host\n"
            "its use fell by 1.00 GiB, from 4.00 GiB to 3.00 GiB: as it said\n");
}

TEST(RenderReclaimAnswer, ShowsALie) {
  Json answer = example_answer();
  answer["verdict"] = "lied";
  answer["process"]["fell_by_bytes"] = -1048576;
  answer["passed_over_seconds"] = 60;
  answer["message"] = "honestly";
  EXPECT_THAT(render_reclaim_answer(answer, kPlain),
              AllOf(HasSubstr("rose by 1.00 MiB"), HasSubstr("not what it said"),
                    HasSubstr("it says: honestly"), HasSubstr("not asked again for 1m 0s")));
}

TEST(RenderReclaimAnswer, SaysWhatElseMayComeOfIt) {
  for (const auto& [result, text] : {std::pair{"refused", "refused"},
                                     {"failed", "failed"},
                                     {"timed_out", "did not answer within 5000 ms"},
                                     {"gone", "is gone"}}) {
    Json answer = example_answer();
    answer["result"] = result;
    EXPECT_THAT(render_reclaim_answer(answer, kPlain),
                AllOf(HasSubstr(text), Not(HasSubstr("fell"))));
  }
}

TEST(RenderReclaimAnswer, NeverThrowsAtAnAnswerOfAnotherKind) {
  for (const char* text : {"null", "[]", "7", "{}", R"({"result": "done", "process": 7})",
                           R"({"result": "done", "said_bytes": -5})"}) {
    EXPECT_FALSE(render_reclaim_answer(Json::parse(text), kPlain).empty()) << text;
  }
}

}  // namespace
}  // namespace levee::cli
