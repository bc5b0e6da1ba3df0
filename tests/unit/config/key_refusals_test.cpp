// What the keys refuse: bad values, each with the mend.
#include <gmock/gmock.h>

#include <limits>

#include "unit/config/key_helpers.hpp"

namespace levee::config {
namespace {

using testing::HasSubstr;

struct Refusal {
  std::string_view key;
  Value value;
  std::string_view message;  ///< A part of it.
  std::string_view hint = {};
};

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

std::vector<Refusal> refusals() {
  return {
      // percentages
      {"memory_optimal", text("high"),
       R"(memory_optimal = "high" is not a percent (a number from 1 to 100))"},
      {"memory_optimal", text("85%"), "is not a percent", "write the number alone: 85"},
      {"memory_optimal", text("70"), "is not a percent", "write the number alone: 70"},
      {"memory_optimal", text("nan"), "is not a percent", "give a number from 1 to 100"},
      {"memory_optimal", 0.8, "memory_optimal = 0.8 is not a percent", "did you mean 80?"},
      {"cpu_memory_warning", 0.805, "is not a percent", "did you mean 80.5?"},
      {"memory_optimal", whole(0), "memory_optimal = 0 is not"},
      {"memory_optimal", whole(-1), "memory_optimal = -1 is not"},
      {"memory_optimal", 100.01, "is not a percent"},
      {"memory_optimal", whole(101), "is not a percent"},
      {"memory_optimal", 1e308, "is not a percent"},
      {"memory_optimal", whole(std::numeric_limits<std::int64_t>::max()), "is not a percent"},
      {"memory_optimal", kNan, "memory_optimal = nan is not a percent"},
      {"memory_optimal", kInfinity, "memory_optimal = inf is not a percent"},
      {"memory_optimal", -kInfinity, "is not a percent"},
      {"memory_optimal", true, "memory_optimal = true is not a percent"},
      {"memory_optimal", List{"70"}, R"(memory_optimal = ["70"] is not a percent)"},
      {"hysteresis", -0.1, "hysteresis = -0.1 is not a number of points (a number from 0 to 20)"},
      {"hysteresis", 20.5, "is not a number of points"},
      {"hysteresis", kNan, "is not a number of points"},
      {"load_throttle_percent", text("on"),
       R"(is not a percent ("off", or a number from 1 to 100))"},
      {"load_throttle_percent", whole(0), "is not a percent"},
      {"load_throttle_percent", kNan, "is not a percent"},
      {"load_throttle_percent", text("95"), "is not a percent", "write the number alone: 95"},
      // temperatures
      {"temp_optimal", whole(0), "is not a number of degrees Celsius"},
      {"temp_optimal", whole(-3), "is not a number of degrees Celsius"},
      {"temp_critical", 150.5, "is not a number of degrees Celsius"},
      {"temp_normal", text("hot"), "is not a number of degrees Celsius"},
      {"temp_normal", kNan, "is not a number of degrees Celsius"},
      // megabytes
      {"memory_limit_mb", text("some"), "is not a number of megabytes"},
      {"memory_limit_mb", whole(0), "is not a number of megabytes"},
      {"memory_limit_mb", whole(-6144), "is not a number of megabytes"},
      {"memory_limit_mb", 6144.5, "is not a number of megabytes"},
      {"memory_reserve_mb", text("1000KB"), "is not a number of megabytes", "whole number"},
      {"memory_reserve_mb", text("auto"), "is not a number of megabytes"},
      // fractions
      {"memory_pressure_threshold", whole(85),
       "memory_pressure_threshold = 85 is not a fraction (a number above 0, at most 1)",
       "did you mean 0.85?"},
      {"memory_pressure_threshold", 82.5, "is not a fraction", "did you mean 0.825?"},
      {"memory_pressure_threshold", whole(0), "is not a fraction"},
      {"memory_pressure_threshold", -0.5, "is not a fraction"},
      {"memory_pressure_threshold", 101.0, "is not a fraction", "give a number above 0"},
      {"memory_pressure_threshold", kNan, "is not a fraction"},
      {"memory_pressure_threshold", text("0.85"), "is not a fraction", "write the number alone"},
      // times
      {"monitoring_interval", 0.05, "is not a number of seconds (from 100ms to 1m)"},
      {"monitoring_interval", whole(0), "is not a number of seconds"},
      {"monitoring_interval", whole(61), "is not a number of seconds"},
      {"monitoring_interval", 1.23456, "is not a number of seconds", "give a multiple of 1 ms"},
      {"monitoring_interval", kNan, "is not a number of seconds"},
      {"monitoring_interval", true, "is not a number of seconds"},
      {"monitoring_interval", whole(std::numeric_limits<std::int64_t>::min()), "is not a"},
      {"history_seconds", 900.5, "is not a number of seconds", "give a multiple of 1 s"},
      {"history_seconds", whole(59), "is not a number of seconds (from 1m to 24h)"},
      {"history_seconds", text("15 minutes"), "is not", "a time with a unit"},
      {"store.keep_1s", text(""), "is not a duration", "a time with a unit"},
      {"store.keep_1s", text("h"), "is not a duration"},
      {"store.keep_1s", text("1"), "is not a duration", "a time with a unit"},
      {"store.keep_1s", text("-1h"), "is not a duration"},
      {"store.keep_1s", text("1h30m"), "is not a duration"},
      {"store.keep_1s", text("1H"), "is not a duration"},
      {"store.keep_1s", text("1..5h"), "is not a duration"},
      {"store.keep_1s", text("inf d"), "is not a duration"},
      {"store.keep_1s", text("1e3s"), "is not a duration"},
      {"store.keep_1s", text("3651d"), "is not a duration (from 1m to 3650d)"},
      {"store.keep_1s", text(std::string(400, '9') + "d"), "is not a duration"},
      {"store.keep_1s", text("500ms"), "is not a duration"},
      {"store.keep_1s", 1e308, "is not a duration"},
      {"store.keep_1s", kInfinity, "is not a duration"},
      {"store.keep_1s", false, "is not a duration"},
      {"guard.floor_ms", 5.5,
       "guard.floor_ms = 5.5 is not a number of milliseconds (from 1 to 100)"},
      {"guard.floor_ms", whole(0), "is not a number of milliseconds"},
      {"guard.floor_ms", text("5ms"), "is not a number of milliseconds"},
      // sizes
      {"host_available_warning", whole(4), "host_available_warning = 4 is not a size (from 64MB",
       R"(did you mean "4GB"?)"},
      {"host_available_warning", 4.0, "is not a size", R"("4GB")"},
      {"host_available_warning", 0.5, "is not a size", R"("0.5GB")"},
      {"host_available_warning", whole(0), "is not a size"},
      {"host_available_warning", whole(-4), "is not a size"},
      {"host_available_warning", whole(std::numeric_limits<std::int64_t>::max()), "is not a size"},
      {"host_available_warning", text("50%"), "is not a size", "2GB"},
      {"host_available_warning", text("0.5"), "is not a size"},
      {"host_available_warning", text("4 bananas"), "is not a size", "units are"},
      {"host_available_warning", text("-4GB"), "is not a size"},
      {"host_available_warning", text("1MB"), "is not a size"},
      {"host_available_warning", text("65TB"), "is not a size"},
      {"host_available_warning", text(""), "is not a size"},
      {"host_available_warning", text("auto"), "is not a size"},
      {"host_available_warning", true, "is not a size"},
      {"host_available_warning", kNan, "is not a size"},
      {"guard.fill_rate", text("fast"),
       R"(is not a size per second ("auto", or from 16MB to 4TB))"},
      {"guard.fill_rate", text("5TB"), "is not a size per second"},
      {"ledger.host_reserve", text("none"), "is not a size"},
      {"ledger.host_reserve", text("-1GB"), "is not a size"},
      {"ledger.host_reserve", text("65TB"), "is not a size"},
      {"ledger.host_reserve", true, "is not a size"},
      {"ledger.user_leases", whole(0), "is not a whole number"},
      {"ledger.user_leases", whole(65'537), "is not a whole number"},
      {"ledger.user_leases", text("many"), "is not a whole number"},
      {"ledger.user_gpu_memory", text("auto"), "is not a size"},
      {"ledger.user_gpu_memory", text("0"), "is not a size"},
      {"ledger.user_gpu_memory", text("1023KB"), "is not a size"},
      {"ledger.user_gpu_memory", 0.5, "is not a size"},
      {"ledger.user_host_memory", text("50%"), "is not a size"},
      {"reclaim.user_clients", whole(0), "is not a whole number"},
      {"reclaim.user_clients", text("all"), "is not a whole number"},
      {"ledger.user_host_memory", whole(-1), "is not a size"},
      {"guard.fill_rate", 1.5, "is not a size per second"},
      // whole numbers
      {"process_top", 20.5, "process_top = 20.5 is not a whole number (from 1 to 500)"},
      {"process_top", whole(0), "is not a whole number"},
      {"process_top", whole(501), "is not a whole number"},
      {"process_top", kNan, "is not a whole number"},
      {"process_top", 1e300, "is not a whole number"},
      {"process_top", true, "is not a whole number"},
      {"process_top", text("20"), "is not a whole number", "write the number alone: 20"},
      {"protect.oom_score_adj", whole(-1'001), "is not a whole number (from -1000 to 1000)"},
      // switches and words
      {"store.enabled", whole(1), "store.enabled = 1 is not a switch (true or false)"},
      {"store.enabled", text("true"), "is not a switch", "write true or false"},
      {"log.level", text("warn"), "is not a log level (debug, info, warning or error)",
       "did you mean warning?"},
      {"log.level", text("INFO"), "is not a log level", "did you mean info?"},
      {"log.level", text("loud"), "is not a log level", "give debug, info"},
      {"log.level", text(""), "is not a log level"},
      {"log.level", whole(1), "is not a log level"},
      {"log.format", List{"json"}, "is not a log format"},
      {"hook.min_severity", text("fatal"), "is not a severity (warning, critical or emergency)"},
      // texts
      {"state_dir", text("levee"), "is not a path", "beginning with /"},
      {"state_dir", text("~/levee"), "is not a path", "~ and variables are not expanded"},
      {"state_dir", text(std::string("/a\0b", 4)), "is not a path", "control characters"},
      {"state_dir", text("/a\xff"), "is not a path", "UTF-8"},
      {"state_dir", whole(1), "is not a path", "in quotes"},
      {"server.socket", text("/" + std::string(107, 's')), "is not a path",
       "at most 107 bytes; this one has 108"},
      {"server.socket", text("levee.sock"), "is not a path"},
      {"server.listen", whole(8000), "is not an address (host:port, or off)"},
      {"server.listen", text(""), "is not an address"},
      {"server.listen", text("8000"), "is not an address", "127.0.0.1:8000"},
      {"server.listen", text(":8000"), "is not an address"},
      {"server.listen", text("127.0.0.1:"), "is not an address", "the port"},
      {"server.listen", text("127.0.0.1:http"), "is not an address", "the port"},
      {"server.listen", text("127.0.0.1:65536"), "is not an address", "65535"},
      {"server.listen", text("127.0.0.1:-1"), "is not an address"},
      {"server.listen", text("127.0.0.1:80.5"), "is not an address"},
      {"server.listen", text("::1:8000"), "is not an address", "[::1]:8000"},
      {"server.listen", text("[]:8000"), "is not an address"},
      {"server.listen", text("http://localhost:80"), "is not an address"},
      {"server.listen", text("OFF"), "is not an address"},
      // lists
      {"webhook.urls", text("http://a"), "is not a list of web addresses",
       R"(write it as a list: ["http://a"])"},
      {"webhook.urls", List{"ftp://a"}, "is not a list of web addresses", "is no web address"},
      {"webhook.urls", List{"http://a", ""}, "is not a list of web addresses"},
      {"webhook.urls", List{"http://"}, "is not a list of web addresses"},
      {"webhook.urls", List{"http:///path"}, "is not a list of web addresses"},
      {"webhook.urls", List{"http://a b"}, "is not a list of web addresses"},
      {"webhook.urls", List{"http://a\r\nHost: b"}, "is not a list of web addresses"},
      {"webhook.urls", List(17, "http://a"), "is not a list of web addresses", "at most 16"},
      {"webhook.urls", whole(5), "is not a list of web addresses"},
      {"webhook.urls", List{"http://a/1", "http://a/2", "http://a/1"},
       "is not a list of web addresses", "addresses 1 and 3 are the same; give each one once"},
      {"hook.command", text("/usr/bin/x"), "is not a command", R"(["/usr/bin/x"])"},
      {"hook.command", List{""}, "is not a command", "the first element is the program"},
      {"hook.command", List{"sh", std::string("a\0", 2)}, "is not a command", "control"},
      {"hook.command", List(65, "x"), "is not a command", "at most 64"},
      {"hook.command", true, "is not a command"},
  };
}

TEST(Keys, RefuseBadValuesWithTheMend) {
  for (const Refusal& refusal : refusals()) {
    const auto result = applied(refusal.key, refusal.value);
    ASSERT_FALSE(result) << refusal.key << " = " << to_text(refusal.value) << " was accepted";
    const Error& error = result.error();
    EXPECT_EQ(error.code, ErrorCode::invalid_argument);
    EXPECT_THAT(error.message, HasSubstr(refusal.message));
    EXPECT_THAT(error.hint, HasSubstr(refusal.hint)) << error.message;
    EXPECT_FALSE(error.hint.empty()) << error.message;
    EXPECT_TRUE(error.message.starts_with(refusal.key)) << error.message;
    EXPECT_LT(error.message.size(), 300U);
  }
}

TEST(Keys, LeaveTheConfigAloneWhenTheyRefuse) {
  for (const Refusal& refusal : refusals()) {
    Config config;
    ASSERT_FALSE(key(refusal.key).apply(config, refusal.value));
    EXPECT_EQ(changed_keys(Config{}, config), List{});
  }
}

TEST(Keys, TakeWholeNumbersForFractionalKeysAndTheReverse) {
  EXPECT_EQ(applied("memory_optimal", whole(60)), Value{60.0});
  EXPECT_EQ(applied("process_top", 5.0), whole(5));
  EXPECT_EQ(applied("history_seconds", 600.0), whole(600));
  EXPECT_EQ(applied("guard.floor_ms", 7.0), whole(7));
}

TEST(Keys, CountPlainSizesInMegabytes) {
  EXPECT_EQ(applied("host_available_warning", whole(2'000)), text("2000MB"));
  EXPECT_EQ(applied_text("host_available_warning", "2048"), text("2GB"));
}

}  // namespace
}  // namespace levee::config
