#include "config/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Result<Settings> load(const Environment& environment,
                      const std::map<std::string, std::string>& command_line = {}) {
  return Settings::load(Inputs{{}, {}, environment, command_line});
}

TEST(Environment, SetsKeysByTheirCanonicalNames) {
  const auto settings = load({{"LEVEE_MEMORY_OPTIMAL", "60"},
                              {"LEVEE_SERVER_LISTEN", "off"},
                              {"LEVEE_STORE_KEEP_1S", "2h"},
                              {"LEVEE_STATE_DIR", "/srv/levee"},
                              {"LEVEE_HOOK_COMMAND", R"(["a", "b c"])"},
                              {"PATH", "/bin"}});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->config().thresholds.memory_optimal, 60);
  EXPECT_EQ(settings->config().server.listen, "off");
  EXPECT_EQ(settings->config().store.keep_1s, std::chrono::hours{2});
  EXPECT_EQ(settings->config().state_dir, "/srv/levee");
  EXPECT_THAT(settings->config().hook.command, ElementsAre("a", "b c"));
  EXPECT_EQ(settings->provenance("memory_optimal").origin, Origin::environment);
  EXPECT_EQ(settings->provenance("memory_optimal").where, "LEVEE_MEMORY_OPTIMAL");
  EXPECT_THAT(settings->notes(), IsEmpty());
}

TEST(Environment, NamesTheVariableOfABadValue) {
  const auto bad_range = load({{"LEVEE_MEMORY_OPTIMAL", "150"}});
  ASSERT_FALSE(bad_range);
  EXPECT_THAT(bad_range.error().message,
              HasSubstr("LEVEE_MEMORY_OPTIMAL: memory_optimal = 150 is not a percent"));
  const auto bad_form = load({{"LEVEE_STORE_ENABLED", "maybe"}});
  ASSERT_FALSE(bad_form);
  EXPECT_THAT(bad_form.error().message,
              HasSubstr("LEVEE_STORE_ENABLED: store.enabled = \"maybe\""));
  EXPECT_FALSE(load({{"LEVEE_STATE_DIR", "relative"}}));
}

TEST(Environment, TreatsEmptyVariablesAsNotSet) {
  const auto settings = load({{"LEVEE_MEMORY_OPTIMAL", ""},
                              {"LEVEE_SOCKET", ""},
                              {"LEVEE_NONSENSE", ""},
                              {"LEVEE_COMPAT", "1"},
                              {"MEMORY_WARNING_GB", ""}});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->provenance("memory_optimal").origin, Origin::builtin);
  EXPECT_EQ(settings->provenance("server.socket").origin, Origin::builtin);
  EXPECT_THAT(settings->notes(), IsEmpty());
}

TEST(Environment, ReadsTheSocketUnderItsShortName) {
  const auto settings = load({{"LEVEE_SOCKET", "/tmp/a.sock"}});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->config().server.socket, "/tmp/a.sock");
  EXPECT_EQ(settings->provenance("server.socket").where, "LEVEE_SOCKET");

  const auto both = load({{"LEVEE_SOCKET", "/tmp/a.sock"}, {"LEVEE_SERVER_SOCKET", "/tmp/b.sock"}});
  ASSERT_TRUE(both);
  EXPECT_EQ(both->config().server.socket, "/tmp/b.sock");

  const auto bad = load({{"LEVEE_SOCKET", "a.sock"}});
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, HasSubstr("LEVEE_SOCKET: server.socket = \"a.sock\""));
}

TEST(Environment, OnlyNotesVariablesThatNobodyReads) {
  const auto settings = load({{"LEVEE_MEMROY_OPTIMAL", "60"}, {"LEVEE_PANTS_COLOUR", "red"}});
  ASSERT_TRUE(settings);
  EXPECT_THAT(settings->notes(),
              ElementsAre("nothing reads the environment variable LEVEE_MEMROY_OPTIMAL; did you "
                          "mean LEVEE_MEMORY_OPTIMAL?",
                          "nothing reads the environment variable LEVEE_PANTS_COLOUR"));
}

TEST(Environment, KeepsUnprintableNamesOutOfTheNotes) {
  const auto settings = load({{"LEVEE_\x1b[2J", "x"}});
  ASSERT_TRUE(settings);
  ASSERT_EQ(settings->notes().size(), 1U);
  EXPECT_TRUE(is_printable(settings->notes().front()));
}

TEST(Environment, KnowsTheVariablesThatAreReadElsewhere) {
  const auto settings = load({{"LEVEE_CONFIG", "/x"},
                              {"LEVEE_COMPAT", "0"},
                              {"LEVEE_LEASE", "7"},
                              {"LEVEE_SIM", "1"},
                              {"LEVEE_SIM_TRACE", "/x"},
                              {"LEVEE_NVML_PATH", "/x"},
                              {"LEVEE_TOKEN", "secret"}});
  ASSERT_TRUE(settings);
  EXPECT_THAT(settings->notes(), IsEmpty());
}

// --- compatibility names

const Environment kOldNames{{"MEMORY_WARNING_GB", "6"},
                            {"MEMORY_CRITICAL_GB", "1.5"},
                            {"MUSICGEN_MEMORY_PRESSURE_THRESHOLD", "0.7"},
                            {"MUSICGEN_MONITORING_INTERVAL", "4.0"},
                            {"MUSICGEN_HISTORY_SIZE", "300"},
                            {"MUSICGEN_MODEL_CACHE_SIZE", "7"}};

