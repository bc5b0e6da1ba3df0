#include "render/gpus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace levee::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

const Style kPlain{.width = 0, .color = false, .charset = Charset::utf8, .utc = true};

/// A GPU as GET /api/v1/overview shows it.
Json example_gpu() {
  return Json::parse(R"({
    "gpu_id": 0, "name": "NVIDIA H200", "uuid": "GPU-5c1e", "parent_uuid": null,
    "available": true, "condition": "ok", "state": "normal", "speed_multiplier": 0.8,
    "temperature_celsius": 68.0, "utilization_percent": 20.4,
    "memory_used_bytes": 3221225472, "memory_total_bytes": 150754820096,
    "memory_unattributed_bytes": 0, "unified_memory": false, "slowdown_reasons": [],
    "temperature_trend": {"trend": "stable", "celsius_per_minute": 0.1},
    "health": {"xids": []}, "sample_age_seconds": 0.3,
    "processes": [{"pid": 5204, "user": "ada", "comm": "python", "gpu_memory_bytes": 2147483648}]
  })");
}

std::string lines_of(std::vector<Json> gpus, const Style& style = kPlain) {
  return gpu_lines(Json{{"gpus", std::move(gpus)}}, style);
}

/// The line of the example with one member changed.
std::string line_with(const char* key, Json value) {
  Json gpu = example_gpu();
  gpu[key] = std::move(value);
  return lines_of({gpu});
}

TEST(GpuLines, AreGpustatsWithWhatWorkShouldDo) {
  EXPECT_EQ(lines_of({example_gpu()}),
            "[0] NVIDIA H200 |  68°C,  20 % |   3072 / 143771 MiB | ada:python/5204(2048M) | "
            "normal 0.8x\n");
}

TEST(GpuLines, AreNoneWithoutGpus) {
  EXPECT_EQ(lines_of({}), "");
  EXPECT_EQ(gpu_lines(Json::object(), kPlain), "");
}

TEST(GpuLines, StandInColumns) {
  Json second = example_gpu();
  second["gpu_id"] = 10;
  second["name"] = "L4";
  const std::string text = lines_of({example_gpu(), second});
  const std::size_t end = text.find('\n') + 1;
  EXPECT_EQ(text.find('|'), text.find('|', end) - end);
  EXPECT_THAT(text, HasSubstr("\n[10] L4         |"));
}

TEST(GpuLines, ShowWhatIsUnknownAsADash) {
  Json gpu = example_gpu();
  for (const char* key : {"temperature_celsius", "utilization_percent", "memory_used_bytes",
                          "memory_total_bytes", "processes", "speed_multiplier", "name"}) {
    gpu[key] = nullptr;
  }
  EXPECT_EQ(lines_of({gpu}), "[0] - |   -°C,   - % |      - /      - MiB | - | normal -\n");
}

TEST(GpuLines, ShowProcessesThatHideSomething) {
  EXPECT_THAT(line_with("processes", Json::parse(R"([
                {"pid": 7, "user": null, "comm": null, "gpu_memory_bytes": 1048576},
                {"pid": 8, "user": "bob", "comm": "a b", "gpu_memory_bytes": null}])")),
              HasSubstr("| 7(1M) bob:a b/8(-M) |"));
  EXPECT_THAT(line_with("processes", Json::array()), HasSubstr("MiB |  | normal"));
}

TEST(GpuLines, SayThatAGpuIsLost) {
  Json gpu = example_gpu();
  gpu["condition"] = "lost";
  gpu["available"] = false;
  gpu["state"] = "unavailable";
  gpu["speed_multiplier"] = 0.5;
  gpu["sample_age_seconds"] = 61.2;
  const std::string text = lines_of({gpu, example_gpu()});
  EXPECT_THAT(text, HasSubstr("[0] NVIDIA H200 | GPU is lost  |   3072 / 143771 MiB |"));
  EXPECT_THAT(text, HasSubstr("| unavailable 0.5x | 61 s old\n"));
  const std::size_t end = text.find('\n') + 1;
  EXPECT_EQ(text.find("/ 143771"), text.find("/ 143771", end) - end - 1)
      << "columns hold; ° is two bytes";
  EXPECT_THAT(line_with("condition", "reset_required"), HasSubstr("| reset_required |"));
}

