#include "config/keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <set>

#include "config/key_types.hpp"
#include "config/settings.hpp"
#include "levee/amount.hpp"

namespace levee::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using List = std::vector<std::string>;

const Key& key(std::string_view name) {
  const auto found = find_key(name);
  EXPECT_TRUE(found) << name;
  return **found;
}

/// The value of `name` after `value` was applied to the defaults, or the error.
Result<Value> applied(std::string_view name, const Value& value) {
  Config config;
  if (const auto done = key(name).apply(config, value); !done) {
    return std::unexpected(done.error());
  }
  return key(name).show(config);
}

Result<Value> applied_text(std::string_view name, std::string_view text) {
  const auto value = value_from_text(key(name), text);
  return value ? applied(name, *value) : value;
}

// --- the table

TEST(Keys, HaveTheDocumentedDefaults) {
  const std::map<std::string_view, std::string_view> documented{
      {"monitoring_interval", "1"},
      {"history_seconds", "900"},
      {"memory_optimal", "70"},
      {"memory_normal", "85"},
      {"memory_critical", "95"},
      {"hysteresis", "0"},
      {"cpu_memory_warning", "80"},
      {"cpu_memory_critical", "90"},
      {"host_available_warning", "4GB"},
      {"host_available_emergency", "2GB"},
      {"memory_pressure_threshold", "0.85"},
      {"alert_repeat_seconds", "30"},
      {"stale_seconds", "5"},
      {"throttle_cooldown_seconds", "30"},
      {"critical_pause_seconds", "60"},
      {"process_top", "20"},
      {"state_dir", ""},
      {"guard.floor_ms", "5"},
      {"guard.look_ahead_ms", "10"},
      {"guard.fill_rate", "auto"},
      {"server.listen", "127.0.0.1:8000"},
      {"server.socket", ""},
      {"server.max_connections", "1024"},
      {"store.enabled", "true"},
      {"store.keep_1s", "1h"},
      {"store.keep_10s", "24h"},
      {"store.keep_1m", "30d"},
      {"store.keep_1h", "730d"},
      {"store.keep_events", "90d"},
      {"log.level", "info"},
      {"log.format", "text"},
      {"webhook.urls", "[]"},
      {"webhook.min_severity", "warning"},
      {"webhook.timeout_seconds", "10"},
      {"webhook.max_attempts", "8"},
      {"hook.command", "[]"},
      {"hook.min_severity", "warning"},
      {"hook.timeout_seconds", "30"},
      {"protect.lock_memory", "true"},
      {"protect.oom_score_adj", "-900"},
  };
  std::map<std::string_view, std::string> actual;
  for (const Key& each : keys()) {
    actual[each.name] = to_text(each.show(Config{}));
  }
  EXPECT_EQ(actual.size(), documented.size());
  for (const auto& [name, text] : documented) {
    EXPECT_EQ(actual[name], text) << name;
  }
}

TEST(Keys, AreDescribedAndHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  std::set<std::string> env_names;
  for (const Key& each : keys()) {
    EXPECT_TRUE(names.insert(each.name).second) << each.name;
    EXPECT_TRUE(env_names.insert(env_name(each.name)).second) << each.name;
    EXPECT_TRUE(each.description.ends_with('.')) << each.name;
    EXPECT_THAT(each.type, Not(IsEmpty())) << each.name;
    EXPECT_THAT(each.range, Not(IsEmpty())) << each.name;
    for (const std::string_view text : {std::string_view(each.range), each.description}) {
      EXPECT_EQ(text.find('|'), std::string_view::npos) << each.name << " would break its table";
    }
  }
}

TEST(Keys, ThatCannotChangeAtRunTimeAreMarked) {
  std::set<std::string_view> fixed;
  for (const Key& each : keys()) {
    if (!each.live) {
      fixed.insert(each.name);
    }
  }
  EXPECT_EQ(fixed, (std::set<std::string_view>{"state_dir", "server.listen", "server.socket",
                                               "server.max_connections", "store.enabled",
                                               "protect.lock_memory", "protect.oom_score_adj"}));
}

