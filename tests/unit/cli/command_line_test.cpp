#include "cli/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::cli {
namespace {

using testing::HasSubstr;

std::string text_of(std::vector<std::string> arguments) {
  const Parsed parsed = parse(std::move(arguments));
  const auto* text = std::get_if<Text>(&parsed);
  return text != nullptr ? text->text : "(no text)";
}

Misuse misuse_of(std::vector<std::string> arguments) {
  Parsed parsed = parse(std::move(arguments));
  auto* misuse = std::get_if<Misuse>(&parsed);
  return misuse != nullptr ? std::move(*misuse) : Misuse{Error{}, -1};
}

bool runs(std::vector<std::string> arguments) {
  return std::holds_alternative<Run>(parse(std::move(arguments)));
}

TEST(Parse, AcceptsEverySubcommand) {
  EXPECT_TRUE(runs({"status"}));
  EXPECT_TRUE(runs({"status", "--watch"}));
  EXPECT_TRUE(runs({"status", "--watch", "0.5", "--ascii"}));
  EXPECT_TRUE(runs({"status", "--watch=5", "--json"}));
  EXPECT_TRUE(runs({"check", "--json", "--socket", "/tmp/s"}));
  EXPECT_TRUE(runs({"alerts", "--severity", "critical", "--limit", "5"}));
  EXPECT_TRUE(runs({"alerts", "--since", "7d"}));
  EXPECT_TRUE(runs({"ps"}));
  EXPECT_TRUE(runs({"ps", "--user", "alice", "--sort", "growth", "--limit", "5", "--pss"}));
  EXPECT_TRUE(runs({"validate", "facebook/musicgen-small", "--gpu", "0", "--json"}));
  EXPECT_TRUE(runs({"models", "--json"}));
  EXPECT_TRUE(runs({"history", "--window", "24h", "--series", "cpu"}));
  EXPECT_TRUE(runs({"config", "show"}));
  EXPECT_TRUE(runs({"config", "check", "levee.toml"}));
  EXPECT_TRUE(runs({"config", "set", "a=1", "b=2"}));
  EXPECT_TRUE(runs({"doctor", "--json"}));
  EXPECT_TRUE(runs({"serve", "--listen", "off", "--set", "a=1", "--set", "b=[\"x\", \"y\"]"}));
}

TEST(Parse, HidesTheGpuHelperFromPeople) {
  EXPECT_TRUE(runs({"gpu-helper"}));
  EXPECT_THAT(text_of({"--help"}), testing::Not(HasSubstr("gpu-helper")));
  EXPECT_THAT(misuse_of({"zzzz"}).error.hint, testing::Not(HasSubstr("gpu-helper")));
  EXPECT_EQ(misuse_of({"gpu-helper", "--json"}).exit_code, 2);
}

TEST(Parse, HidesTheGpuHolderFromPeople) {
  EXPECT_TRUE(runs({"gpu-holder", "GPU-3c1eba8b"}));
  EXPECT_THAT(text_of({"--help"}), testing::Not(HasSubstr("gpu-holder")));
  EXPECT_EQ(misuse_of({"gpu-holder"}).exit_code, 2);
  EXPECT_EQ(misuse_of({"gpu-holder", "0", "1"}).exit_code, 2);
}

TEST(Parse, ShowsStatusWhenNoSubcommandIsNamed) {
  EXPECT_TRUE(runs({}));
  EXPECT_TRUE(runs({"--json"}));
  EXPECT_TRUE(runs({"--watch", "1"}));
}

TEST(Parse, GivesHelpWithExamplesAndExitCodesForEverySubcommand) {
  const std::vector<std::vector<std::string>> commands{{},
                                                       {"status"},
                                                       {"check"},
                                                       {"ps"},
                                                       {"alerts"},
                                                       {"history"},
                                                       {"models"},
                                                       {"validate"},
                                                       {"config"},
                                                       {"doctor"},
                                                       {"config", "show"},
                                                       {"config", "check"},
                                                       {"config", "set"},
                                                       {"serve"}};
  for (const auto& words : commands) {
    std::vector<std::string> with_flag = words;
    with_flag.emplace_back("--help");
    std::vector<std::string> with_word{"help"};
    with_word.insert(with_word.end(), words.begin(), words.end());
    const std::string text = text_of(with_flag);
    EXPECT_THAT(text, HasSubstr("Examples:"));
    EXPECT_THAT(text, HasSubstr("Exit code: 0"));
    EXPECT_EQ(text_of(with_word), text);
  }
}

TEST(Parse, NamesTheWholeCommandInItsUsage) {
  EXPECT_THAT(text_of({"--help"}), HasSubstr("Usage: levee [OPTIONS]"));
  EXPECT_THAT(text_of({"help", "history"}), HasSubstr("Usage: levee history [OPTIONS]"));
  EXPECT_THAT(text_of({"config", "show", "-h"}), HasSubstr("Usage: levee config show [OPTIONS]"));
}

TEST(Parse, ChoosesSomethingThatRunsOnItsOwn) {
  // What was parsed is gone by now; a bad period is refused before anything is asked or drawn.
  const Parsed parsed = parse({"status", "--watch", "often"});
  ASSERT_TRUE(std::holds_alternative<cli::Run>(parsed));
  EXPECT_EQ(std::get<cli::Run>(parsed)(Surroundings{}), 2);
}

TEST(Parse, RefusesAnOrderOrANumberOfProcessesThatIsNone) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"--sort", "pss"},
                                                                 {"--sort", ""},
                                                                 {"--limit", "0"},
                                                                 {"--limit", "1001"},
                                                                 {"--limit", "-1"},
                                                                 {"--limit", "1.5"},
                                                                 {"--limit", "all"}}) {
    std::vector<std::string> arguments{"ps", "--socket", "/nonexistent/socket"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const Parsed parsed = parse(arguments);
    ASSERT_TRUE(std::holds_alternative<cli::Run>(parsed)) << words[1];
    EXPECT_EQ(std::get<cli::Run>(parsed)(Surroundings{}), 2) << words[1];
  }
}

