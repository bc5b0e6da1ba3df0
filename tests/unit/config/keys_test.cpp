#include "config/keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "config/key_types.hpp"
#include "levee/amount.hpp"
#include "unit/config/key_helpers.hpp"

namespace levee::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

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
      {"temp_optimal", "65"},
      {"temp_normal", "75"},
      {"temp_throttle", "85"},
      {"temp_critical", "90"},
      {"gpu_temperature_warning", "85"},
      {"gpu_memory_warning", "80"},
      {"gpu_memory_critical", "90"},
      {"gpu_memory_emergency", "95"},
      {"gpu_projection_warning", "90"},
      {"gpu_projection_critical", "95"},
      {"load_throttle_percent", "off"},
      {"memory_limit_mb", "auto"},
      {"memory_reserve_mb", "512"},
      {"max_balloon_percent", "100"},
      {"monitor_interval", "3"},
      {"history_size", "200"},
      {"model_cache_size", "5"},
      {"model_cache_dir", "/tmp/models"},
      {"gpu.enabled", "true"},
      {"gpu.speed_file", "true"},
      {"metrics.processes", "0"},
      {"ledger.host_reserve", "auto"},
      {"ledger.user_leases", "256"},
      {"ledger.user_gpu_memory", "none"},
      {"ledger.user_host_memory", "none"},
      {"reclaim.user_clients", "64"},
      {"recovery.mode", "on"},
      {"recovery.gpu_emergency", "false"},
      {"recovery.rest_seconds", "60"},
      {"recovery.deadline_seconds", "5"},
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
      {"recorder.keep", "5m"},
      {"recorder.memory", "32MB"},
      {"recorder.aftermath_seconds", "5"},
      {"recorder.incidents_max_size", "256MB"},
      {"recorder.file", ""},
      {"recorder.max_size", "1GB"},
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
                                               "gpu.enabled", "recorder.file",
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
      {"temp_optimal", "60.5"},
      {"temp_normal", "70"},
      {"temp_throttle", "80"},
      {"temp_critical", "150"},
      {"gpu_temperature_warning", "70"},
      {"gpu_memory_warning", "50"},
      {"gpu_memory_critical", "91.5"},
      {"gpu_memory_emergency", "99"},
      {"gpu_projection_warning", "88"},
      {"gpu_projection_critical", "97.5"},
      {"load_throttle_percent", "95"},
      {"memory_limit_mb", "7168"},
      {"memory_limit_mb", "7GB"},
      {"memory_reserve_mb", "0"},
      {"memory_reserve_mb", "1GB"},
      {"max_balloon_percent", "60"},
      {"monitor_interval", "5"},
      {"history_size", "1"},
      {"model_cache_size", "0"},
      {"model_cache_dir", "/srv/models"},
      {"gpu.enabled", "false"},
      {"gpu.speed_file", "off"},
      {"metrics.processes", "50"},
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
      {"ledger.host_reserve", "0"},
      {"ledger.host_reserve", "3GB"},
      {"ledger.host_reserve", "auto"},
      {"ledger.user_leases", "1"},
      {"ledger.user_gpu_memory", "80GB"},
      {"ledger.user_gpu_memory", "none"},
      {"ledger.user_host_memory", "1MB"},
      {"reclaim.user_clients", "1"},
      {"recovery.mode", "dry-run"},
      {"recovery.mode", "off"},
      {"recovery.gpu_emergency", "true"},
      {"recovery.rest_seconds", "10"},
      {"recovery.deadline_seconds", "0.5"},
      {"ledger.user_host_memory", "none"},
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
      {"recorder.keep", "1h"},
      {"recorder.keep", "10s"},
      {"recorder.memory", "1MB"},
      {"recorder.aftermath_seconds", "0"},
      {"recorder.incidents_max_size", "1GB"},
      {"recorder.file", "/var/lib/levee/day.levee"},
      {"recorder.max_size", "64TB"},
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

}  // namespace
}  // namespace levee::config
