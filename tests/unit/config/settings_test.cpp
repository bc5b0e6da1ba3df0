#include "config/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "support/temp_dir.hpp"

namespace levee::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A folder of its own for each test, with configuration files in it.
class SettingsTest : public testing::Test {
 protected:
  SettingsTest() { std::filesystem::permissions(dir_.path(), std::filesystem::perms::all); }

  std::filesystem::path write(const std::string& text, const std::string& name = "levee.toml") {
    dir_.write(name, text);
    return dir_ / name;
  }

  Result<Settings> load_text(const std::string& text) {
    return Settings::load(Inputs{write(text), {}, {}, {}});
  }

  test::TempDir dir_;
};

TEST_F(SettingsTest, StartWithNothingAtAll) {
  const auto settings = Settings::load({});
  ASSERT_TRUE(settings);
  EXPECT_EQ(changed_keys(Config{}, settings->config()), std::vector<std::string>{});
  EXPECT_EQ(settings->file(), std::nullopt);
  EXPECT_EQ(settings->provenance("memory_optimal").origin, Origin::builtin);
  EXPECT_EQ(settings->provenance("memory_optimal").where, "built-in");
}

TEST_F(SettingsTest, LayLaterOriginsOverEarlierOnes) {
  Inputs inputs;
  inputs.file = write(
      "cpu_memory_warning = 61\nmemory_optimal = 61\nhysteresis = 1\n"
      "process_top = 6\n");
  inputs.environment = {
      {"LEVEE_MEMORY_OPTIMAL", "62"}, {"LEVEE_HYSTERESIS", "2"}, {"LEVEE_PROCESS_TOP", "7"}};
  inputs.command_line = {{"hysteresis", "3"}, {"process_top", "8"}};
  const auto loaded = Settings::load(inputs);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto settings = loaded->with_runtime({{"process_top", Value{std::int64_t{9}}}});
  ASSERT_TRUE(settings) << settings.error().message;

  EXPECT_EQ(settings->config().thresholds.cpu_memory_warning, 61);
  EXPECT_EQ(settings->config().thresholds.memory_optimal, 62);
  EXPECT_EQ(settings->config().thresholds.hysteresis, 3);
  EXPECT_EQ(settings->config().process_top, 9);
  EXPECT_EQ(settings->provenance("cpu_memory_warning").where, inputs.file->string() + ":1");
  EXPECT_EQ(to_string(settings->provenance("cpu_memory_warning").origin), "file");
  EXPECT_EQ(to_string(settings->provenance("memory_optimal").origin), "environment");
  EXPECT_EQ(to_string(settings->provenance("hysteresis").origin), "command line");
  EXPECT_EQ(settings->provenance("hysteresis").where, "command line");
  EXPECT_EQ(to_string(settings->provenance("process_top").origin), "run time");
  EXPECT_EQ(loaded->config().process_top, 8) << "settings never change in place";
}

TEST_F(SettingsTest, SayWhereABadValueStands) {
  const auto settings = load_text("# levee\n\nmemory_optimal = \"high\"\n");
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().message,
            (dir_ / "levee.toml").string() +
                ":3: memory_optimal = \"high\" is not a percent (a number from 1 to 100)");
}

TEST_F(SettingsTest, CheckValuesThatALaterOriginHides) {
  Inputs inputs;
  inputs.file = write("memory_optimal = 500\n");
  inputs.command_line = {{"memory_optimal", "60"}};
  EXPECT_FALSE(Settings::load(inputs));
}

TEST_F(SettingsTest, RefuseUnknownKeysWithASuggestion) {
  const auto in_file = load_text("\nmemory_optimla = 60\n");
  ASSERT_FALSE(in_file);
  EXPECT_THAT(in_file.error().message, HasSubstr("levee.toml:2: unknown key: memory_optimla"));
  EXPECT_EQ(in_file.error().hint, "did you mean memory_optimal?");

  const auto in_table = load_text("[server]\nlisten_on = 'off'\n");
  ASSERT_FALSE(in_table);
  EXPECT_THAT(in_table.error().message, HasSubstr(":2: unknown key: server.listen_on"));

  const auto table_as_value = load_text("server = 'off'\n");
  ASSERT_FALSE(table_as_value);
  EXPECT_THAT(table_as_value.error().hint, HasSubstr("server is a table"));

  const auto in_command_line = Settings::load(Inputs{{}, {}, {}, {{"listen", "off"}}});
  ASSERT_FALSE(in_command_line);
  EXPECT_EQ(in_command_line.error().message, "command line: unknown key: listen");
  EXPECT_EQ(in_command_line.error().hint, "did you mean server.listen?");

  const auto at_run_time = Settings::load({})->with_runtime({{"colour", Value{true}}});
  ASSERT_FALSE(at_run_time);
  EXPECT_EQ(at_run_time.error().message, "unknown key: colour");
}

