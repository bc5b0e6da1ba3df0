#include "client/endpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

namespace levee::client {
namespace {

using ::testing::ElementsAre;
namespace fs = std::filesystem;

constexpr uid_t kRoot = 0;
constexpr uid_t kAlice = 1000;

Environment with(std::map<std::string, std::string, std::less<>> variables) {
  return [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional{found->second};
  };
}

TEST(DefaultStateDir, PrefersLeveesOwnVariable) {
  const auto env = with(
      {{"LEVEE_STATE_DIR", "/srv/levee"}, {"XDG_STATE_HOME", "/xdg"}, {"HOME", "/home/alice"}});
  EXPECT_EQ(default_state_dir(env, kAlice), "/srv/levee");
  EXPECT_EQ(default_state_dir(env, kRoot), "/srv/levee");
  EXPECT_EQ(default_state_dir(with({{"LEVEE_STATE_DIR", "here"}}), kAlice), "here");
}

TEST(DefaultStateDir, IsTheSystemsForRoot) {
  EXPECT_EQ(default_state_dir(with({{"XDG_STATE_HOME", "/xdg"}, {"HOME", "/root"}}), kRoot),
            "/var/lib/levee");
}

TEST(DefaultStateDir, FollowsXdgThenHome) {
  EXPECT_EQ(default_state_dir(with({{"XDG_STATE_HOME", "/xdg"}, {"HOME", "/home/alice"}}), kAlice),
            "/xdg/levee");
  EXPECT_EQ(default_state_dir(with({{"HOME", "/home/alice"}}), kAlice),
            "/home/alice/.local/state/levee");
}

TEST(DefaultStateDir, NamesTheUserWhereThereIsNoHome) {
  EXPECT_EQ(default_state_dir(with({}), kAlice), "/tmp/levee-1000");
  EXPECT_EQ(default_state_dir(with({{"HOME", "alice"}}), 7), "/tmp/levee-7");
}

TEST(DefaultStateDir, TakesEmptyVariablesAsUnset) {
  const auto env = with({{"LEVEE_STATE_DIR", ""}, {"XDG_STATE_HOME", ""}, {"HOME", "/home/alice"}});
  EXPECT_EQ(default_state_dir(env, kAlice), "/home/alice/.local/state/levee");
  EXPECT_EQ(default_state_dir(env, kRoot), "/var/lib/levee");
}

TEST(DefaultStateDir, IgnoresRelativeXdgPaths) {
  for (const auto* path : {"state", "./state", "../state", "~/state"}) {
    EXPECT_EQ(default_state_dir(with({{"XDG_STATE_HOME", path}, {"HOME", "/h"}}), kAlice),
              "/h/.local/state/levee");
  }
}

TEST(DefaultSocket, PrefersLeveesOwnVariable) {
  const auto env = with({{"LEVEE_SOCKET", "/a.sock"}, {"XDG_RUNTIME_DIR", "/run/user/1000"}});
  EXPECT_EQ(default_socket(env, kAlice), "/a.sock");
  EXPECT_EQ(default_socket(env, kRoot), "/a.sock");
}

TEST(DefaultSocket, IsTheSystemsForRoot) {
  EXPECT_EQ(default_socket(with({{"LEVEE_SOCKET", ""}, {"XDG_RUNTIME_DIR", "/run/user/0"}}), kRoot),
            "/run/levee/levee.sock");
}

TEST(DefaultSocket, LiesInTheRuntimeDirectoryElseInTheStateDirectory) {
  EXPECT_EQ(default_socket(with({{"XDG_RUNTIME_DIR", "/run/user/1000"}}), kAlice),
            "/run/user/1000/levee.sock");
  EXPECT_EQ(default_socket(with({{"XDG_RUNTIME_DIR", "user"}, {"HOME", "/h"}}), kAlice),
            "/h/.local/state/levee/levee.sock");
  EXPECT_EQ(default_socket(with({{"LEVEE_STATE_DIR", "/s"}}), kAlice), "/s/levee.sock");
}

TEST(SocketCandidates, AreOnlyTheNamedOne) {
  EXPECT_THAT(socket_candidates(with({{"LEVEE_SOCKET", "/a"}, {"HOME", "/h"}}), kAlice),
              ElementsAre("/a"));
}

TEST(SocketCandidates, BeginWithTheSystemsSocket) {
  EXPECT_THAT(
      socket_candidates(
          with({{"LEVEE_SOCKET", ""}, {"XDG_RUNTIME_DIR", "/run/user/1000"}, {"HOME", "/h"}}),
          kAlice),
      ElementsAre("/run/levee/levee.sock", "/run/user/1000/levee.sock",
                  "/h/.local/state/levee/levee.sock", "/tmp/levee-1000/levee.sock"));
  EXPECT_THAT(socket_candidates(with({{"HOME", "/h"}}), kAlice),
              ElementsAre("/run/levee/levee.sock", "/h/.local/state/levee/levee.sock",
                          "/tmp/levee-1000/levee.sock"));
  EXPECT_THAT(socket_candidates(with({}), kAlice),
              ElementsAre("/run/levee/levee.sock", "/tmp/levee-1000/levee.sock"));
  EXPECT_THAT(socket_candidates(with({{"XDG_RUNTIME_DIR", "rel"}}), kRoot),
              ElementsAre("/run/levee/levee.sock", "/var/lib/levee/levee.sock"));
}

TEST(SocketCandidates, ContainWhereADaemonOfTheSameUserListens) {
  for (const auto& env :
       {with({}), with({{"HOME", "/h"}}), with({{"LEVEE_SOCKET", "/a"}}),
        with({{"XDG_RUNTIME_DIR", "/run/user/1000"}}), with({{"LEVEE_STATE_DIR", "/s"}})}) {
    for (const uid_t uid : {kRoot, kAlice}) {
      EXPECT_THAT(socket_candidates(env, uid), ::testing::Contains(default_socket(env, uid)));
    }
    if (!env("LEVEE_SOCKET")) {
      EXPECT_THAT(socket_candidates(env, kAlice), ::testing::Contains(spare_socket(kAlice)));
    }
  }
}

TEST(DefaultConfigFiles, AreTheSystemsForRoot) {
  EXPECT_THAT(default_config_files(with({{"XDG_CONFIG_HOME", "/c"}, {"HOME", "/root"}}), kRoot),
              ElementsAre("/etc/levee/levee.toml"));
}

TEST(DefaultConfigFiles, BeginWithTheUsersOwn) {
  const fs::path system = "/etc/levee/levee.toml";
  EXPECT_THAT(default_config_files(with({{"XDG_CONFIG_HOME", "/c"}, {"HOME", "/h"}}), kAlice),
              ElementsAre("/c/levee/levee.toml", system));
  EXPECT_THAT(default_config_files(with({{"XDG_CONFIG_HOME", "c"}, {"HOME", "/h"}}), kAlice),
              ElementsAre("/h/.config/levee/levee.toml", system));
  EXPECT_THAT(default_config_files(with({}), kAlice), ElementsAre(system));
}

TEST(ProcessEnvironment, TakesEmptyVariablesAsUnset) {
  const auto env = process_environment();
  ::setenv("LEVEE_TEST_VARIABLE", "value", 1);
  EXPECT_EQ(env("LEVEE_TEST_VARIABLE"), "value");
  ::setenv("LEVEE_TEST_VARIABLE", "", 1);
  EXPECT_EQ(env("LEVEE_TEST_VARIABLE"), std::nullopt);
  ::unsetenv("LEVEE_TEST_VARIABLE");
  EXPECT_EQ(env("LEVEE_TEST_VARIABLE"), std::nullopt);
}

}  // namespace
}  // namespace levee::client
