// Values as text, as people may read them, and the contradictions between keys.
#include <gmock/gmock.h>

#include "unit/config/key_helpers.hpp"

namespace levee::config {
namespace {

using testing::HasSubstr;

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