TEST(GpuLines, NameInstancesAfterTheirDevice) {
  Json gpu = example_gpu();
  gpu["parent_uuid"] = "GPU-5c1e";
  gpu["mig_profile"] = "3g.40gb";
  gpu["gpu_instance"] = 2;
  EXPECT_THAT(lines_of({gpu}), testing::StartsWith("[0:2] MIG 3g.40gb |"));
}

TEST(GpuLines, AddWhatOneShouldKnow) {
  EXPECT_THAT(line_with("sample_age_seconds", 5.0), Not(HasSubstr("old")));
  EXPECT_THAT(line_with("sample_age_seconds", 12.4), HasSubstr("0.8x | 12 s old\n"));
  EXPECT_THAT(line_with("unified_memory", true), HasSubstr("| memory shared with the host\n"));
  EXPECT_THAT(line_with("memory_unattributed_bytes", 536870912),
              HasSubstr("| 512 MiB unattributed\n"));
  EXPECT_THAT(line_with("memory_unattributed_bytes", 63 * 1048576), Not(HasSubstr("unattributed")));
  EXPECT_THAT(line_with("slowdown_reasons", {"sw_power_cap", "hw_thermal"}),
              HasSubstr("| slowed by sw_power_cap, hw_thermal\n"));
  EXPECT_THAT(line_with("temperature_trend", {{"trend", "rising"}, {"celsius_per_minute", 2.45}}),
              HasSubstr("| rising +2.5°C/min\n"));
  EXPECT_THAT(line_with("temperature_trend", {{"trend", "falling"}, {"celsius_per_minute", -3.0}}),
              HasSubstr("| falling -3.0°C/min\n"));
  EXPECT_THAT(line_with("health", {{"xids", {{{"code", 63}}, {{"code", 79}}}}}),
              HasSubstr("| XID 63; XID 79\n"));
}

TEST(GpuLines, TakeTheColourOfTheStateUnlessTheFiguresAreOld) {
  const Style colored{.width = 0, .color = true, .charset = Charset::utf8, .utc = true};
  Json gpu = example_gpu();
  gpu["state"] = "critical";
  const std::string critical = lines_of({gpu}, colored);
  gpu["available"] = false;
  const std::string old = lines_of({gpu}, colored);
  EXPECT_THAT(critical, HasSubstr("\x1b["));
  EXPECT_NE(critical, old);
}

TEST(GpuLines, FitTheTerminalAndAreSafeToPrint) {
  const Style narrow{.width = 40, .color = false, .charset = Charset::ascii, .utc = true};
  Json gpu = example_gpu();
  gpu["name"] = "odd \x1b[31mGPU\n\xc2\x9b";
  const std::string text = lines_of({gpu}, narrow);
  EXPECT_LE(text.size(), 41U);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  for (const char c : text) {
    EXPECT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << static_cast<int>(c);
  }
}

TEST(GpuLines, SurviveAnAnswerOfAnyShape) {
  for (const char* text :
       {"null", "[]", R"({"gpus": 7})", R"({"gpus": {"a": 1}})", R"({"gpus": [null, 3, [], "x"]})",
        R"({"gpus": [{"gpu_id": "x", "name": 7, "processes": {"a": 1}, "health": []}]})",
        R"({"gpus": [{"processes": [null, 3, {"pid": -1e300, "comm": 4}], "parent_uuid": "G"}]})",
        R"({"gpus": [{"slowdown_reasons": [1, null], "health": {"xids": [null, {"code": "x"}]}}]})",
        R"({"gpus": [{"memory_used_bytes": 1e400, "temperature_trend": 5, "condition": 5}]})"}) {
    const Json overview = Json::parse(text, nullptr, false);
    const std::string lines = gpu_lines(overview, kPlain);
    EXPECT_TRUE(lines.empty() || lines.ends_with('\n')) << text;
  }
}

}  // namespace
}  // namespace levee::cli
