#include "render/leases.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const Style kPlain{.width = 0, .color = false, .charset = Charset::utf8, .utc = true};

Json example_lease() {
  return Json::parse(R"({
    "id": "train-7", "name": "train.py", "kind": "booking", "state": "granted", "user": "marie",
    "uid": 1000, "gpus": [{"gpu_id": 0, "uuid": "GPU-0", "bytes": 12884901888}],
    "host_bytes": 8589934592,
    "demand": {"gpus": [{"gpu_id": 0, "uuid": "GPU-0", "bytes": 12884901888}],
               "host_bytes": 8589934592},
    "priority": 0, "yieldable": false, "within": null, "owner_pid": 4711,
    "asked": "2026-01-31T08:05:09.123Z", "granted": "2026-01-31T08:05:09.123Z",
    "expires_in_seconds": null,
    "used": {"gpus": [{"gpu_id": 0, "uuid": "GPU-0", "bytes": 1073741824}], "host_bytes": 1048576},
    "peak": {"gpus": [{"gpu_id": 0, "uuid": "GPU-0", "bytes": 10522669875}],
             "host_bytes": 2147483648}})");
}

Json example_ledger() {
  Json ledger = Json::parse(R"({"leases": [], "waiting": 0,
    "gpus": [{"gpu_id": 0, "uuid": "GPU-0", "name": "Sim H200", "capacity_bytes": 150323855360,
              "promised_bytes": 12884901888, "committed_bytes": 13958643712,
              "unaccounted_bytes": 1073741824, "available_bytes": 136365211648,
              "bookable_bytes": 1, "why_not": null}],
    "host": {"capacity_bytes": 107374182400, "available_bytes": 53687091200},
    "durable": true, "trouble": null})");
  ledger["leases"].push_back(example_lease());
  return ledger;
}

Json example_request() {
  return Json::parse(R"({"id": "next", "name": "eval.py", "state": "waiting", "user": "noor",
    "gpus": [], "host_bytes": 0,
    "demand": {"gpus": 2, "gpu_memory_bytes": 32212254720, "placement": "best_fit",
               "host_bytes": 0},
    "priority": -5, "owner_pid": 99, "place": 1, "gives_up_in_seconds": 125.9})");
}

// --- amounts

TEST(AmountsOf, SaysWhatALeaseHas) {
  EXPECT_EQ(amounts_of(example_lease()), "12.0 GiB on GPU 0, 8.00 GiB of host memory");
}

TEST(AmountsOf, SaysWhatARequestAsksFor) {
  Json request = example_request();
  EXPECT_EQ(amounts_of(request), "30.0 GiB on 2 GPUs each");
  request["demand"]["gpus"] = 1U;
  EXPECT_EQ(amounts_of(request), "30.0 GiB on any GPU");
  request["demand"] = example_lease()["demand"];
  EXPECT_EQ(amounts_of(request), "12.0 GiB on GPU 0, 8.00 GiB of host memory");
  request["demand"]["gpus"] = Json::array();
  EXPECT_EQ(amounts_of(request), "8.00 GiB of host memory");
}

TEST(AmountsOf, NamesAGpuThatIsGoneByItsUuid) {
  Json lease = example_lease();
  lease["gpus"][0]["gpu_id"] = nullptr;
  EXPECT_THAT(amounts_of(lease), StartsWith("12.0 GiB on GPU-0,"));
  lease["gpus"][0]["uuid"] = nullptr;
  EXPECT_THAT(amounts_of(lease), StartsWith("12.0 GiB on a GPU,"));
}

// --- request and peak

TEST(PeakOf, ComparesRequestAndUse) {
  EXPECT_EQ(peak_of(example_lease()),
            "asked for 12.0 GiB on GPU 0, used 9.80 GiB at most (82 %), "
            "asked for 8.00 GiB of host memory, used 2.00 GiB at most (25 %)");
}

