#include "render/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::cli {
namespace {

using testing::HasSubstr;

TEST(RenderConfig, ShowsValueAndOriginOfEveryKey) {
  const Json answer = Json::parse(R"({
    "config": {
      "memory_optimal": {"value": 60.0, "origin": "file", "where": "/etc/levee/levee.toml:3"},
      "server.socket": {"value": "", "origin": "built-in", "where": "built-in"},
      "webhook.urls": {"value": ["http://a/b"], "origin": "environment", "where": "LEVEE_X"},
      "protect.lock_memory": {"value": true, "origin": "runtime", "where": ""},
      "guard.fill_rate": {"value": null}},
    "file": "/etc/levee/levee.toml", "notes": ["LEVEE_FOO is read by nobody"]})");
  EXPECT_EQ(render_config(answer, "settings of the running daemon", Style{}),
            "# settings of the running daemon; file: /etc/levee/levee.toml\n"
            "KEY                  VALUE           ORIGIN\n"
            "memory_optimal       60              file (/etc/levee/levee.toml:3)\n"
            "server.socket        \"\"              built-in\n"
            "webhook.urls         [\"http://a/b\"]  environment (LEVEE_X)\n"
            "protect.lock_memory  true            runtime\n"
            "guard.fill_rate      -               -\n"
            "note: LEVEE_FOO is read by nobody\n");
}

TEST(RenderConfig, SurvivesAnAnswerOfAnyShape) {
  for (const char* text : {"null", "[]", "{}", R"({"config": [1], "notes": 3})",
                           R"({"config": {"a": 1, "b": null}, "file": 4})"}) {
    EXPECT_THAT(render_config(Json::parse(text), "x", Style{}), HasSubstr("KEY")) << text;
  }
}

TEST(RenderChange, TellsWhatWaitsForARestart) {
  const Json answer = Json::parse(R"({
    "changed": ["cpu_memory_warning", "server.listen"], "needs_restart": ["server.listen"],
    "config": {"cpu_memory_warning": {"value": 75}, "server.listen": {"value": "off"}}})");
  EXPECT_EQ(render_change(answer, Style{}),
            "cpu_memory_warning = 75\n"
            "server.listen = off  (from the next start of the daemon)\n");
}

TEST(RenderChange, SaysWhenNothingIsNew) {
  EXPECT_THAT(render_change(Json::parse(R"({"changed": []})"), Style{}),
              HasSubstr("nothing changed"));
  EXPECT_THAT(render_change(Json(), Style{}), HasSubstr("nothing changed"));
}

}  // namespace
}  // namespace levee::cli