TEST(EnvName, IsUpperCaseWithUnderscores) {
  EXPECT_EQ(env_name("server.listen"), "LEVEE_SERVER_LISTEN");
  EXPECT_EQ(env_name("store.keep_1s"), "LEVEE_STORE_KEEP_1S");
  EXPECT_EQ(env_name("state_dir"), "LEVEE_STATE_DIR");
}

TEST(FindKey, SuggestsWhatWasMeant) {
  const std::map<std::string, std::string> meant{
      {"memory_optimla", "did you mean memory_optimal?"},
      {"Memory_Normal", "did you mean memory_normal?"},
      {"listen", "did you mean server.listen?"},
      {"guard.stale_seconds", "did you mean stale_seconds?"},
      {"server", "server is a table; its keys are server.listen, server.socket"},
      {"store_enabled", "did you mean store.enabled?"},
      {"fan_speed", "`levee config show` lists all keys"},
      {"", "`levee config show` lists all keys"},
  };
  for (const auto& [name, hint] : meant) {
    const auto found = find_key(name);
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(found.error().hint, HasSubstr(hint)) << name;
  }
}

TEST(FindKey, ShowsHostileNamesSafely) {
  for (const std::string& name :
       {std::string("\x1b[2J"), std::string("a\0b", 3), std::string(100'000, 'k')}) {
    const auto found = find_key(name);
    ASSERT_FALSE(found);
    EXPECT_TRUE(is_printable(found.error().message)) << found.error().message;
    EXPECT_TRUE(is_printable(found.error().hint));
    EXPECT_LT(found.error().message.size(), 200U);
    EXPECT_LT(found.error().hint.size(), 1'000U);
  }
}

// --- round trips

/// Good values besides the default, for every key that has any.
std::multimap<std::string_view, std::string_view> good_texts() {
  return {
      {"monitoring_interval", "0.1"},
      {"monitoring_interval", "0.3"},
      {"monitoring_interval", "2.345"},
      {"monitoring_interval", "500ms"},
      {"monitoring_interval", "1m"},
      {"history_seconds", "86400"},
      {"history_seconds", "15m"},
      {"history_seconds", "1.5h"},
      {"history_seconds", "90 s"},
      {"memory_optimal", "1"},
      {"memory_optimal", "33.3"},
      {"memory_normal", "100"},
      {"memory_critical", "99.99"},
      {"hysteresis", "0.5"},
      {"cpu_memory_warning", "5e1"},
      {"cpu_memory_critical", "85.25"},
      {"host_available_warning", "2000"},
      {"host_available_warning", "0.3GB"},
      {"host_available_warning", "1.1 TiB"},
      {"host_available_emergency", "64MB"},
      {"host_available_emergency", "65537k"},
      {"memory_pressure_threshold", "1"},
      {"memory_pressure_threshold", "0.001"},
      {"alert_repeat_seconds", "5m"},
      {"stale_seconds", "3600"},
      {"throttle_cooldown_seconds", "0"},
      {"critical_pause_seconds", "1.0"},
      {"process_top", "500"},
      {"state_dir", "/var/lib/levee"},
      {"guard.floor_ms", "1"},
      {"guard.look_ahead_ms", "0"},
      {"guard.fill_rate", "12GB"},
      {"guard.fill_rate", "auto"},
      {"server.listen", "[::1]:9000"},
      {"server.listen", "localhost:0"},
      {"server.listen", "off"},
      {"server.socket", "/run/levee/levee.sock"},
      {"server.max_connections", "4"},
      {"store.enabled", "off"},
      {"store.keep_1s", "60"},
      {"store.keep_10s", "36h"},
      {"store.keep_1m", "3650d"},
      {"store.keep_1h", "90000s"},
      {"store.keep_events", "1d"},
      {"log.level", "debug"},
      {"log.format", "json"},
      {"webhook.urls", "https://example.org/hook?x=1#y"},
      {"webhook.urls", R"(["http://a", "http://[::1]:80/"])"},
      {"webhook.min_severity", "emergency"},
      {"webhook.timeout_seconds", "5m"},
      {"webhook.max_attempts", "1"},
      {"hook.command", "/usr/bin/notify"},
      {"hook.command", R"(["sh", "-c", "echo \"$1\"; exit", ""])"},
      {"hook.min_severity", "critical"},
      {"hook.timeout_seconds", "1"},
      {"protect.lock_memory", "false"},
      {"protect.oom_score_adj", "-1000"},
  };
}

TEST(Keys, ReadBackWhatTheyShow) {
  std::multimap<std::string_view, std::string_view> texts = good_texts();
  for (const Key& each : keys()) {
    EXPECT_TRUE(texts.contains(each.name)) << each.name << " has no example here";
  }
  for (const auto& [name, text] : texts) {
    Config config;
    const Key& each = key(name);
    const auto value = value_from_text(each, text);
    ASSERT_TRUE(value) << name << " = " << text << ": " << value.error().message;
    const auto done = each.apply(config, *value);
    ASSERT_TRUE(done) << name << " = " << text << ": " << done.error().message;
    const Value show = each.show(config);

    Config again;
    ASSERT_TRUE(each.apply(again, show)) << name << " = " << to_text(show);
    EXPECT_EQ(each.show(again), show);

    Config from_text;
    const auto read = value_from_text(each, to_text(show));
    ASSERT_TRUE(read && each.apply(from_text, *read)) << name << " = " << to_text(show);
    EXPECT_EQ(changed_keys(config, from_text), List{}) << name;

    Config from_toml;
    const auto document = parse_toml(std::string(name) + " = " + to_toml(show), "test");
    ASSERT_TRUE(document) << document.error().message;
    ASSERT_TRUE(each.apply(from_toml, document->at(std::string(name))));
    EXPECT_EQ(changed_keys(config, from_toml), List{}) << name;
  }
}

TEST(Keys, ChangeNothingWhenTheDefaultsAreApplied) {
  Config config;
  for (const Key& each : keys()) {
    ASSERT_TRUE(each.apply(config, each.show(Config{}))) << each.name;
  }
  EXPECT_EQ(changed_keys(Config{}, config), List{});
}

TEST(Keys, WriteOnlyTheirOwnMember) {
  for (const auto& [name, text] : good_texts()) {
    Config config;
    ASSERT_TRUE(key(name).apply(config, *value_from_text(key(name), text))) << name;
    const auto changed = changed_keys(Config{}, config);
    EXPECT_THAT(changed, testing::Each(std::string(name)));
  }
}

TEST(SizeText, IsReadBackExactly) {
  std::mt19937_64 random(1);  // NOLINT(cert-msc*): the same sizes in every run
  for (int i = 0; i < 20'000; ++i) {
    const Bytes size{(random() >> (random() % 44 + 18)) + 1};
    const auto read = parse_size(size_text(size));
    ASSERT_TRUE(read) << size_text(size);
    EXPECT_EQ(read->count, size.count) << size_text(size);
  }
  EXPECT_EQ(size_text(gib(4)), "4GB");
  EXPECT_EQ(size_text(mib(1536)), "1536MB");
  EXPECT_EQ(size_text(Bytes{kTiB}), "1TB");
}

TEST(DurationText, UsesTheLargestUnitThatFits) {
  using namespace std::chrono_literals;
  EXPECT_EQ(duration_text(0s), "0s");
  EXPECT_EQ(duration_text(90s), "90s");
  EXPECT_EQ(duration_text(15min), "15m");
  EXPECT_EQ(duration_text(24h), "24h");
  EXPECT_EQ(duration_text(48h), "2d");
  EXPECT_EQ(duration_text(49h), "49h");
  EXPECT_EQ(duration_text(std::chrono::days{730}), "730d");
}

// --- refusals

struct Refusal {
  std::string_view key;
  Value value;
  std::string_view message;  ///< A part of it.
  std::string_view hint = {};
};

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

Value whole(std::int64_t number) { return number; }
Value text(std::string text) { return text; }

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

// --- text

TEST(ValueFromText, ReadsSwitchesInEverydayWords) {
  for (const char* yes : {"true", "yes", "on", "1"}) {
    EXPECT_EQ(value_from_text(key("store.enabled"), yes), Value{true}) << yes;
  }
  for (const char* no : {"false", "no", "off", "0"}) {
    EXPECT_EQ(value_from_text(key("store.enabled"), no), Value{false}) << no;
  }
  for (const char* other : {"", "TRUE", "2", "y", "enable", " true"}) {
    const auto value = value_from_text(key("store.enabled"), other);
    ASSERT_FALSE(value) << other;
    EXPECT_THAT(value.error().message, HasSubstr("store.enabled = "));
    EXPECT_EQ(value.error().hint, "write true or false");
  }
}

TEST(ValueFromText, ReadsAListOrOneElement) {
  const Key& command = key("hook.command");
  EXPECT_EQ(value_from_text(command, "/usr/bin/notify"), (Value{List{"/usr/bin/notify"}}));
  EXPECT_EQ(value_from_text(command, R"(["notify", "a b"])"), (Value{List{"notify", "a b"}}));
  EXPECT_EQ(value_from_text(command, ""), Value{List{}});
  EXPECT_EQ(value_from_text(command, "[]"), Value{List{}});
}

TEST(ValueFromText, NeverSplitsACommand) {
  for (const char* line : {"notify-send hi", "/opt/my tool", "a\tb", " x"}) {
    const auto value = value_from_text(key("hook.command"), line);
    ASSERT_FALSE(value) << line;
    EXPECT_THAT(value.error().hint, HasSubstr(R"(["program", "argument"])"));
  }
  const auto broken = value_from_text(key("hook.command"), "[\"a\"");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("hook.command: "));
}

TEST(ValueFromText, LeavesTextAlone) {
  EXPECT_EQ(value_from_text(key("state_dir"), "85"), text("85"));
  EXPECT_EQ(value_from_text(key("log.level"), ""), text(""));
}

TEST(ValueFromText, LeavesTheJudgementToApply) {
  for (const char* bad :
       {"nan", "inf", "-1", "1e999", "99999999999999999999", "high", "", "0x46"}) {
    EXPECT_FALSE(applied_text("memory_optimal", bad)) << bad;
    EXPECT_FALSE(applied_text("history_seconds", bad)) << bad;
    EXPECT_FALSE(applied_text("host_available_warning", bad)) << bad;
    EXPECT_FALSE(applied_text("process_top", bad)) << bad;
  }
}

// --- contradictions

TEST(Validate, AcceptsTheDefaults) { EXPECT_TRUE(validate(Config{})); }

TEST(Validate, RefusesThresholdsOutOfOrder) {
  Config config;
  config.thresholds.memory_optimal = 90;
  const auto valid = validate(config);
  ASSERT_FALSE(valid);
  EXPECT_THAT(valid.error().message, HasSubstr("memory_optimal"));
}

TEST(PublicValue, HidesSecretsInAddressesAndNothingElse) {
  Config config;
  config.webhook.urls = {"https://hooks.example.org/services/T0/secret", "http://127.0.0.1:9/",
                         "https://user:password@example.org/x", "https://example.org?token=1"};
  const auto shown = public_value(**find_key("webhook.urls"), config);
  EXPECT_EQ(std::get<std::vector<std::string>>(shown),
            (std::vector<std::string>{"https://hooks.example.org/…", "http://127.0.0.1:9/",
                                      "https://example.org/…", "https://example.org/…"}));
  EXPECT_EQ(std::get<std::string>(public_value(**find_key("server.listen"), config)),
            config.server.listen);
}

TEST(Validate, RefusesReadingsThatAreAlwaysStale) {
  Config config;
  config.monitoring_interval = std::chrono::seconds{6};
  const auto valid = validate(config);
  ASSERT_FALSE(valid);
  EXPECT_THAT(valid.error().message,
              HasSubstr("stale_seconds = 5 must not be below monitoring_interval = 6"));
  config.thresholds.stale_after = std::chrono::seconds{6};
  EXPECT_TRUE(validate(config));
}

}  // namespace
}  // namespace levee::config