TEST(PeakOf, SaysNothingWhereNothingWasMeasured) {
  Json lease = example_lease();
  lease["peak"] = Json::parse(R"({"gpus": [], "host_bytes": 0})");
  EXPECT_EQ(peak_of(lease), "");
  lease = example_lease();
  lease["host_bytes"] = 0;  // What was not asked for is not compared.
  lease["peak"]["gpus"][0]["uuid"] = "GPU-9";
  EXPECT_EQ(peak_of(lease), "");
}

TEST(PeakOf, SurvivesAnAnswerOfAnotherVersion) {
  for (const char* const other :
       {"null", "{}", "[]", "5", R"({"gpus": [1, null, {}], "peak": {"gpus": [{}, 5]}})",
        R"({"gpus": {}, "peak": 5, "host_bytes": "8GB"})",
        R"({"host_bytes": 5, "peak": {"host_bytes": -1}})",
        R"({"gpus": [{"bytes": 0}], "peak": {"gpus": [{"bytes": 1.5}]}})"}) {
    EXPECT_EQ(peak_of(Json::parse(other)), "") << other;
  }
  // No percentage of nothing.
  EXPECT_EQ(peak_of(Json::parse(R"({"gpus": [{"uuid": "a", "bytes": 0}],
                                    "peak": {"gpus": [{"uuid": "a", "bytes": 1024}]}})")),
            "asked for 0 B on a, used 1.00 KiB at most (0 %)");
}

// --- leases

TEST(RenderLeases, IsATableAndWhatIsLeftBelowIt) {
  EXPECT_EQ(render_leases(example_ledger(), kPlain),
            "ID       USER   PID   KIND     PROMISED                                    USED       "
            "         PEAK                NAME\n"
            "train-7  marie  4711  booking  12.0 GiB on GPU 0, 8.00 GiB of host memory  1.00 GiB, "
            "1.00 MiB  9.80 GiB, 2.00 GiB  train.py\n"
            "GPU 0 (Sim H200): 127 GiB available of 140 GiB; promised 12.0 GiB, in use beside that "
            "1.00 GiB\n"
            "host: 50.0 GiB available of 100 GiB\n");
}

TEST(RenderLeases, SaysThatThereAreNone) {
  Json ledger = example_ledger();
  ledger["leases"].clear();
  EXPECT_THAT(render_leases(ledger, kPlain), StartsWith("no leases\nGPU 0 (Sim H200): 127"));
}

TEST(RenderLeases, SaysWhatIsTheMatter) {
  Json ledger = example_ledger();
  ledger["waiting"] = 2;
  ledger["trouble"] = "the disk is full";
  ledger["gpus"][0]["why_not"] = "it is lost";
  const std::string text = render_leases(ledger, kPlain);
  EXPECT_THAT(text, HasSubstr("\nGPU 0 (Sim H200): it is lost\n"));
  EXPECT_THAT(text, HasSubstr("\n2 waiting: `levee queue`\n"));
  EXPECT_THAT(text, HasSubstr("\ntrouble: the disk is full\n"));
  EXPECT_THAT(render_leases(example_ledger(), kPlain), Not(HasSubstr("waiting")));
}

TEST(RenderLeases, ShowsUnknownFieldsAsADash) {
  const Json ledger = Json::parse(R"({"leases": [{}, 5, null,
      {"id": 5, "user": [], "owner_pid": null, "gpus": 7, "used": 5, "peak": "x", "name": {}}]})");
  EXPECT_EQ(render_leases(ledger, kPlain),
            "ID  USER  PID  KIND  PROMISED  USED  PEAK  NAME\n"
            "?   -     -    ?     -         -     -     \n"
            "?   -     -    ?     -         -     -     \n"
            "?   -     -    ?     -         -     -     \n"
            "?   -     -    ?     -         -     -     \n"
            "host: - available of -\n");
}