TEST_F(SettingsTest, NameTheOriginsOfAContradiction) {
  Inputs inputs;
  inputs.file = write("memory_optimal = 88\n");
  const auto settings = Settings::load(inputs);
  ASSERT_FALSE(settings);
  EXPECT_THAT(settings.error().message,
              HasSubstr("memory_optimal = 88 % must be below memory_normal"));
  EXPECT_THAT(settings.error().message, HasSubstr("(memory_optimal: " + inputs.file->string() +
                                                  ":1; memory_normal: built-in)"));
  EXPECT_FALSE(settings.error().hint.empty());
}

TEST_F(SettingsTest, RefuseEveryKindOfContradiction) {
  const char* contradictions[] = {
      "memory_optimal = 85",
      "memory_normal = 95",
      "memory_critical = 80",
      "cpu_memory_warning = 95",
      "cpu_memory_critical = 80",
      "host_available_warning = '2GB'",
      "host_available_emergency = '5GB'",
      "memory_optimal = 5\nhysteresis = 10",
      "stale_seconds = 1\nmonitoring_interval = 2",
  };
  for (const char* text : contradictions) {
    const auto settings = load_text(text);
    ASSERT_FALSE(settings) << text;
    EXPECT_EQ(settings.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(settings.error().message, HasSubstr("levee.toml:")) << text;
  }
}

// --- files

TEST_F(SettingsTest, ReadTheFirstUsualFileThatExists) {
  const auto second = write("process_top = 2\n", "second.toml");
  const auto third = write("process_top = 3\n", "third.toml");
  const auto settings = Settings::load(Inputs{{}, {dir_ / "first.toml", second, third}, {}, {}});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->config().process_top, 2);
  EXPECT_EQ(settings->file(), second);
}

TEST_F(SettingsTest, NeedNoneOfTheUsualFiles) {
  const auto settings = Settings::load(Inputs{{}, {dir_ / "absent.toml"}, {}, {}});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->file(), std::nullopt);
}

TEST_F(SettingsTest, InsistOnAFileThatWasNamed) {
  const auto settings = Settings::load(Inputs{dir_ / "absent.toml", {}, {}, {}});
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().code, ErrorCode::not_found);
  EXPECT_THAT(settings.error().message, HasSubstr("absent.toml: No such file"));
  // The file may have been named with --config, or as what `levee config check` shall look at.
  EXPECT_THAT(settings.error().hint, HasSubstr("check the path"));
}

TEST_F(SettingsTest, AcceptAnEmptyFile) {
  EXPECT_TRUE(load_text(""));
  EXPECT_TRUE(Settings::load(Inputs{"/dev/null", {}, {}, {}}));
}

TEST_F(SettingsTest, RefuseWhatIsNoFile) {
  const auto pipe = dir_ / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const auto& path : {dir_.path(), pipe}) {
    const auto settings = Settings::load(Inputs{path, {}, {}, {}});
    ASSERT_FALSE(settings);
    EXPECT_EQ(settings.error().message, path.string() + " is not a file");
  }
}

TEST_F(SettingsTest, RefuseAFileThatIsTooLarge) {
  const auto named = load_text("process_top = 5\n" + std::string(10'000'000, '#'));
  ASSERT_FALSE(named);
  EXPECT_THAT(named.error().message, HasSubstr("has more than 1048576 bytes"));
  const auto endless = Settings::load(Inputs{"/dev/zero", {}, {}, {}});
  ASSERT_FALSE(endless);
  EXPECT_THAT(endless.error().message, HasSubstr("has more than 1048576 bytes"));
}