Environment with_compat(Environment environment) {
  environment["LEVEE_COMPAT"] = "1";
  return environment;
}

TEST(CompatNames, AreNotReadUnlessAskedFor) {
  for (const char* off : {"0", "", "2"}) {
    Environment environment = kOldNames;
    environment["LEVEE_COMPAT"] = off;
    const auto settings = load(environment);
    ASSERT_TRUE(settings);
    EXPECT_EQ(changed_keys(Config{}, settings->config()), std::vector<std::string>{}) << off;
  }
  EXPECT_EQ(changed_keys(Config{}, load(kOldNames)->config()), std::vector<std::string>{});
}

TEST(CompatNames, SetTheirKeysInTheirOldUnitsAndAreNoted) {
  const auto settings = load(with_compat(kOldNames));
  ASSERT_TRUE(settings) << settings.error().message;
  const Config& config = settings->config();
  EXPECT_EQ(config.thresholds.host_available_warning, gib(6));
  EXPECT_EQ(config.thresholds.host_available_emergency, mib(1536));
  EXPECT_EQ(config.thresholds.memory_pressure_threshold, 0.7);
  EXPECT_EQ(config.monitoring_interval, std::chrono::seconds{4});
  EXPECT_EQ(config.history_seconds, std::chrono::seconds{1200}) << "300 samples, one each 4 s";
  EXPECT_EQ(config.model_cache.size, 7);
  EXPECT_EQ(settings->provenance("host_available_warning").origin, Origin::environment);
  EXPECT_EQ(settings->provenance("host_available_warning").where, "MEMORY_WARNING_GB");
  ASSERT_EQ(settings->notes().size(), kOldNames.size());
  EXPECT_EQ(settings->notes().front(),
            "MEMORY_WARNING_GB = 6 sets host_available_warning (LEVEE_COMPAT=1); its name here is "
            "LEVEE_HOST_AVAILABLE_WARNING");
}

TEST(CompatNames, NeverShortenTheHistory) {
  const auto settings = load({{"LEVEE_COMPAT", "1"}, {"MUSICGEN_HISTORY_SIZE", "300"}});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->config().history_seconds, std::chrono::seconds{900});
}

TEST(CompatNames, CountSamplesAtTheIntervalInForce) {
  const Environment environment{{"LEVEE_COMPAT", "1"}, {"MUSICGEN_HISTORY_SIZE", "1000"}};
  const auto settings = load(environment, {{"monitoring_interval", "2.5"}});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->config().history_seconds, std::chrono::seconds{2500});
}

TEST(CompatNames, MayBeAText) {
  const Environment environment{{"LEVEE_COMPAT", "1"}, {"MUSICGEN_MODEL_CACHE_DIR", "/srv/7"}};
  const auto settings = load(environment);
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->config().model_cache.dir, "/srv/7");
  EXPECT_EQ(load({})->config().model_cache.dir, "/tmp/models");
}

TEST(CompatNames, YieldToTheCanonicalName) {
  const auto settings = load(
      {{"LEVEE_COMPAT", "1"}, {"MEMORY_WARNING_GB", "6"}, {"LEVEE_HOST_AVAILABLE_WARNING", "8GB"}});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->config().thresholds.host_available_warning, gib(8));
  EXPECT_THAT(settings->notes(),
              ElementsAre("MEMORY_WARNING_GB is not used: LEVEE_HOST_AVAILABLE_WARNING is set"));
}

TEST(CompatNames, RefuseWhatIsNoPositiveNumber) {
  for (const auto& [name, value] : kOldNames) {
    for (const char* bad : {"-4", "0", "nan", "inf", "4GB", "four", "1e999", " 4"}) {
      const auto settings = load({{"LEVEE_COMPAT", "1"}, {name, bad}});
      ASSERT_FALSE(settings) << name << " = " << bad;
      EXPECT_THAT(settings.error().message, HasSubstr(name)) << bad;
    }
  }
}

TEST(CompatNames, AreHeldToTheRangeOfTheirKey) {
  for (const auto& [name, value] : Environment{{"MEMORY_WARNING_GB", "1e30"},
                                               {"MEMORY_CRITICAL_GB", "0.001"},
                                               {"MUSICGEN_MEMORY_PRESSURE_THRESHOLD", "85"},
                                               {"MUSICGEN_MONITORING_INTERVAL", "0.001"},
                                               {"MUSICGEN_HISTORY_SIZE", "1e9"},
                                               {"MUSICGEN_MODEL_CACHE_SIZE", "4097"},
                                               {"MUSICGEN_MODEL_CACHE_DIR", "models"}}) {
    const auto settings = load({{"LEVEE_COMPAT", "1"}, {name, value}});
    ASSERT_FALSE(settings) << name << " = " << value;
    EXPECT_THAT(settings.error().message, HasSubstr(name + ": "));
  }
}

TEST(CompatNames, NoteASwitchThatIsNeitherOnNorOff) {
  const auto settings = load({{"LEVEE_COMPAT", "please"}});
  ASSERT_TRUE(settings);
  EXPECT_THAT(settings->notes(),
              ElementsAre("LEVEE_COMPAT = \"please\" changes nothing; it is 1 or 0"));
}

TEST(CompatNames, AreTiedToExistingKeys) {
  for (const CompatName& compat : compat_names()) {
    const auto key = find_key(compat.key);
    ASSERT_TRUE(key) << compat.name;
    EXPECT_EQ((*key)->compat_env, compat.name);
  }
}

}  // namespace
}  // namespace levee::config