TEST(RenderLeases, SurvivesAnAnswerOfAnotherVersion) {
  for (const char* const other :
       {"null", "{}", "[]", "5", "\"text\"",
        R"({"leases": 5, "gpus": {}, "host": [], "waiting": "x",
         "trouble": 7})",
        R"({"leases": {}, "gpus": [5, null, {}], "waiting": 1e300, "host": {"available_bytes": -1,
         "capacity_bytes": 1.5}})"}) {
    EXPECT_THAT(render_leases(Json::parse(other), kPlain), StartsWith("no leases\n")) << other;
    EXPECT_LT(render_leases(Json::parse(other), kPlain).size(), 400U) << other;
  }
}

TEST(RenderLeases, LetsNoNameSteerTheTerminal) {
  Json ledger = example_ledger();
  for (const char* const name : {"id", "name", "user", "kind"}) {
    ledger["leases"][0][name] = "a\x1b[2J\nb";
  }
  ledger["leases"][0]["gpus"][0] = Json{{"gpu_id", nullptr}, {"uuid", "\x1b]0;x\a"}, {"bytes", 1}};
  ledger["gpus"][0]["name"] = "\x1b[31m";
  ledger["gpus"][0]["why_not"] = "\x1b[31m\r";
  ledger["trouble"] = "a\nb\x1b[2J";
  const std::string text = render_leases(ledger, kPlain);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\r")));
  EXPECT_EQ(std::ranges::count(text, '\n'), 5);
}

TEST(RenderLeases, IsCutAtTheWidth) {
  const Style narrow{.width = 40, .color = false, .charset = Charset::utf8, .utc = true};
  std::string text = render_leases(example_ledger(), narrow);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    EXPECT_LE(columns(text.substr(0, end)), 40U) << text.substr(0, end);
    text.erase(0, end + 1);
  }
}

// --- the queue

TEST(RenderQueue, IsATableInTheOrderOfTheAnswer) {
  Json queue{{"queue", Json::array({example_request(), example_request()})}};
  queue["queue"][1]["id"] = "later";
  queue["queue"][1]["place"] = 2;
  queue["queue"][1]["gives_up_in_seconds"] = nullptr;
  EXPECT_EQ(render_queue(queue, kPlain),
            "PLACE  ID     USER  PID  PRIORITY  ASKS FOR                 GIVES UP IN  NAME\n"
            "1      next   noor  99   -5        30.0 GiB on 2 GPUs each  2m 5s        eval.py\n"
            "2      later  noor  99   -5        30.0 GiB on 2 GPUs each  -            eval.py\n");
}

TEST(RenderQueue, SaysThatNobodyWaits) {
  for (const char* const empty : {"{}", "null", "[]", "5", R"({"queue": []})", R"({"queue": 5})",
                                  R"({"queue": {"id": "a"}})"}) {
    EXPECT_EQ(render_queue(Json::parse(empty), kPlain), "nobody waits\n") << empty;
  }
}

TEST(RenderQueue, ShowsUnknownAndImpossibleFieldsAsADash) {
  const Json queue = Json::parse(R"({"queue": [{}, 5,
      {"place": "first", "priority": 1.5, "owner_pid": "x", "gives_up_in_seconds": 1e300},
      {"place": 1e300, "priority": null, "gives_up_in_seconds": -1e300, "demand": 5},
      {"gives_up_in_seconds": "soon", "demand": {"gpus": -2, "gpu_memory_bytes": 5}}]})");
  const std::string row = "-      ?   -     -    -         -         -            \n";
  EXPECT_EQ(render_queue(queue, kPlain),
            "PLACE  ID  USER  PID  PRIORITY  ASKS FOR  GIVES UP IN  NAME\n" + row + row + row +
                row + row);
}

TEST(RenderQueue, LetsNoNameSteerTheTerminal) {
  Json queue{{"queue", Json::array({example_request()})}};
  queue["queue"][0]["name"] = "evil\x1b[2J\nroot";
  EXPECT_THAT(render_queue(queue, kPlain), HasSubstr("evil?[2J?root\n"));
}

}  // namespace
}  // namespace levee::cli
