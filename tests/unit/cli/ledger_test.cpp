// What is asked of the ledger on the command line.
#include "cli/ledger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/command_line.hpp"

namespace levee::cli {
namespace {

using testing::HasSubstr;

using Words = std::vector<std::string>;

/// What is wished for by these options.
LeaseWish wish_of(Words options) {
  CLI::App app;
  LeaseWish wish;
  add_lease_wish(app, wish);
  std::ranges::reverse(options);  // As CLI11 wants them.
  app.parse(options);
  return wish;
}

// --- the body of a request

TEST(ToBody, SaysWhatWasWishedForAndNothingElse) {
  EXPECT_EQ(to_body(wish_of({"--gpu-mem=12GB"})).value(), Json::parse(R"({"gpu_memory": "12GB"})"));
  EXPECT_EQ(to_body(wish_of({"--host-mem=8GB"})).value(), Json::parse(R"({"host_memory": "8GB"})"));
  EXPECT_EQ(to_body(wish_of({"--gpu-mem=12GB", "--gpus=2", "--host-mem=8GB", "--placement=spread",
                             "--min-compute=8.0", "--priority=-5", "--name=train", "--id=t-1",
                             "--wait=10m"}))
                .value(),
            Json::parse(R"({"id": "t-1", "name": "train", "gpu_memory": "12GB",
                "host_memory": "8GB", "placement": "spread", "min_compute": "8.0", "gpus": 2,
                "priority": -5, "wait_seconds": 600})"));
  EXPECT_EQ(to_body(wish_of({"--gpu-mem=1GB", "--gpu=0", "--gpu=GPU-5b"})).value()["gpus"],
            Json::parse(R"(["0", "GPU-5b"])"));
}

TEST(ToBody, WaitsAWholeSecondAtLeast) {
  EXPECT_EQ(to_body(wish_of({"--host-mem=1GB", "--wait=1s"})).value()["wait_seconds"], 1);
  EXPECT_EQ(to_body(wish_of({"--host-mem=1GB", "--wait=1500ms"})).value()["wait_seconds"], 2);
  EXPECT_EQ(to_body(wish_of({"--host-mem=1GB", "--wait=365d"})).value()["wait_seconds"],
            31'536'000);
}

struct WrongWish {
  Words wish;
  const char* message;
  const char* hint;
};
class RefusedWish : public testing::TestWithParam<WrongWish> {};
TEST_P(RefusedWish, SaysWhatToDo) {
  const auto body = to_body(wish_of(GetParam().wish));
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(body.error().message, HasSubstr(GetParam().message));
  EXPECT_THAT(body.error().hint, HasSubstr(GetParam().hint));
}
INSTANTIATE_TEST_SUITE_P(
    ToBody, RefusedWish,
    testing::Values(
        WrongWish{{}, "nothing is asked for", "--gpu-mem 12GB"},
        WrongWish{{"--name=x", "--wait=5s"}, "nothing is asked for", ""},
        WrongWish{{"--gpus=2"}, "not how much of them", "add --gpu-mem"},
        WrongWish{{"--gpu=0"}, "not how much of them", "add --gpu-mem"},
        WrongWish{{"--gpus=1", "--host-mem=8GB"}, "not how much of them", "--gpu-mem"},
        WrongWish{{"--gpu-mem=1GB", "--gpus=1", "--gpu=0"}, "both --gpu and --gpus", "or say"},
        WrongWish{{"--gpu-mem=1GB", "--gpus=0"}, "--gpus is \"0\"", "from 1 to 64"},
        WrongWish{{"--gpu-mem=1GB", "--gpus=65"}, "\"65\"", "from 1 to 64"},
        WrongWish{{"--gpu-mem=1GB", "--gpus=-1"}, "\"-1\"", ""},
        WrongWish{{"--gpu-mem=1GB", "--gpus=1.5"}, "\"1.5\"", ""},
        WrongWish{{"--gpu-mem=1GB", "--gpus=all"}, "\"all\"", ""},
        WrongWish{{"--gpu-mem=1GB", "--gpus", ""}, "--gpus is \"\"", ""},
        WrongWish{{"--gpu-mem=1GB", "--gpus=99999999999999999999"}, "--gpus", ""},
        WrongWish{{"--host-mem=1GB", "--priority=1001"}, "--priority", "from -1000 to 1000"},
        WrongWish{{"--host-mem=1GB", "--priority=high"}, "\"high\"", ""},
        WrongWish{{"--host-mem=1GB", "--wait=0"}, "--wait", ""},
        WrongWish{{"--host-mem=1GB", "--wait=0s"}, "--wait", ""},
        WrongWish{{"--host-mem=1GB", "--wait=-5m"}, "--wait", ""},
        WrongWish{{"--host-mem=1GB", "--wait=366d"}, "--wait", ""},
        WrongWish{{"--host-mem=1GB", "--wait=nan"}, "--wait", ""},
        WrongWish{{"--host-mem=1GB", "--wait", ""}, "--wait", ""},
        WrongWish{{"--host-mem=1GB", "--wait=for ever"}, "--wait", ""}));

// --- the command line

std::variant<std::monostate, Text, Misuse> parsed(std::vector<std::string> arguments) {
  Parsed result = parse(std::move(arguments));
  if (auto* const text = std::get_if<Text>(&result)) {
    return std::move(*text);
  }
  if (auto* const misuse = std::get_if<Misuse>(&result)) {
    return std::move(*misuse);
  }
  return std::monostate{};
}

class RunsWhatFollows : public testing::TestWithParam<Words> {};
TEST_P(RunsWhatFollows, WhateverThatIs) {
  Words arguments{"run", "--host-mem", "1MB", "--"};
  arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
  EXPECT_EQ(parsed(arguments).index(), 0U);
}
INSTANTIATE_TEST_SUITE_P(
    Parse, RunsWhatFollows,
    testing::Values(Words{"cmd"}, Words{"cmd", "--opt"}, Words{"cmd", "--help"},
                    Words{"cmd", "-h", "-V"}, Words{"cmd", "--version"}, Words{"--weird-name"},
                    Words{"cmd", "--", "x"}, Words{"cmd", "--", "--help"}, Words{"cmd", ""},
                    Words{"cmd", "-"}, Words{"cmd", "--gpus", "0"}, Words{"cmd", "--host-mem"},
                    Words{"levee", "run", "--", "x"}, Words{"status"}, Words{"run"},
                    Words{"cmd", "a=b", "-x=y"}, Words{"python", "-c", "print(1); print(2)"}));

struct Wrong {
  Words arguments;
  const char* message;
  const char* hint;
};
class WrongLedgerUse : public testing::TestWithParam<Wrong> {};
TEST_P(WrongLedgerUse, IsRefusedWithAHint) {
  const auto result = parsed(GetParam().arguments);
  const auto* const misuse = std::get_if<Misuse>(&result);
  ASSERT_NE(misuse, nullptr);
  EXPECT_EQ(misuse->exit_code, 2);
  EXPECT_THAT(misuse->error.message, HasSubstr(GetParam().message));
  EXPECT_THAT(misuse->error.hint, HasSubstr(GetParam().hint));
}
INSTANTIATE_TEST_SUITE_P(
    Parse, WrongLedgerUse,
    testing::Values(
        Wrong{{"run"}, "command", "levee run --help"}, Wrong{{"run", "--"}, "command", ""},
        Wrong{{"run", "--gpu-mem", "1GB"}, "command", "levee run --help"},
        Wrong{{"run", "--gpu-mem"}, "--gpu-mem", "levee run --help"},
        Wrong{{"run", "--gpu-memory", "1GB", "--", "x"},
              "levee run has no option --gpu-memory",
              "did you mean \"--gpu-mem\"?"},
        Wrong{{"run", "--gpu-mem", "1GB", "python", "train.py", "--epochs", "3"}, "--epochs", ""},
        Wrong{{"lease"}, "levee lease needs a subcommand", "one of: list, grant, release, wait"},
        Wrong{{"lease", "grnat"}, "no subcommand of levee lease", "did you mean \"grant\"?"},
        Wrong{{"lease", "list", "a"}, "levee lease list does not take \"a\"", ""},
        Wrong{{"lease", "list", "--jsn"}, "has no option --jsn", "did you mean \"--json\"?"},
        Wrong{{"lease", "grant", "a"}, "levee lease grant does not take \"a\"", ""},
        Wrong{{"lease", "grant", "--gpumem", "1GB"}, "--gpumem", "did you mean \"--gpu-mem\"?"},
        Wrong{{"lease", "grant", "--ttl"}, "--ttl", ""},
        Wrong{{"lease", "release"}, "id", "levee lease release --help"},
        Wrong{{"lease", "wait"}, "id", "levee lease wait --help"},
        Wrong{{"queue", "a"}, "levee queue does not take \"a\"", ""},
        Wrong{{"queue", "--gpu", "0"}, "levee queue has no option --gpu", ""}));

TEST(ParseLedger, AcceptsEverySubcommand) {
  for (const Words& words : std::vector<Words>{
           {"run", "--gpu-mem", "12GB", "--gpus", "2", "--wait", "2h", "-q", "--", "train"},
           {"run", "--gpu-mem", "1GB", "--gpu", "0", "--gpu", "GPU-5b", "--", "train"},
           {"run", "--host-mem=8GB", "train"},
           {"run", "--gpu-mem", "1GB", "--gpu", "0", "train"},
           {"lease", "list", "--json"},
           {"lease", "grant", "--gpu-mem", "12GB", "--ttl", "2h", "--pid", "1", "--json"},
           {"lease", "grant", "--host-mem", "1GB", "--priority", "-5"},
           {"lease", "release", "a", "b"},
           {"lease", "release", "--", "--odd"},
           {"lease", "wait", "a"},
           {"queue", "--json", "--socket", "/tmp/s"}}) {
    EXPECT_EQ(parsed(words).index(), 0U) << testing::PrintToString(words);
  }
}

TEST(ParseLedger, GivesHelpWithExamplesAndExitCodes) {
  for (const Words& words : std::vector<Words>{{"run"},
                                               {"lease", "list"},
                                               {"lease", "grant"},
                                               {"lease", "release"},
                                               {"lease", "wait"},
                                               {"queue"}}) {
    Words arguments{"help"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const auto result = parsed(arguments);
    const auto* const text = std::get_if<Text>(&result);
    ASSERT_NE(text, nullptr) << words.back();
    EXPECT_THAT(text->text, HasSubstr("Examples:"));
    EXPECT_THAT(text->text, HasSubstr("Exit code: "));
    EXPECT_THAT(text->text, HasSubstr("levee " + words.front()));
  }
}

TEST(ParseLedger, RefusesWrongValuesBeforeAnybodyIsAskedOrStarted) {
  const Words grant{"lease", "grant", "--socket", "/nonexistent/socket"};
  const Words run{"run", "--socket", "/nonexistent/socket"};
  const auto exit_code = [](Words arguments, const Words& wrong, const Words& rest = {}) {
    arguments.insert(arguments.end(), wrong.begin(), wrong.end());
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    const Parsed result = parse(arguments);
    const auto* const chosen = std::get_if<cli::Run>(&result);
    return chosen == nullptr ? -1 : (*chosen)(Surroundings{});
  };
  for (const Words& wrong : std::vector<Words>{{},
                                               {"--name", "x"},
                                               {"--gpus", "2"},
                                               {"--gpu", "0", "--host-mem", "1GB"},
                                               {"--gpu-mem", "1GB", "--gpus", "0"},
                                               {"--gpu-mem", "1GB", "--gpus", "2", "--gpu", "0"},
                                               {"--host-mem", "1GB", "--wait", "soon"},
                                               {"--host-mem", "1GB", "--wait", "0s"},
                                               {"--host-mem", "1GB", "--priority", "1e3"}}) {
    EXPECT_EQ(exit_code(grant, wrong), 2) << testing::PrintToString(wrong);
    EXPECT_EQ(exit_code(run, wrong, {"--", "/bin/true"}), 2) << testing::PrintToString(wrong);
  }
  for (const Words& wrong : std::vector<Words>{{"--pid", "0"},
                                               {"--pid", "-1"},
                                               {"--pid", "self"},
                                               {"--pid", "2147483648"},
                                               {"--ttl", "0"},
                                               {"--ttl", "-5s"},
                                               {"--ttl", "366d"},
                                               {"--ttl", "soon"}}) {
    Words all{"--host-mem", "1GB"};
    all.insert(all.end(), wrong.begin(), wrong.end());
    EXPECT_EQ(exit_code(grant, all), 2) << testing::PrintToString(wrong);
  }
}

}  // namespace
}  // namespace levee::cli