/// Does without root's power to read everything, for the length of a scope.
class AsNobody {
 public:
  AsNobody() : changed_(geteuid() == 0 && seteuid(65'534) == 0) {}
  ~AsNobody() {
    if (changed_ && seteuid(0) != 0) {
      std::abort();
    }
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  bool changed_;
};

TEST_F(SettingsTest, RefuseAFileThatCannotBeRead) {
  const auto path = write("process_top = 5\n");
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  const AsNobody nobody;
  const auto named = Settings::load(Inputs{path, {}, {}, {}});
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code, ErrorCode::permission_denied);
  EXPECT_THAT(named.error().message, HasSubstr("levee.toml: Permission denied"));
  EXPECT_THAT(named.error().hint, HasSubstr("readable"));
  EXPECT_FALSE(Settings::load(Inputs{{}, {path}, {}, {}})) << "nor is it passed over in silence";
}

TEST_F(SettingsTest, RefuseAFolderThatCannotBeEntered) {
  const auto folder = dir_ / "closed";
  std::filesystem::create_directory(folder);
  write("process_top = 5\n", "closed/levee.toml");
  ASSERT_EQ(chmod(folder.c_str(), 0), 0);
  {
    const AsNobody nobody;
    const auto settings = Settings::load(Inputs{folder / "levee.toml", {}, {}, {}});
    ASSERT_FALSE(settings);
    EXPECT_EQ(settings.error().code, ErrorCode::permission_denied);
  }
  ASSERT_EQ(chmod(folder.c_str(), 0700), 0);
}

// --- run time

TEST_F(SettingsTest, TakeRunTimeChangesAllOrNone) {
  const auto settings = Settings::load({});
  const auto refused = settings->with_runtime(
      {{"memory_optimal", Value{60.0}}, {"process_top", Value{std::string("many")}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "process_top = \"many\" is not a whole number (from 1 to 500)");
  const auto contradictory = settings->with_runtime({{"memory_optimal", Value{99.0}}});
  ASSERT_FALSE(contradictory);
  EXPECT_THAT(contradictory.error().message, HasSubstr("memory_optimal: run time"));
  EXPECT_EQ(changed_keys(Config{}, settings->config()), std::vector<std::string>{});
}

TEST_F(SettingsTest, JudgeRunTimeChangesTogether) {
  // Each alone would be out of order; together they are not.
  const auto settings = Settings::load({})->with_runtime({{"memory_optimal", Value{96.0}},
                                                          {"memory_normal", Value{97.0}},
                                                          {"memory_critical", Value{98.0}}});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->config().thresholds.memory_optimal, 96);
}

TEST_F(SettingsTest, KeepEarlierRunTimeChanges) {
  const auto first = Settings::load({})->with_runtime({{"process_top", Value{std::int64_t{5}}}});
  ASSERT_TRUE(first);
  const auto second = first->with_runtime({{"hysteresis", Value{1.0}}});
  ASSERT_TRUE(second);
  const auto third = second->with_runtime({{"hysteresis", Value{2.0}}});
  ASSERT_TRUE(third);
  EXPECT_THAT(changed_keys(Config{}, third->config()), ElementsAre("hysteresis", "process_top"));
  EXPECT_EQ(third->config().thresholds.hysteresis, 2);
}

TEST_F(SettingsTest, StoreRunTimeChangesThatWaitForARestart) {
  const auto before = Settings::load({});
  const auto after = before->with_runtime({{"server.listen", Value{std::string("off")}}});
  ASSERT_TRUE(after);
  EXPECT_THAT(changed_keys(before->config(), after->config()), ElementsAre("server.listen"));
  EXPECT_FALSE((*find_key("server.listen"))->live);
}

TEST_F(SettingsTest, AcceptAnEmptyChange) {
  const auto settings = Settings::load({})->with_runtime({});
  ASSERT_TRUE(settings);
  EXPECT_EQ(changed_keys(Config{}, settings->config()), std::vector<std::string>{});
}

// --- reload

TEST_F(SettingsTest, ReadTheFileAgainAndKeepRunTimeChanges) {
  Inputs inputs;
  inputs.file = write("process_top = 5\nhysteresis = 1\n");
  inputs.environment = {{"LEVEE_STALE_SECONDS", "7"}, {"LEVEE_ODD", "1"}};
  const auto before = Settings::load(inputs)->with_runtime({{"hysteresis", Value{3.0}}});
  ASSERT_TRUE(before);
  write("process_top = 6\nhysteresis = 2\n");
  const auto after = before->reloaded();
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->config().process_top, 6);
  EXPECT_EQ(after->config().thresholds.hysteresis, 3);
  EXPECT_EQ(after->config().thresholds.stale_after, std::chrono::seconds{7});
  EXPECT_EQ(after->notes().size(), 1U) << "notes are made anew, not added up";
  EXPECT_THAT(changed_keys(before->config(), after->config()), ElementsAre("process_top"));
}

TEST_F(SettingsTest, RefuseToReloadABrokenFile) {
  const auto path = write("process_top = 5\n");
  const auto before = Settings::load(Inputs{path, {}, {}, {}});
  ASSERT_TRUE(before);
  write("process_top = ,\n");
  EXPECT_FALSE(before->reloaded());
  std::filesystem::remove(path);
  EXPECT_FALSE(before->reloaded());
  EXPECT_EQ(before->config().process_top, 5);
}

TEST_F(SettingsTest, RefuseToReloadWhatContradictsARunTimeChange) {
  const auto path = write("");
  const auto before =
      Settings::load(Inputs{path, {}, {}, {}})->with_runtime({{"memory_optimal", Value{80.0}}});
  ASSERT_TRUE(before);
  write("memory_normal = 75\n");
  const auto after = before->reloaded();
  ASSERT_FALSE(after);
  EXPECT_THAT(after.error().message, HasSubstr("memory_optimal: run time"));
}

TEST_F(SettingsTest, NoticeAUsualFileThatAppearsOrVanishes) {
  const auto path = dir_ / "levee.toml";
  const auto without = Settings::load(Inputs{{}, {path}, {}, {}});
  ASSERT_TRUE(without);
  write("process_top = 5\n");
  const auto with = without->reloaded();
  ASSERT_TRUE(with);
  EXPECT_EQ(with->config().process_top, 5);
  EXPECT_EQ(with->file(), path);
  std::filesystem::remove(path);
  EXPECT_EQ(with->reloaded()->config().process_top, 20);
}

TEST(ChangedKeys, ComeInTheOrderOfTheTable) {
  Config after;
  after.protect.oom_score_adj = 0;
  after.guard.fill_rate = gib(1);
  after.webhook.urls = {"http://a"};
  EXPECT_THAT(changed_keys(Config{}, after),
              ElementsAre("guard.fill_rate", "webhook.urls", "protect.oom_score_adj"));
  EXPECT_THAT(changed_keys(after, after), IsEmpty());
}

}  // namespace
}  // namespace levee::config
