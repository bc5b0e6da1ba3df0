#include "render/ps.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

const Style kPlain{.width = 0, .color = false, .charset = Charset::utf8, .utc = true};

Json example_answer() {
  return Json::parse(R"({
    "processes": [
      {"pid": 5204, "user": "alice", "comm": "python", "command": "python train.py --epochs 3",
       "rss_bytes": 5368709120, "pss_bytes": null, "growth_bytes_per_second": 3670016,
       "age_seconds": 0.2, "container": null},
      {"pid": 77, "user": "bob", "comm": "node", "command": "node", "rss_bytes": 104857600,
       "pss_bytes": null, "growth_bytes_per_second": -3670016, "age_seconds": 12.9,
       "container": null},
      {"pid": 9, "user": "root", "comm": "sshd", "command": "sshd", "rss_bytes": 1048576,
       "pss_bytes": null, "growth_bytes_per_second": 3, "age_seconds": 29, "container": null}],
    "processes_seen": 311, "total": 3})");
}

TEST(RenderPs, IsATableInTheOrderOfTheAnswer) {
  EXPECT_EQ(render_ps(example_answer(), {}, kPlain),
            "PID   USER   RSS       GROWTH        READ     COMMAND\n"
            "5204  alice  5.00 GiB  +210 MiB/min  now      python train.py --epochs 3\n"
            "77    bob    100 MiB   -210 MiB/min  12s ago  node\n"
            "9     root   1.00 MiB  0             29s ago  sshd\n");
}

TEST(RenderPs, ShowsContainersWhereAnyIsKnown) {
  Json answer = example_answer();
  answer["processes"][1]["container"] = std::string(64, 'a');
  const std::string text = render_ps(answer, {}, kPlain);
  EXPECT_THAT(text, HasSubstr("READ     CONTAINER     COMMAND\n"));
  EXPECT_THAT(text, HasSubstr("12s ago  aaaaaaaaaaaa  node\n"));
  EXPECT_THAT(text, HasSubstr("29s ago  -             sshd\n"));
}

TEST(RenderPs, ShowsPssWhereItWasAskedForAndSaysWhereItIsUnknown) {
  Json answer = example_answer();
  answer["processes"][1]["pss_bytes"] = 1048576;
  const std::string text = render_ps(answer, {.with_pss = true}, kPlain);
  EXPECT_THAT(text, HasSubstr("RSS       PSS       GROWTH"));
  EXPECT_THAT(text, HasSubstr("5.00 GiB  -         +210"));
  EXPECT_THAT(text, HasSubstr("100 MiB   1.00 MiB  -210"));
  EXPECT_THAT(text, HasSubstr("PSS of 2 could not be read"));
  EXPECT_THAT(render_ps(answer, {}, kPlain), Not(HasSubstr("PSS")));
}

TEST(RenderPs, SaysWhenThereAreMoreAndWhatOneLookCannotTell) {
  Json answer = example_answer();
  answer["total"] = 40;
  const std::string text = render_ps(answer, {.from_daemon = false}, kPlain);
  EXPECT_THAT(text, HasSubstr("3 of 40; --limit shows more\n"));
  EXPECT_THAT(text, HasSubstr("no daemon: one look"));
  EXPECT_THAT(render_ps(example_answer(), {}, kPlain), Not(HasSubstr("--limit")));
}

TEST(RenderPs, SaysThatThereAreNone) {
  for (const char* answer : {"{}", "null", "[]", R"({"processes": []})", R"({"processes": 5})"}) {
    EXPECT_EQ(render_ps(Json::parse(answer), {}, kPlain), "no processes to show\n") << answer;
  }
}

TEST(RenderPs, ShowsUnknownAndImpossibleFieldsAsADash) {
  const Json answer = {
      {"processes",
       {Json::object(), 5, Json::object({{"rss_bytes", -1}, {"pid", "x"}, {"user", 7}}),
        Json::object({{"rss_bytes", 1e300}})}}};
  EXPECT_EQ(render_ps(answer, {}, kPlain),
            "PID  USER  RSS  GROWTH  READ  COMMAND\n"
            "-    -     -    -       -     -\n"
            "-    -     -    -       -     -\n"
            "-    -     -    -       -     -\n"
            "-    -     -    -       -     -\n");
}

TEST(RenderPs, LetsNoCommandSteerTheTerminal) {
  Json answer = example_answer();
  answer["processes"][0]["command"] = "evil\x1b[2J\nroot";
  EXPECT_THAT(render_ps(answer, {}, kPlain), HasSubstr("now      evil?[2J?root\n"));
}

TEST(RenderPs, IsCutAtTheWidth) {
  const Style narrow{.width = 50, .color = false, .charset = Charset::utf8, .utc = true};
  EXPECT_THAT(render_ps(example_answer(), {}, narrow), HasSubstr("now      pyt…\n"));
}

}  // namespace
}  // namespace levee::cli