TEST(Parse, RefusesATimeForAlertsThatIsNoneBeforeAnybodyIsAsked) {
  for (const char* since : {"", "0", "-1h", "yesterday", "731d", "nan", "1e3"}) {
    const Parsed parsed = parse({"alerts", "--since", since, "--socket", "/nonexistent/socket"});
    ASSERT_TRUE(std::holds_alternative<cli::Run>(parsed)) << since;
    EXPECT_EQ(std::get<cli::Run>(parsed)(Surroundings{}), 2) << since;
  }
}

TEST(Parse, KnowsItsVersion) {
  EXPECT_EQ(text_of({"--version"}), "levee " LEVEE_VERSION "\n");
  EXPECT_EQ(text_of({"-V"}), "levee " LEVEE_VERSION "\n");
}

struct Case {
  std::vector<std::string> arguments;
  int exit_code;
  const char* message;
  const char* hint;
};
class WrongUse : public testing::TestWithParam<Case> {};
TEST_P(WrongUse, IsRefusedWithAHint) {
  const Misuse misuse = misuse_of(GetParam().arguments);
  EXPECT_EQ(misuse.exit_code, GetParam().exit_code);
  EXPECT_THAT(misuse.error.message, HasSubstr(GetParam().message));
  EXPECT_THAT(misuse.error.hint, HasSubstr(GetParam().hint));
}
INSTANTIATE_TEST_SUITE_P(
    Parse, WrongUse,
    testing::Values(
        Case{{"stauts"}, 2, "\"stauts\" is no subcommand of levee", "did you mean \"status\"?"},
        Case{{"frobnicate"}, 2, "frobnicate", "one of: status, check, ps"},
        Case{{""}, 2, "\"\" is no subcommand", "one of"},
        Case{{"config", "shwo"}, 2, "no subcommand of levee config", "did you mean \"show\"?"},
        Case{{"config"}, 2, "levee config needs a subcommand", "one of: show, check, set"},
        Case{
            {"status", "--jsn"}, 2, "levee status has no option --jsn", "did you mean \"--json\"?"},
        Case{{"--frobnicate"}, 2, "--frobnicate", "levee status --help"},
        Case{{"alerts", "--severty=critical"},
             2,
             "has no option --severty",
             "did you mean \"--severity\"?"},
        Case{{"alerts", "extra"}, 2, "levee alerts does not take \"extra\"", "levee alerts --help"},
        Case{{"alerts", "--limit"}, 2, "--limit", "levee alerts --help"},
        Case{{"serve", "extra"}, 2, "extra", "levee serve --help"},
        Case{{"serve", "--listen"}, 2, "--listen", "levee serve --help"},
        Case{{"status", "check"}, 2, "check", ""}, Case{{"config", "set"}, 2, "key=value", ""},
        Case{{"help", "stauts"}, 2, "stauts", "did you mean \"status\"?"},
        Case{{"help", "config", "shwo"}, 2, "shwo", "did you mean \"show\"?"},
        Case{
            {"check", "--jsno"}, 3, "levee check has no option --jsno", "did you mean \"--json\"?"},
        Case{{"check", "now"}, 3, "does not take \"now\"", "levee check --help"},
        Case{{"check", "--socket"}, 3, "--socket", "levee check --help"}));

}  // namespace
}  // namespace levee::cli
